"""Names of models and deployments: which are replaced, and which are never sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Connector
from connector.files import resources
from connector.providers import paths
from connector.sandbox import Sandbox
from connector.text import safe_yaml

from .conftest import FakeClock
from .support.fault_server import FaultServer
from .support.manifests import examples

KEY = "sk-model-names-0123456789"
ACTIONS = Connector.load().manifest.actions
INPUTS = {
    action: inputs
    for action, inputs in examples()
    if any(item.key == "model" and item.data_source for item in ACTIONS[action].inputs)
    and not ACTIONS[action].providers
}
"""The actions of every provider whose model the connector may replace, each with good inputs."""
DATED = {"apiKey": KEY, "organization": "mine", "apiVersion": "2024-10-21"}
V1 = {"apiKey": KEY, "organization": "mine"}
OPENAI = {"apiKey": KEY, "isOpenAIKey": True}


@pytest.fixture(scope="module")
def shared() -> Iterator[Connector]:
    made = Connector.load()
    yield made
    made.close()


def url_of(result: Any) -> str:
    """The address of a dry run's first request."""
    data = result.data
    first: dict[str, str] = data[0] if isinstance(data, list) else data
    return first["url"]


UNNAMEABLE = [
    *(".", "..", "...", ". .", ".. .", "..;", "..;a", ".;", "a;b", "a;..", ";a"),
    *("a/b", "a/../b", "../b", "a\\..\\b", "a\\b", "a%b", "%2e%2e", "%252e%252e", "a%2fb", "a%5Cb"),
    *(
        "\uff0e\uff0e",
        "\uff0e.",
        "\u2025",
        "\u2024\u2024",
        "\u2026",
        "a\uff0f..\uff0fb",
        "a\uff0fb",
    ),
    *("\uff0e\uff0e\uff1b", "..\uff1b", "a\ufe54b", "a\u037eb", "\uff052e\uff052e", "a\ufe6a2fb"),
    *(
        "a\uff3cb",
        "a\ufe68b",
        "\u2100",
        "a\u2044b",
        "a\u2215b",
        "a\u29f8b",
        "\u00bd",
        "a\uff1fb",
        "a\uff03b",
    ),
    *("a\x7fb", "a\x85b", "a\u2028b", "a\u200bb", ".\u200b.", "a\u202eb", "a\ufeffb", "a\u00a0b"),
    *("a\ud800", "a\ue000b"),
]
NAMEABLE = [
    *(
        "gpt-4o",
        "gpt-3.5-turbo",
        "my_gpt",
        "my gpt",
        ".a",
        "a.",
        "a..b",
        "v1.2",
        "_",
        "-",
        "a:b",
        "a@b",
    ),
    *(
        "org+model",
        "m\u00fcnchen",
        "\u6a21\u578b",
        "\uff47\uff50\uff54",
        "a(b)",
        "ft:gpt-4o:org::id",
    ),
]


@pytest.mark.parametrize("action", INPUTS)
@pytest.mark.parametrize("name", UNNAMEABLE)
def test_a_deployment_that_does_not_fit_a_path_is_refused(
    shared: Connector, action: str, name: str
) -> None:
    inputs = {**INPUTS[action], "model": name}
    result = shared.invoke(action, inputs, {"fields": DATED})
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert [row["path"] for row in result.error.details or ()] == ["/inputs/model"]
    assert result.meta["attempts"] == 0


@pytest.mark.parametrize("name", NAMEABLE)
def test_any_other_deployment_is_one_segment(shared: Connector, name: str) -> None:
    inputs = {"model": name}
    result = shared.invoke("createChatCompletion", inputs, {"fields": DATED}, dry_run=True)
    path = url_of(result).partition("?")[0]
    assert path.startswith("https://mine.openai.azure.com/openai/deployments/")
    assert path.endswith("/chat/completions")
    assert path.count("/") == 7


@pytest.mark.parametrize("fields", [V1, OPENAI])
@pytest.mark.parametrize("name", ["..", "..;", "a%b", "org/model", "\uff0e\uff0e", "a\\b", "a;b"])
def test_a_name_in_a_body_is_any_text(shared: Connector, fields: Any, name: str) -> None:
    result = shared.invoke(
        "createChatCompletion", {"model": name}, {"fields": fields}, dry_run=True
    )
    assert result.data["body"]["model"] == name
    assert result.data["url"].endswith("/v1/chat/completions")


