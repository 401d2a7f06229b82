"""What an action costs: computed from usage and known prices, or not told at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.doors.bulk.report import Bar
from connector.doors.bulk.runner import Outcome
from connector.sandbox import Sandbox

from .support.fault_server import FaultServer, chat_completion
from .support.front import connection, inputs_of

pytestmark = pytest.mark.core

OWN = {
    "openai": {"some-model": {"input": 1, "cachedInput": 0.5, "output": 10, "day": "2026-11-01"}},
    "azure": {"some-model": {"input": 2, "output": 20}},
}


@pytest.fixture
def priced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connector:
    """The bundled connector with the operator's prices."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(OWN), encoding="utf-8")
    monkeypatch.setenv("CONNECTOR_PRICES", str(path))
    return Connector.load()


def answer(usage: Any, **more: Any) -> dict[str, Any]:
    return {"json": {**chat_completion("Hi"), "model": "some-model", "usage": usage, **more}}


def meta(connector: Connector, answers: Any, action: str, **inputs: Any) -> dict[str, Any]:
    with FaultServer(answers) as server:
        result = connector.invoke(action, inputs_of(action, **inputs), connection(server.url))
    return dict(result.meta)


CHAT = "createChatCompletion"
PLAIN = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


@pytest.mark.parametrize(
    ("usage", "more", "amount"),
    [
        (PLAIN, {}, 0.0002),
        ({**PLAIN, "prompt_tokens_details": {"cached_tokens": 40}}, {}, 0.00018),
        ({**PLAIN, "prompt_tokens_details": None}, {}, 0.0002),
        ({**PLAIN, "completion_tokens_details": {"audio_tokens": 0}}, {}, 0.0002),
        ({"prompt_tokens": 100}, {}, 0.0001),
        (PLAIN, {"model": "some-model-2024-07-18"}, 0.0002),
        (PLAIN, {"model": "a-deployment"}, 0.0002),  # it was asked by the name that has a price
        (PLAIN, {"service_tier": "default"}, 0.0002),
        (PLAIN, {"service_tier": "priority"}, None),
        ({**PLAIN, "completion_tokens_details": {"audio_tokens": 1}}, {}, None),
        ({**PLAIN, "prompt_tokens_details": {"cached_tokens": 101}}, {}, None),
        ({**PLAIN, "prompt_tokens_details": {"cached_tokens": "1"}}, {}, None),
        ({**PLAIN, "prompt_tokens_details": 7}, {}, None),
        ({**PLAIN, "prompt_tokens": -1}, {}, None),
        ({**PLAIN, "completion_tokens": 1.5}, {}, None),
        (None, {}, None),
    ],
)
def test_the_cost_of_a_response(
    priced: Connector, usage: Any, more: dict[str, Any], amount: float | None
) -> None:
    found = meta(priced, [answer(usage, **more)], CHAT).get("cost")
    if amount is None:
        assert found is None
    else:
        assert found == {"amount": amount, "currency": "USD", "pricesOf": "2026-11-01"}


def test_the_costs_of_several_requests_add_up(priced: Connector) -> None:
    found = meta(priced, [answer(PLAIN)] * 3, "createCompletions", messages=["a", "b", "c"])
    assert found["cost"]["amount"] == 0.0006
    cheap = {"model": "other-model"}
    answers = [answer(PLAIN), answer(PLAIN, **cheap), answer(None)]
    found = meta(priced, answers, "createCompletions", messages=["a", "b", "c"])
    assert "cost" not in found  # that of one is unknown


@pytest.mark.parametrize(
    ("first", "known"), [({"status": 503}, True), ({"reset": "after_request"}, False)]
)
def test_an_attempt_that_may_have_been_billed_hides_the_cost(
    priced: Connector, first: dict[str, Any], known: bool
) -> None:
    found = meta(priced, [first, answer(PLAIN)], CHAT)
    assert found["attempts"] == 2
    assert ("cost" in found) == known


def test_prices_of_a_deployment(priced: Connector) -> None:
    fields = {"isOpenAIKey": False}
    with FaultServer([answer(PLAIN)]) as server:
        result = priced.invoke(CHAT, inputs_of(CHAT), connection(server.url, **fields))
    assert result.meta["cost"] == {"amount": 0.0004, "currency": "USD", "pricesOf": None}


def test_a_stream_costs_the_same(priced: Connector, sandbox: Sandbox) -> None:
    to = sandbox.connection("azure")
    inputs = {"model": "some-model", "messages": [{"role": "user", "content": "Hi"}]}
    whole = priced.invoke(CHAT, inputs, to)
    with priced.stream(CHAT, inputs, to) as stream:
        assert list(stream)
    assert stream.result.meta["cost"] == whole.meta["cost"]
    assert whole.meta["cost"]["amount"] > 0


def test_what_is_read_costs_nothing_and_is_not_told(priced: Connector, sandbox: Sandbox) -> None:
    result = priced.test_connection(sandbox.connection("openai"))
    assert "cost" not in result.meta


def test_listed_prices_hold_on_the_vendors_own_host_only(connector: Connector) -> None:
    found = meta(connector, [answer(PLAIN, model="gpt-4o-mini")], CHAT, model="gpt-4o-mini")
    assert "cost" not in found
    for host, known in (("api.openai.com", True), ("eu.api.openai.com", False)):
        to = connection(f"https://{host}")
        provider = connector._connections.get(to).provider
        response = {"model": "gpt-4o-mini-2024-07-18"}
        price = connector.manifest.prices.of(provider, response, "gpt-4o-mini")
        assert (price is not None) == known


def test_every_listed_price_has_a_source_and_a_day(connector: Connector) -> None:
    for models in connector.describe()["prices"].values():
        for item in models.values():
            assert item["source"].startswith("https://")
            assert item["day"] <= "2026-11-28"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "/ must be an object"),
        ('{"openai": 1}', "/openai must be an object"),
        ('{"openai": {"m": 1}}', "/openai/m must be an object"),
        ('{"openai": {"m": {"output": 1}}}', "/openai/m/input is required"),
        ('{"openai": {"m": {"input": "1"}}}', "/openai/m/input must be dollars"),
        ('{"openai": {"m": {"input": -1}}}', "/openai/m/input must be dollars"),
        ('{"openai": {"m": {"input": 1, "price": 2}}}', "/openai/m must have no 'price'"),
        ("{", "prices.json"),
        (None, "prices.json cannot be read"),
    ],
)
def test_a_file_that_is_no_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, says: str
) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("CONNECTOR_PRICES", str(path))
    with pytest.raises(ConnectorError, match=says) as caught:
        Connector.load()
    assert caught.value.code == "invalid_manifest"


def test_a_bulk_run_adds_up_what_is_known(priced: Connector) -> None:
    bar = Bar(2)
    with FaultServer([answer(PLAIN), answer(None)]) as server:
        for _ in range(2):
            bar.finished(priced.invoke(CHAT, inputs_of(CHAT), connection(server.url)))
    lines = bar.summary(Outcome(2, 0, 0, 0, None), "results.db")
    assert "0.000200 USD, known for 1 of 2 rows." in lines
