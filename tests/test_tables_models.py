"""The manifest's tables of models and policies, row by row: what each entry changes.

The entries are written out here: one that is deleted from the manifest must not take its case
along.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from tests.conftest import FakeClock
from tests.support import manifests
from tests.support.fault_server import FaultServer, Received, chat_completion, completion
from tests.support.front import call, connection, inputs_of, refusal

MODELS: dict[str, dict[str, Any]] = {
    "gpt-3.5-turbo-instruct": {
        "api": "completions",
        "contextTokens": 4096,
        "retires": {"openai": "2026-09-28", "azure": "2025-12-01"},
        "successor": "gpt-4o-mini",
    },
    "davinci-002": {
        "api": "completions",
        "contextTokens": 16384,
        "retires": {"openai": "2026-09-28", "azure": "2025-01-27"},
        "successor": "gpt-4o-mini",
    },
    "babbage-002": {
        "api": "completions",
        "contextTokens": 16384,
        "retires": {"openai": "2026-09-28", "azure": "2025-01-27"},
        "successor": "gpt-4o-mini",
    },
    "gpt-4o-mini": {
        "contextTokens": 128000,
        "retires": {"openai": "2027-01-14", "azure": "2026-10-01"},
        "successor": "gpt-5-mini",
    },
    "gpt-5-mini": {"contextTokens": 272000, "reasoning": True},
    "text-embedding-3-small": {"api": "embeddings", "contextTokens": 8192},
    "text-embedding-3-large": {"api": "embeddings", "contextTokens": 8192},
    "text-embedding-ada-002": {"api": "embeddings", "contextTokens": 8192},
    "omni-moderation-latest": {"api": "moderations"},
    "dall-e-2": {
        "api": "images",
        "retires": {"openai": "2026-05-12", "azure": "2025-01-27"},
        "successor": "gpt-image-2",
    },
    "dall-e-3": {
        "api": "images",
        "imagesPerCall": 1,
        "retires": {"openai": "2026-05-12", "azure": "2026-03-04"},
        "successor": "gpt-image-2",
    },
    "gpt-image-1": {
        "api": "images",
        "retires": {"openai": "2026-10-23", "azure": "2026-10-23"},
        "successor": "gpt-image-2",
    },
    "gpt-image-1-mini": {
        "api": "images",
        "retires": {"openai": "2026-12-01", "azure": "2027-04-07"},
        "successor": "gpt-image-2",
    },
    "gpt-image-1.5": {
        "api": "images",
        "retires": {"openai": "2026-12-01", "azure": "2026-12-16"},
        "successor": "gpt-image-2",
    },
    "gpt-image-2": {"api": "images", "retires": {"azure": "2027-04-21"}},
}
"""The models of the page's first five actions, on which the tests below run."""

OTHERS: dict[str, dict[str, Any]] = {
    "gpt-4o-mini-tts": {"api": "speech"},
    "tts-1": {"api": "speech"},
    "tts-1-hd": {"api": "speech"},
    "whisper-1": {"api": "transcriptions"},
    "gpt-4o-transcribe": {"api": "transcriptions"},
    "gpt-4o-mini-transcribe": {"api": "transcriptions"},
}
POLICIES: dict[str, Any] = {
    "deadlineMs": 600_000,
    "streamIdleMs": 60_000,
    "maxResponseBytes": 268_435_456,
    "maxTextBytes": 134_217_728,
    "maxFileBytes": 8_589_934_592,
    "maxErrorBytes": 1_048_576,
    "concurrency": 8,
    "retries": {"maxRetries": 2, "baseMs": 500, "capMs": 8000, "jitter": "full"},
    "rawRetries": {"baseMs": 200, "capMs": 600_000, "jitter": 0.2},
    "maxRetryAfterMs": 120_000,
    "retryBudget": {"capacity": 500, "cost": 5},
    "legacyMaxTokens": 2048,
    "defaultContextTokens": 32_000,
}
OPENAI = {name: facts for name, facts in MODELS.items() if "openai" in facts.get("retires", {})}
IMAGES = [name for name, facts in MODELS.items() if facts.get("api") == "images"]
OF_TEXT = [name for name, facts in MODELS.items() if facts.get("api") in (None, "completions")]
LEGACY = [name for name, facts in MODELS.items() if facts.get("api") == "completions"]
URL = {"json": {"data": [{"url": "https://images.example/1"}]}}


def test_the_manifest_has_exactly_these_models(connector: Connector) -> None:
    assert connector.describe()["models"] == {**MODELS, **OTHERS}


