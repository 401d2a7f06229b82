"""How servers word their errors: each row of `cases/refusals.yaml`, through the front."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.policy import retry_after
from connector.providers import error_body, error_table, rate_limits
from connector.text import safe_yaml

from .support.fault_server import FaultServer, Received, chat_completion

KEY = "sk-refusals-0123456789"
PATH = Path(__file__).parent / "cases" / "refusals.yaml"
ROWS: list[dict[str, Any]] = safe_yaml.loads(PATH.read_text(encoding="utf-8"))
HINTS = {"length": "shorter text", "model": "Set Model / Deployment Name"}


def answer_of(row: Mapping[str, Any]) -> dict[str, Any]:
    content = {"text": row["text"]} if "text" in row else {"json": row.get("body")}
    if "error" in row:
        content = {"json": {"error": row["error"]}}
    return {"status": row["status"], **content}


def name_of(row: Mapping[str, Any]) -> str:
    return f"{row['by']}: {row['status']} {row['code']}"


def run(connector: Connector, server: FaultServer, action: str, **inputs: Any) -> Any:
    fields = {"apiKey": KEY, "isOpenAIKey": True, "endpoint": server.url}
    return connector.invoke(action, inputs, {"fields": fields})


@pytest.mark.parametrize("row", ROWS, ids=map(name_of, ROWS))
def test_a_refusal_in_the_words_of_its_server(connector: Connector, row: Any) -> None:
    with FaultServer(answer_of(row)) as server:
        error = run(connector, server, "createChatCompletion", model="x").error
    assert error.code == row["code"]
    assert error_body.too_long(error) == (row.get("about") == "length")
    assert error.sent == "rejected"
    for about, hint in HINTS.items():
        assert (hint in (error.hint or "")) == (about == row.get("about"))
    assert len(server.requests) == (3 if row["code"] == "server_error" else 1)


LENGTH_ROWS = [row for row in ROWS if row.get("about") == "length"]


@pytest.mark.parametrize("row", LENGTH_ROWS, ids=map(name_of, LENGTH_ROWS))
def test_a_long_text_is_split_whatever_the_server_calls_it(connector: Connector, row: Any) -> None:
    def answer(received: Received, _: int) -> Mapping[str, Any]:
        fits = len(received.body) < 9_000
        return {"json": chat_completion("Short.")} if fits else answer_of(row)

    text = "A sentence of the tide tables. " * 600
    with FaultServer(answer) as server:
        result = run(connector, server, "summarizeText", textToSummarize=text, model="x")
    assert result.ok, result.error
    assert result.data["summary"] == "Short."
    assert len(server.requests) < 20


def sentences_of(row: Mapping[str, Any]) -> str:
    found = error_body.read({"error": row["error"]} if "error" in row else row.get("body"))
    return error_body._unwrapped(found.message or row.get("text") or "")[0]


def test_every_sentence_and_every_name_has_a_row() -> None:
    for statuses, meaning, patterns in error_table.SENTENCES:
        rows = [row for row in ROWS if row["status"] in statuses and row["code"] == meaning.code]
        for pattern in patterns:
            assert any(re.match(f"(?i){pattern}", sentences_of(row)) for row in rows), pattern
    text = PATH.read_text(encoding="utf-8").lower()
    for name in error_table.BY_NAME:
        assert re.search(rf"\b{re.escape(name)}\b", text), name


def patterns_of(module: Any) -> list[str]:
    values = [value for name, value in vars(module).items() if not name.startswith("__")]
    nested = [p for _, _, patterns in error_table.SENTENCES for p in patterns]
    return [
        value.pattern if isinstance(value, re.Pattern) else value
        for value in [*values, *nested]
        if isinstance(value, str | re.Pattern) and re.search(r"[\[(\\]", str(value))
    ]


def widest(parsed: Any) -> int:
    """The most repeats that a part of a pattern allows, the product of those that nest."""
    most = 1
    for operation, value in parsed:
        parts: list[Any] = []
        factor = 1
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            factor, parts = int(value[1]), [value[2]]
        elif str(operation) == "SUBPATTERN":
            parts = [value[3]]
        elif str(operation) == "BRANCH":
            parts = value[1]
        elif str(operation) in ("ASSERT", "ASSERT_NOT"):
            parts = [value[1]]
        most = max([most, *(factor * widest(part) for part in parts)])
    return most


@pytest.mark.parametrize("module", [error_body, retry_after, error_table, rate_limits])
def test_no_pattern_takes_long_on_any_message(module: Any) -> None:
    """Every repeat is bounded, so that the time is linear in the message, whatever it says."""
    found = patterns_of(module)
    assert len(found) > 1
    parser: Any = re._parser  # type: ignore[attr-defined] # the only way to see a pattern's parts
    for pattern in found:
        assert widest(parser.parse(pattern)) <= 400, pattern


def test_a_rejected_value_does_not_count_as_a_rejected_name(connector: Connector) -> None:
    error = {
        "message": "max_completion_tokens is too large: 5. This model supports at most 3.",
        "param": "max_completion_tokens",
        "code": "invalid_value",
    }
    with FaultServer({"status": 400, "json": {"error": error}}) as server:
        result = run(connector, server, "createChatCompletion", maxTokens=5)
    assert result.error is not None
    assert result.error.code == "bad_request"
    assert len(server.requests) == 1
