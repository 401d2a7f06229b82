"""The contract as data: what each payload sends, and the envelope that comes back.

The cases are in `cases/contract`; the runner is all there is here. A case names where it runs
(`on`: kinds of the sandbox, or `answers`: a script for the fault server), what is asked, the
`requests` that must arrive and the `result`. Expected mappings of a result are parts of the real
ones, those of a request's body are whole; lists are whole; a text that begins with `~` is a
regular expression, `*` is anything, and `{url}` is the server's address.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from connector import Connector, Result
from connector.sandbox import KINDS, Sandbox
from connector.text import safe_yaml

from .conftest import FakeClock
from .support.fault_server import FaultServer, chat_completion, completion
from .support.manifests import released_actions

pytestmark = pytest.mark.core

CASES = Path(__file__).parent / "cases" / "contract"
_CASE_KEYS = frozenset(
    "name on answers action options test fields connection configured environment inputs dryRun "
    "requests unordered result".split()
)
_KEY = "sk-contract-case-0123456789"
_SECRETS = ("sk-sandbox", "sandbox-azure-key-00000000000000", _KEY)


class Request(NamedTuple):
    """A request as either server received it; header names are in lower case."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


def _cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        for case in safe_yaml.loads(path.read_text(encoding="utf-8")):
            assert _CASE_KEYS.issuperset(case), f"{path.stem}: {case['name']}"
            kinds = case.get("on", ["openai"])
            for kind in [kinds] if isinstance(kinds, str) else kinds:
                yield pytest.param(case, kind, id=f"{path.stem}: {case['name']} ({kind})")