def test_the_manifest_has_exactly_these_policies(connector: Connector) -> None:
    assert connector.describe()["policies"] == POLICIES


def test_a_manifest_without_policies_has_the_same(tmp_path: Path, fake_clock: FakeClock) -> None:
    bare = manifests.with_policies(tmp_path, None, fake_clock.clock())
    assert bare.manifest.policies == Connector.load().manifest.policies


# Models


@pytest.mark.parametrize("provider", ["openai", "azure"])
@pytest.mark.parametrize("name", MODELS)
def test_the_choices_say_when_a_model_retires(
    connector: Connector, name: str, provider: str
) -> None:
    with FaultServer({"json": {"data": [{"id": name}, {"id": f"{name}-x"}]}}) as server:
        given = connection(server.url, isOpenAIKey=provider == "openai")
        result = connector.options("selectModel", given)
    day = MODELS[name].get("retires", {}).get(provider)
    label = f"{name} (until {day})" if day else name
    found = sorted(result.data, key=lambda row: str(row["key"]))
    assert found == [{"key": name, "label": label}, {"key": f"{name}-x", "label": f"{name}-x"}]


def action_of(name: str) -> str:
    return "createImage" if name in IMAGES else "createCompletions"


def before(day: str) -> str:
    """The day before; no model retires on the first of a month without a case of its own."""
    year, month, number = map(int, day.split("-"))
    if number > 1:
        return f"{year}-{month:02}-{number - 1:02}"
    return f"{year}-{month - 1:02}-28"


def by_path(received: Received, _: int) -> Any:
    """A response of the API that was asked."""
    if "/images/" in received.target:
        return URL
    return {"json": chat_completion() if "/chat/" in received.target else completion()}


@contextmanager
def defaulted(folder: Path, name: str, today: str) -> Iterator[Connector]:
    clock = FakeClock().clock()._replace(today=lambda: today)
    made = manifests.with_default_model(folder, action_of(name), name, clock)
    yield made
    made.close()


@pytest.mark.parametrize("name", OPENAI)
def test_a_default_that_has_retired_is_replaced_from_its_day_on(tmp_path: Path, name: str) -> None:
    day, successor = MODELS[name]["retires"]["openai"], MODELS[name]["successor"]
    for today, expected in ((before(day), name), (day, successor)):
        with defaulted(tmp_path, name, today) as connector:
            seen = call(connector, action_of(name), by_path, {"model": None})
            assert seen.requests[0].json()["model"] == expected
            warnings = [text for text in seen.envelope["meta"]["warnings"] if "retired" in text]
            assert len(warnings) == (expected != name)
            assert all(name in text and expected in text for text in warnings)
            named = call(connector, action_of(name), by_path, {"model": "gpt-image-1x"})
            assert named.requests[0].json()["model"] == "gpt-image-1x"


@pytest.mark.parametrize("name", MODELS)
def test_on_azure_a_default_is_never_replaced(tmp_path: Path, name: str) -> None:
    """A name there is that of a deployment."""
    with defaulted(tmp_path, name, "2099-01-01") as connector:
        seen = call(connector, action_of(name), by_path, {"model": None}, isOpenAIKey=False)
    assert seen.requests[0].json()["model"] == name
    assert not any("retired" in text for text in seen.envelope["meta"]["warnings"])


@pytest.mark.parametrize("name", [*OF_TEXT, *IMAGES])
def test_a_model_without_a_last_day_stays(tmp_path: Path, name: str) -> None:
    with defaulted(tmp_path, name, "2099-01-01") as connector:
        seen = call(connector, action_of(name), by_path, {"model": None})
    last = {"gpt-image-2": "gpt-image-2"} if name in IMAGES else {}
    assert seen.requests[0].json()["model"] == last.get(name, seen.requests[0].json()["model"])
    assert seen.requests[0].json()["model"] == ("gpt-image-2" if name in IMAGES else "gpt-5-mini")


@pytest.fixture
def long_ago(fake_clock: FakeClock) -> Iterator[Connector]:
    """The bundled connector on a day on which no model had retired yet."""
    made = Connector.load(clock=fake_clock.clock()._replace(today=lambda: "2025-01-01"))
    yield made
    made.close()


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_model_is_asked_by_its_own_api_first(long_ago: Connector, name: str) -> None:
    seen = call(long_ago, "createCompletions", by_path, {"model": name})
    path = "/v1/completions" if name in LEGACY else "/v1/chat/completions"
    assert [received.target for received in seen.requests] == [path]