@pytest.mark.parametrize("fields", [DATED, V1, OPENAI])
@pytest.mark.parametrize("action", INPUTS)
def test_a_name_that_cannot_be_encoded_is_refused_once(
    shared: Connector, fields: Any, action: str
) -> None:
    inputs = {**INPUTS[action], "model": "a\ud800"}
    result = shared.invoke(action, inputs, {"fields": fields})
    assert result.error is not None
    assert (result.error.code, result.meta["attempts"]) == ("invalid_input", 0)
    assert [row["path"] for row in result.error.details or ()] == ["/inputs/model"]


def test_a_body_that_cannot_be_encoded_is_refused_before_the_first_image(
    shared: Connector,
) -> None:
    inputs = {"prompt": "A boat", "numImages": 3, "model": "dall-e-3"}
    with FaultServer({"json": {"data": [{"b64_json": "AAAA"}]}}) as server:
        fields = {**OPENAI, "endpoint": server.url}
        for more in ({"prompt": "\ud800"}, {"extraParameters": {"user": "\ud800"}}):
            result = shared.invoke("createImage", {**inputs, **more}, {"fields": fields})
            assert result.error is not None
            assert (result.error.code, result.error.sent) == ("invalid_input", "no")
            assert "requests failed" not in result.error.message
        assert server.requests == []


segments = st.text(
    st.sampled_from("./%;\\?#2eEfF \uff0e\uff0f\uff05\uff1b\u2024\u2025\u2100\u2215\u200b\ud800a")
    | st.characters(),
    min_size=1,
    max_size=8,
)


@given(segments)
def test_no_name_leads_elsewhere_however_often_a_server_decodes(name: str) -> None:
    if paths.segment_fault(name) is None:
        assert paths.path_fault("/a/" + name.replace(" ", "") + "/b") is None
        assert paths._decoded_fault(f"/{name}") is None
        assert ";" not in name


@pytest.mark.parametrize("action", sorted({*INPUTS} - {"editImage", "transcribeAudio"}))
@pytest.mark.parametrize("sent", [False, True])
def test_a_default_that_has_retired_is_replaced_whether_it_is_sent_or_not(
    fake_clock: FakeClock, tmp_path: Path, action: str, sent: bool
) -> None:
    """In every action with a model, as one that the manifest gives a retired default."""
    manifest = safe_yaml.loads((resources.root() / "connector.yaml").read_text(encoding="utf-8"))
    manifest["models"]["old"] = {"retires": {"openai": "2026-01-01"}, "successor": "new"}
    for item in (item for spec in manifest["actions"] for item in spec["inputs"]):
        if item["key"] == "model":
            item["default"] = "old"
    for folder in ("schemas", "assets"):
        (tmp_path / folder).symlink_to(resources.root() / folder)
    (tmp_path / "connector.yaml").write_text(json.dumps(manifest))
    connector = Connector.load(tmp_path / "connector.yaml", clock=fake_clock.clock())
    inputs = {**INPUTS[action], **({"model": "old"} if sent else {})}
    result = connector.invoke(action, inputs, {"fields": OPENAI}, dry_run=True)
    data = result.data[0] if isinstance(result.data, list) else result.data
    connector.close()
    assert data["body"]["model"] == "new"
    assert result.meta["warnings"] == ["The default model old has retired; new was used instead."]


def test_a_default_that_is_replaced_by_a_reasoning_model_still_works(sandbox: Sandbox) -> None:
    clock = FakeClock().clock()._replace(today=lambda: "2027-02-01")
    connector = Connector.load(clock=clock)
    inputs = {"temperature": 0.2, "topP": 0.9, "numChoices": 2}
    result = connector.invoke("createChatCompletion", inputs, sandbox.connection("openai"))
    shown = {**inputs, "model": "gpt-4o-mini"}  # as a form sends the default that it shows
    again = connector.invoke("createChatCompletion", shown, sandbox.connection("openai"))
    named = {**inputs, "model": "gpt-5-mini"}
    refused = connector.invoke("createChatCompletion", named, sandbox.connection("openai"))
    connector.close()
    assert result.ok, result.to_dict()
    assert again.ok, again.to_dict()
    assert again.meta["warnings"] == result.meta["warnings"]
    assert sandbox.requests[1].body == sandbox.requests[0].body
    body = json.loads(sandbox.requests[0].body)
    assert (body["model"], body["n"], len(body)) == ("gpt-5-mini", 2, 3)
    assert len(result.meta["warnings"]) == 3
    assert refused.error is not None  # what the caller named is left as it is
    assert refused.error.provider_param == "temperature"


def test_a_long_name_of_marks_is_not_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    """To put marks that combine in order costs the square of their number."""
    monkeypatch.setattr(paths, "unicodedata", None)
    assert paths.segment_fault("a" + "\u0301\u0327" * 50_000) == "is too long"
