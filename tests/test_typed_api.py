"""What type checkers know about a result: it has an error exactly if it is not ok."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent

FOR_EVERY_CHECKER = """
from typing import assert_type

from connector import Connector, ConnectorError, Result
from connector.errors import ErrorCode, Sent
from connector.result import Failure, Success

connector = Connector.load()
result = connector.invoke("summarizeText", {}, None)

if result:
    assert_type(result, Success)
    assert_type(result.error, None)
else:
    assert_type(result, Failure)
    assert_type(result.error, ConnectorError)

if result.ok is True:
    assert_type(result.error, None)
else:
    assert_type(result.error, ConnectorError)

if result.error is None:
    assert_type(result, Success)
else:
    assert_type(result, Failure)
    assert_type(result.error.code, ErrorCode)
    assert_type(result.error.sent, Sent)

if isinstance(result, Failure):
    assert_type(result.error, ConnectorError)

def finish(error: ConnectorError | None) -> Result:
    assert_type(Result("data", None, {}), Success)
    assert_type(Result("data", error, {}), Success | Failure)
    return Result("data", error, {})

assert_type(connector.test_connection(None), Success | Failure)
assert_type(connector.options("selectModel", None), Success | Failure)
"""

FOR_MYPY = """
if result.ok:
    assert_type(result, Success)
    assert_type(result.error, None)
else:
    assert_type(result.error, ConnectorError)

if not result.ok:
    assert_type(result, Failure)
    assert_type(result.error, ConnectorError)
"""
"""pyright takes no union apart by whether a member is true, only by `is` and `==`."""

WRONG = """
from connector import ConnectorError

ConnectorError("no_such_code", "The code is not in the table.")
ConnectorError("timeout", "The value of sent is unknown.", sent="perhaps")
"""


def checked(program: str, folder: Path, *command: str) -> str:
    """Return the report of a type checker on `program`."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [*command, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return f"{done.stdout}{done.stderr}\nexit code {done.returncode}"


def test_mypy_narrows_a_result(tmp_path: Path) -> None:
    program = FOR_EVERY_CHECKER + FOR_MYPY
    report = checked(program, tmp_path, sys.executable, "-m", "mypy", "--strict")
    assert report.endswith("exit code 0"), report


def test_mypy_knows_the_codes(tmp_path: Path) -> None:
    report = checked(WRONG, tmp_path, sys.executable, "-m", "mypy", "--strict")
    assert report.count("[arg-type]") == 2, report


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright_narrows_a_result(tmp_path: Path) -> None:
    python = ("--pythonpath", sys.executable)
    report = checked(FOR_EVERY_CHECKER, tmp_path, "pyright", *python)
    assert report.endswith("exit code 0"), report
