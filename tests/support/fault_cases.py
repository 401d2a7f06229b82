"""The cases of `tests/cases/faults.yaml`: reads and plays them, and checks the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple

import yaml

from connector import Connector
from tests.conftest import FakeClock

from . import canary
from .fault_server import (
    FaultServer,
    SilentListener,
    ca_file,
    chat_completion,
    completion,
    refused_port,
)

CASES: Final = Path(__file__).parent.parent / "cases" / "faults.yaml"

_INPUTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "createChatCompletion": {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hi"}],
    },
    "rawRequest": {"method": "GET"},
    "createImage": {"prompt": "A lighthouse"},
    "createCompletions": {"model": "gpt-4o-mini", "messages": ["a", "b", "c", "d", "e"]},
    "summarizeText": {"model": "gpt-4o-mini", "textToSummarize": "Tides."},
}
_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "openai": {"isOpenAIKey": True},
    "azure": {"isOpenAIKey": False},
    "dated": {"isOpenAIKey": False, "apiVersion": "2024-10-21"},
}
_SHORTHANDS: Final = {"chat": chat_completion, "completion": completion}
_KEYS: Final = frozenset(
    "name action inputs without providers fields answers tls trusted expires expect".split()
)
_EXPECTED: Final = frozenset(
    "ok code retryable sent attempts requests waits hint message warning details data meta "
    "httpStatus retryAfterMs providerCode providerParam requestId absent".split()
)


class Case(NamedTuple):
    """One row of the file, for one provider."""

    name: str
    provider: str
    row: Mapping[str, Any]


def cases() -> list[Case]:
    """Return every case, once for each of its providers."""
    rows = yaml.safe_load(CASES.read_text(encoding="utf-8"))["cases"]
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names)), "two cases have the same name"
    for row in rows:
        assert not set(row) - _KEYS, f"{row['name']}: {set(row) - _KEYS}"
        assert not set(row["expect"]) - _EXPECTED, f"{row['name']}: {row['expect']}"
    return [
        Case(row["name"], provider, row)
        for row in rows
        for provider in row.get("providers", ["openai"])
    ]


class Played(NamedTuple):
    """The outcome of a case."""

    result: Any
    server: FaultServer
    others: SilentListener
    waits: list[float]


def play(case: Case, connector: Connector, clock: FakeClock, folder: Path) -> Played:
    """Run the case's action against its fault."""
    row = case.row
    action = row.get("action", "createChatCompletion")
    with ExitStack() as stack:
        others = stack.enter_context(SilentListener())
        responses = _filled(row.get("answers", {"chat": "Hi"}), {"{other}": others.url})
        server = stack.enter_context(FaultServer(_expanded(responses), row.get("tls")))
        fields = {"apiKey": canary.KEY, "endpoint": server.url, **_FIELDS[case.provider]}
        if row.get("trusted", True) and row.get("tls"):
            fields["caFile"] = str(ca_file(folder))
        refused = stack.enter_context(refused_port())
        marks = {"{refused}": str(refused), "{other}": others.url, "{port}": str(server.port)}
        fields |= _filled(row.get("fields", {}), marks)
        inputs = {**_INPUTS.get(action, {}), **row.get("inputs", {})}
        inputs = {key: inputs[key] for key in inputs if key not in row.get("without", [])}
        if row.get("expires"):
            stack.enter_context(_expiring(server, clock))
        result = connector.invoke(action, inputs, {"fields": fields})
    return Played(result, server, others, clock.sleeps)


@contextmanager
def _expiring(server: FaultServer, clock: FakeClock) -> Iterator[None]:
    """Let the deadline expire once a request has arrived and its response has begun to drip."""

    def expire() -> None:
        server.wait_for_requests(1)
        server.wait_for_requests(2, timeout=0.1)  # a second one is an error, found later
        clock.expire()

    thread = Thread(target=expire)
    thread.start()
    yield
    thread.join()


def check(case: Case, played: Played) -> None:
    """Fail if the envelope, the requests or the waits are not what the case expects."""
    expect = case.row["expect"]
    envelope = played.result.to_dict()
    found = {**envelope.get("error", {}), "ok": envelope["ok"], "data": envelope.get("data")}
    found["attempts"] = envelope["meta"]["attempts"]
    wanted = {"ok": "code" not in expect, "attempts": 1, **expect}
    wanted.setdefault("requests", wanted["attempts"])
    found["requests"] = len(played.server.requests)
    for key in ("ok", "code", "retryable", "sent", "attempts", "requests"):
        if key in wanted:
            assert found.get(key) == wanted[key], (key, envelope, played.waits)
    for key in ("httpStatus", "retryAfterMs", "providerCode", "providerParam", "requestId"):
        if key in wanted:
            assert found.get(key) == wanted[key], (key, envelope)
    for key in ("hint", "message"):
        assert wanted.get(key, "") in (found.get(key) or ""), (key, envelope)
    if "waits" in wanted:
        assert played.waits == wanted["waits"], envelope
    _check_rest(wanted, envelope)
    assert played.others.connections == 0
    assert played.others.bytes_received == b""


def _check_rest(wanted: Mapping[str, Any], envelope: Mapping[str, Any]) -> None:
    warnings = " ".join(envelope["meta"]["warnings"])
    if "warning" in wanted:
        assert (wanted["warning"] or "") in warnings, envelope
        assert wanted["warning"] or not warnings, envelope
    for path in wanted.get("details", []):
        assert path in [row["path"] for row in envelope["error"]["details"]], envelope
    for key in ("data", "meta"):
        if key in wanted:
            _includes(envelope.get(key), wanted[key], key)
    for text in wanted.get("absent", []):
        assert text not in str(envelope), envelope


def _includes(found: Any, wanted: Any, path: str) -> None:
    """A mapping needs the wanted keys only; everything else must be equal."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            _includes(found.get(key), value, f"{path}/{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, value in enumerate(wanted):
            _includes(found[index], value, f"{path}/{index}")
    else:
        assert found == wanted, path


def _filled(value: Any, marks: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for mark, text in marks.items():
            value = value.replace(mark, text)
        return value
    if isinstance(value, list):
        return [_filled(item, marks) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, marks) for key, item in value.items()}
    return value


def _expanded(responses: Any) -> Any:
    """Turn the file's shorthands into responses: `chat: text`, `completion: text`, `error: {…}`."""
    if isinstance(responses, list):
        return [_expanded(response) for response in responses]
    response = dict(responses)
    for name, make in _SHORTHANDS.items():
        if name in response:
            response["json"] = make(response.pop(name), **response.pop("changes", {}))
    if "error" in response:
        standard = {"message": "No.", "type": None, "param": None, "code": None}
        response["json"] = {"error": {**standard, **response.pop("error")}}
    return response