@pytest.mark.parametrize("name", [*OF_TEXT, *IMAGES])
def test_a_deployment_of_images_serves_a_default_of_images(tmp_path: Path, name: str) -> None:
    """The address of a deployment, pasted whole, names the one that serves a default."""
    for api in ("images/generations", "chat/completions"):
        path = f"/openai/deployments/mine/{api}?api-version=2024-10-21"
        with defaulted(tmp_path, name, "2026-01-01") as connector:
            seen = call(
                connector, action_of(name), by_path, {"model": None}, path, isOpenAIKey=False
            )
        serves = (api == "images/generations") == (name in IMAGES)
        model = "mine" if serves else name
        assert seen.requests[0].target.startswith(f"/openai/deployments/{model}/")


@pytest.mark.parametrize("name", [*OF_TEXT, "unknown"])
def test_a_text_that_fits_the_context_is_sent_whole(long_ago: Connector, name: str) -> None:
    """The context is estimated at three bytes a token, with room for the response."""
    context = MODELS.get(name, {"contextTokens": 32_000})["contextTokens"]
    inputs = {"model": name, "textToSummarize": "word " * int(context * 3 * 0.6 / 5)}
    assert planned(long_ago, inputs) == 1
    inputs["textToSummarize"] = "word " * (context * 3 // 5)
    assert 1 < planned(long_ago, inputs) < 4


def planned(connector: Connector, inputs: dict[str, Any]) -> int:
    to = connection("https://api.example.com")
    result = connector.invoke("summarizeText", inputs, to, dry_run=True)
    assert result.ok, result.to_dict()
    return len(result.data) if isinstance(result.data, list) else 1


@pytest.mark.parametrize("name", [*IMAGES, "unknown"])
def test_one_request_asks_for_as_many_images_as_the_model_allows(
    connector: Connector, name: str
) -> None:
    answer = {"json": {"data": [{"url": "https://images.example/1"}] * 3}}
    seen = call(connector, "createImage", answer, {"model": name, "numImages": 3})
    counts = [received.json().get("n") for received in seen.requests]
    assert counts == ([None] * 3 if name == "dall-e-3" else [3])


@pytest.mark.parametrize("name", [name for name in MODELS if name not in IMAGES])
def test_what_the_successor_does_not_take_is_left_out(
    tmp_path: Path, fake_clock: FakeClock, name: str
) -> None:
    """Where nobody chose it; only a reasoning model takes no sampling."""

    def succeeded(raw: dict[str, Any]) -> None:
        raw["models"]["old"] = {"retires": {"openai": "2020-01-01"}, "successor": name}
        raw["models"][name].pop("retires", None)
        raw["actions"][0]["inputs"][0]["default"] = "old"

    connector = manifests.changed(tmp_path, succeeded, fake_clock.clock())
    inputs = {"model": None, "temperature": 0.5, "topP": 0.25}
    seen = call(connector, "createChatCompletion", by_path, inputs)
    body = seen.requests[0].json()
    assert body["model"] == name
    reasons = name == "gpt-5-mini"
    assert (body.get("temperature"), body.get("top_p")) == (
        (None, None) if reasons else (0.5, 0.25)
    )
    assert len(seen.envelope["meta"]["warnings"]) == (3 if reasons else 1)
    named = call(connector, "createChatCompletion", by_path, {**inputs, "model": name})
    body = named.requests[0].json()
    assert (body["temperature"], body["top_p"]) == (0.5, 0.25)
    connector.close()


def test_successors_that_form_a_circle_end(tmp_path: Path, fake_clock: FakeClock) -> None:
    def circle(raw: dict[str, Any]) -> None:
        past = {"openai": "2020-01-01"}
        raw["models"] |= {
            "a": {"retires": past, "successor": "b"},
            "b": {"retires": past, "successor": "a"},
        }
        raw["actions"][0]["inputs"][0]["default"] = "a"

    connector = manifests.changed(tmp_path, circle, fake_clock.clock())
    seen = call(connector, "createChatCompletion", by_path, {"model": None})
    assert seen.requests[0].json()["model"] in ("a", "b")
    connector.close()


# Policies


@contextmanager
def loaded(folder: Path, clock: FakeClock, **policies: Any) -> Iterator[Connector]:
    made = manifests.with_policies(folder, policies, clock.clock())
    yield made
    made.close()


def test_the_deadline_bounds_all_attempts(tmp_path: Path, fake_clock: FakeClock) -> None:
    for policies, inside, outside in (({}, 599, 601), ({"deadlineMs": 90_000}, 89, 91)):
        for seconds, attempts in ((inside, 2), (outside, 1)):

            def answer(_: Received, index: int, seconds: float = seconds) -> Any:
                if index == 0:
                    fake_clock.sleeps.append(seconds)
                return refusal(500) if index == 0 else by_path(_, index)

            fake_clock.chance = 0
            with loaded(tmp_path, fake_clock, **policies) as connector:
                seen = call(connector, "createCompletions", answer)
            assert len(seen.requests) == attempts, seconds


SIZES = {
    "maxResponseBytes": ("rawRequest", {"responseType": "binary"}, False),
    "maxTextBytes": ("rawRequest", {"responseType": "text"}, False),
    "maxFileBytes": ("rawRequest", {"responseType": "binary"}, True),
}


@pytest.mark.parametrize("policy", SIZES)
def test_the_largest_response_is_as_large_as_its_policy(
    tmp_path: Path, fake_clock: FakeClock, policy: str
) -> None:
    action, inputs, to_file = SIZES[policy]
    for size in (99, 100, 101):
        answers = {"text": "a" * size}
        with (
            loaded(tmp_path, fake_clock, **{policy: 100}) as connector,
            FaultServer(answers) as server,
        ):
            result = connector.invoke(
                action,
                inputs_of(action, **inputs),
                connection(server.url),
                output=tmp_path / "out" if to_file else None,
            )
        assert result.ok is (size <= 100), result.to_dict()
        if result.error is not None:
            assert (result.error.code, result.error.sent) == ("response_too_large", "unknown")
            assert policy in (result.error.hint or "") or to_file
    assert to_file is (tmp_path / "out").exists()


def test_a_text_beyond_ascii_takes_four_times_the_memory(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    with loaded(tmp_path, fake_clock, maxTextBytes=100) as connector:
        for text, fits in (("ä" + "a" * 23, True), ("ä" + "a" * 24, False)):
            answer = {"body_base64": base64.b64encode(text.encode()).decode()}
            for kind in ("text", "json"):
                seen = call(connector, "rawRequest", answer, {"responseType": kind})
                code = None if seen.envelope["ok"] else seen.error["code"]
                allowed = (None, "invalid_response") if fits else ("response_too_large",)
                assert code in allowed


def test_the_largest_response_by_default(connector: Connector) -> None:
    """Told by its length alone: nothing of it is read."""
    seen = call(connector, "rawRequest", {"content_length": 268_435_457})
    assert seen.error["code"] == "response_too_large"
    seen = call(connector, "rawRequest", {"content_length": 268_435_456})
    assert seen.error["code"] in ("connection_lost", "protocol_error")


def test_the_largest_error_is_as_large_as_its_policy(tmp_path: Path, fake_clock: FakeClock) -> None:
    body = json.dumps({"error": {"message": "M.", "code": "c"}})
    for limit, code in ((len(body), "c"), (len(body) - 1, None)):
        with loaded(tmp_path, fake_clock, maxErrorBytes=limit) as connector:
            error = call(connector, "rawRequest", {"status": 400, "text": body}).error
        assert error.get("providerCode") == code


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_calls_are_under_way_than_the_policy_says(
    tmp_path: Path, fake_clock: FakeClock, limit: int
) -> None:
    """dall-e-3 makes one image a call, and the action has no limit of its own."""
    together = threading.Barrier(limit)
    lock = threading.Lock()
    counts: list[int] = []
    active = 0

    def answer(_: Received, __: int) -> Any:
        nonlocal active
        with lock:
            active += 1
            counts.append(active)
        together.wait(60)
        with lock:
            active -= 1
        return URL

    inputs = {"model": "dall-e-3", "numImages": 6}
    with loaded(tmp_path, fake_clock, concurrency=limit) as connector:
        seen = call(connector, "createImage", answer, inputs)
    assert len(seen.data) == 6
    assert max(counts) == limit


WAITS: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [0.5, 1.0]),
    ({"maxRetries": 6}, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]),
    ({"maxRetries": 0}, []),
    ({"maxRetries": 1}, [0.5]),
    ({"baseMs": 100}, [0.1, 0.2]),
    ({"capMs": 700}, [0.5, 0.7]),
    ({"jitter": 0.5}, [0.75, 1.5]),
    ({"jitter": 0}, [0.5, 1.0]),
]