@pytest.mark.parametrize(("case", "kind"), list(_cases()))
def test_contract(
    case: dict[str, Any],
    kind: str,
    sandbox: Sandbox,
    fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CONNECTOR_CONNECTIONS", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with _server(case, kind, sandbox) as (url, fields, received):
        result = _run(case, _placed(fields, url), url, fake_clock, monkeypatch)
        requests = received()
    envelope = result.to_dict()
    text = json.dumps(envelope, allow_nan=False)
    assert not any(secret in text for secret in _SECRETS)
    _check_requests(_placed(case.get("requests"), url), requests, case.get("unordered", False))
    _check(_placed(case["result"], url), envelope, "result")


@contextlib.contextmanager
def _server(case: dict[str, Any], kind: str, sandbox: Sandbox) -> Iterator[Any]:
    """Yield the address, the connection's fields and what tells the requests so far."""
    if "answers" not in case:
        yield (
            sandbox.url,
            sandbox.connection(kind)["fields"],
            lambda: [
                Request(r.method, r.path, list(r.query.items()), r.headers, r.body)
                for r in sandbox.requests
            ],
        )
        return
    fields = {"apiKey": _KEY, "isOpenAIKey": kind == "openai", "endpoint": "{url}"}
    if kind == "azure-dated":
        fields["apiVersion"] = "2024-10-21"
    with FaultServer([_answer(item) for item in case["answers"]]) as server:
        yield server.url, fields, lambda: [_from_fault_server(r) for r in server.requests]


def _answer(data: dict[str, Any]) -> Any:
    """Return a response of the fault server; `chat` and `completion` are short for whole ones."""
    made = {"chat": chat_completion, "completion": completion}
    return next(({"json": make(data[key])} for key, make in made.items() if key in data), data)


def _run(
    case: dict[str, Any],
    fields: dict[str, Any],
    url: str,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Result:
    for name, value in case.get("environment", {}).items():
        monkeypatch.setenv(name, _placed(value, url))
    fields = {**fields, **_placed(case.get("fields", {}), url)}
    fields = {name: value for name, value in fields.items() if value is not None}
    connection = _placed(case.get("connection", {"key": "apiKey", "fields": fields}), url)
    configured = _placed(case.get("configured", {}), url)
    connector = Connector.load(clock=clock.clock(), connections=configured)
    try:
        if "options" in case:
            return connector.options(case["options"], connection)
        if "test" in case:
            return connector.test_connection(connection)
        inputs = _placed(case.get("inputs"), url)
        dry_run = case.get("dryRun", False)
        return connector.invoke(case["action"], inputs, connection, dry_run=dry_run)
    finally:
        connector.close()


def _placed(value: Any, url: str) -> Any:
    if isinstance(value, str):
        return value.replace("{url}", url)
    if isinstance(value, list):
        return [_placed(item, url) for item in value]
    if isinstance(value, dict):
        return {key: _placed(item, url) for key, item in value.items()}
    return value


def _from_fault_server(received: Any) -> Request:
    parts = urlsplit(received.target)
    headers = {name.lower(): value for name, value in received.headers}
    return Request(received.method, parts.path, parse_qsl(parts.query), headers, received.body)


def _check_requests(expected: Any, received: list[Request], unordered: bool) -> None:
    if expected is None:
        assert received == [], "the case says nothing of requests: none may be sent"
        return
    assert len(received) == len(expected)
    for index, wanted in enumerate(expected):
        if not unordered:
            _check_request(wanted, received[index], f"requests/{index}")
            continue
        fits = [item for item in received if _fits(wanted, item)]
        assert fits, f"requests/{index} is not among those received"
        received.remove(fits[0])


def _fits(wanted: dict[str, Any], received: Request) -> bool:
    try:
        _check_request(wanted, received, "")
    except AssertionError:
        return False
    return True


def _check_request(wanted: dict[str, Any], received: Request, at: str) -> None:
    assert set(wanted) <= {"method", "path", "query", "headers", "body", "text", "parts"}
    assert received.method == wanted["method"], at
    _check(wanted["path"], received.path, f"{at}/path")
    query = wanted.get("query", {})
    if query != "*":
        assert received.query == [(key, str(value)) for key, value in query.items()], at
    for name, value in wanted.get("headers", {}).items():
        _check(value, received.headers.get(name), f"{at}/headers/{name}")
    if "text" in wanted:
        assert received.body.decode() == wanted["text"], at
    elif "parts" in wanted:
        _check(wanted["parts"], _parts(received), f"{at}/parts", whole=True)
    elif "body" in wanted:
        assert received.headers["content-type"] == "application/json", at
        _check(wanted["body"], json.loads(received.body), f"{at}/body", whole=True)
    else:
        assert received.body == b"", at


def _parts(received: Request) -> list[dict[str, Any]]:
    head = f"Content-Type: {received.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + received.body, policy=email.policy.HTTP)
    assert message.get_content_type() == "multipart/form-data"
    found = []
    for part in message.iter_parts():
        disposition = part["content-disposition"]
        row: dict[str, Any] = {"name": disposition.params["name"]}
        if "filename" in disposition.params:
            row["filename"] = disposition.params["filename"]
            row["type"] = part.get_content_type()
        found.append({**row, "content": bytes(part.get_payload(decode=True)).decode("latin-1")})
    return found


def _check(wanted: Any, found: Any, at: str, whole: bool = False) -> None:
    """Assert that `found` is what the case wants; `whole`: mappings have no other keys."""
    if wanted == "*":
        return
    if isinstance(wanted, str) and wanted.startswith("~"):
        assert isinstance(found, str), f"{at}: {found!r}"
        assert re.search(wanted[1:], found, re.DOTALL), f"{at}: {found!r}"
    elif isinstance(wanted, dict):
        assert isinstance(found, dict), f"{at}: {found!r}"
        if whole:
            assert set(found) == set(wanted), at
        for key, value in wanted.items():
            assert key in found, f"{at}/{key} is missing"
            _check(value, found[key], f"{at}/{key}", whole)
    elif isinstance(wanted, list):
        assert isinstance(found, list), f"{at}: {found!r}"
        assert len(found) == len(wanted), f"{at}: {found!r}"
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            _check(one, other, f"{at}/{index}", whole)
    else:
        assert found == wanted, f"{at}: {found!r}"
        assert type(found) is type(wanted), f"{at}: {found!r}"


def test_every_released_action_has_a_case_on_every_surface() -> None:
    """The examples of all actions run in `test_every_action.py`, whether released or not."""
    covered = {(case.values[0].get("action"), case.values[1]) for case in _cases()}
    assert {(key, kind) for key in released_actions() for kind in KINDS} <= covered
