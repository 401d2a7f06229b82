"""docs/errors.md lists every code as `Connector.errors` has it, and its examples are real.

`python -m tests.test_docs_errors` writes the table.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector import Connector, ConnectorError
from connector.doors.page.guides import code_table
from connector.errors import CODES
from connector.sandbox import Sandbox

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "errors.md"
_TABLE = re.compile(r"(<!-- codes: .*? -->\n).*?(<!-- end of codes -->)", re.DOTALL)


def current(page: str) -> str:
    table = "\n".join(code_table(Connector.load()))
    return _TABLE.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page)


def test_the_table_of_codes_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert _TABLE.search(page)
    assert current(page) == page, "run: python -m tests.test_docs_errors"


def outcomes() -> list[tuple[str, str]]:
    """Return the code and `sent` of every case of the contract and of faults with one attempt."""
    found = []
    for path in sorted((ROOT / "tests" / "cases").rglob("*.yaml")):
        for text in re.findall(r"expect: (\{.*code: .*sent: .*\})$", path.read_text("utf-8"), re.M):
            expected = yaml.safe_load(text)
            if expected.get("attempts", 1) == 1:
                found.append((expected["code"], expected["sent"]))
    return found


def test_what_the_cases_expect_of_sent_is_in_the_table() -> None:
    assert len(outcomes()) > 100
    for code, sent in outcomes():
        assert sent in CODES[code].sent, (code, sent)  # type: ignore[index] # a text of the case


def blocks() -> list[Any]:
    return [
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    ]


def test_the_error_that_is_shown_has_the_fields_of_errors() -> None:
    shown = blocks()[0]["error"]
    given = {"http_status": 429, "retry_after_ms": 1, "provider_code": "x", "hint": "x"}
    error = ConnectorError("rate_limited", "m", **given)  # type: ignore[arg-type] # by name
    assert list(shown) == list(error.to_dict())
    assert shown["retryable"] == CODES["rate_limited"].retryable
    assert shown["sent"] in CODES["rate_limited"].sent


def test_the_problems_that_are_shown_are_real(connector: Connector, sandbox: Sandbox) -> None:
    inputs = {"temperature": 3, "messages": [{"content": "Hi"}]}
    result = connector.invoke("createChatCompletion", inputs, sandbox.connection("openai"))
    assert result.error is not None
    shown = sorted(blocks()[1], key=lambda row: row["path"])
    assert sorted(result.error.details or (), key=lambda row: row["path"]) == shown


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