@pytest.mark.parametrize(("change", "waits"), WAITS)
def test_named_actions_wait_as_their_policy_says(
    tmp_path: Path, fake_clock: FakeClock, change: dict[str, Any], waits: list[float]
) -> None:
    retries = {**POLICIES["retries"], **change}
    with loaded(tmp_path, fake_clock, retries=retries) as connector:
        seen = call(connector, "createChatCompletion", refusal(503))
    assert seen.envelope["meta"]["attempts"] == len(waits) + 1
    assert fake_clock.sleeps == pytest.approx(waits)


def test_full_jitter_is_a_share_of_the_wait(connector: Connector, fake_clock: FakeClock) -> None:
    fake_clock.chance = 0.5
    call(connector, "createChatCompletion", refusal(503))
    assert fake_clock.sleeps == [0.25, 0.5]


RAW_WAITS: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [0.24, 0.48, 0.96]),
    ({"baseMs": 100}, [0.12, 0.24, 0.48]),
    ({"capMs": 300}, [0.24, 0.36, 0.36]),
    ({"jitter": 0.5}, [0.3, 0.6, 1.2]),
]


@pytest.mark.parametrize(("change", "waits"), RAW_WAITS)
def test_raw_requests_wait_as_their_policy_says(
    tmp_path: Path, fake_clock: FakeClock, change: dict[str, Any], waits: list[float]
) -> None:
    inputs = {"maxRetries": 3, "useExponentialBackoff": True, "retryDelayMS": 7000}
    with loaded(tmp_path, fake_clock, rawRetries={**POLICIES["rawRetries"], **change}) as connector:
        call(connector, "rawRequest", refusal(503), inputs)
        assert fake_clock.sleeps == pytest.approx(waits)
        fake_clock.sleeps.clear()
        call(connector, "rawRequest", refusal(503), {**inputs, "useExponentialBackoff": False})
        assert fake_clock.sleeps == [7.0] * 3


def test_the_wait_before_raw_retries_is_never_longer_than_ten_minutes(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    inputs = {"maxRetries": 14, "useExponentialBackoff": True, "timeout": 86_400_000}
    fake_clock.chance = 0
    with loaded(tmp_path, fake_clock) as connector:
        call(connector, "rawRequest", refusal(503), inputs)
    assert fake_clock.sleeps[-3:] == [409.6, 600.0, 600.0]


@pytest.mark.parametrize(("policies", "limit"), [({}, 120), ({"maxRetryAfterMs": 9000}, 9)])
def test_a_longer_delay_than_the_policy_allows_is_not_waited_for(
    tmp_path: Path, fake_clock: FakeClock, policies: dict[str, Any], limit: int
) -> None:
    for seconds, attempts in ((limit, 2), (limit + 0.001, 1)):
        answers = [refusal(503, {"retry-after": seconds}), {"json": chat_completion()}]
        with loaded(tmp_path, fake_clock, **policies) as connector:
            seen = call(connector, "createChatCompletion", answers)
        assert len(seen.requests) == attempts
        if attempts == 1:
            assert seen.error["retryAfterMs"] == limit * 1000 + 1
    assert fake_clock.sleeps == [limit]


@pytest.mark.parametrize(
    ("budget", "retries"),
    [({}, 100), ({"capacity": 12}, 2), ({"cost": 100}, 5), ({"capacity": 4, "cost": 5}, 0)],
)
def test_an_outage_causes_no_more_retries_than_the_budget_has(
    tmp_path: Path, fake_clock: FakeClock, budget: dict[str, Any], retries: int
) -> None:
    policies = {"retryBudget": {**POLICIES["retryBudget"], **budget}}
    inputs = inputs_of("rawRequest", maxRetries=100)
    with (
        loaded(tmp_path, fake_clock, **policies) as connector,
        FaultServer([*[refusal(503)] * (retries + 2), {"json": 1}]) as server,
    ):
        first = connector.invoke("rawRequest", inputs, connection(server.url))
        assert first.meta["attempts"] == min(retries, 100) + 1
        second = connector.invoke("rawRequest", inputs, connection(server.url))
        assert second.meta["attempts"] == 1
        assert "retry budget" in " ".join(second.meta["warnings"])


def test_the_legacy_api_gets_the_limit_of_the_policy(tmp_path: Path, fake_clock: FakeClock) -> None:
    for policies, limit in (({}, 2048), ({"legacyMaxTokens": 300}, 300)):
        with loaded(tmp_path, fake_clock, **policies) as connector:
            seen = call(connector, "createCompletions", by_path, {"model": "davinci-002"})
        assert seen.requests[0].json()["max_tokens"] == limit


def test_an_unknown_models_context_is_the_policys(tmp_path: Path, fake_clock: FakeClock) -> None:
    with loaded(tmp_path, fake_clock, defaultContextTokens=2000) as connector:
        inputs = {"model": "unknown", "textToSummarize": "word " * 600}
        assert planned(connector, inputs) == 1
        inputs["textToSummarize"] *= 2
        assert planned(connector, inputs) > 1
