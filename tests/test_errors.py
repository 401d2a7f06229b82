"""Errors and results as values: codes, equality, hashes, pickles."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import Any

import pytest

from connector import ConnectorError, Result
from connector.error_codes import CODES, ErrorCode, Sent, table
from connector.policy import context
from connector.result import Failure, Success

pytestmark = pytest.mark.core

FIELDS: dict[str, Any] = {
    "sent": "rejected",
    "retryable": False,
    "http_status": 429,
    "retry_after_ms": 1000,
    "provider_code": "p",
    "provider_param": "q",
    "request_id": "r",
    "hint": "h",
    "details": [{"path": "/inputs/a", "message": "m"}],
}


def test_the_literal_and_the_table_have_the_same_codes() -> None:
    errors = [ConnectorError(code, "m") for code in typing.get_args(ErrorCode)]
    assert [error.code for error in errors] == list(CODES)
    assert [error.retryable for error in errors] == [row.retryable for row in CODES.values()]


def test_the_values_of_sent_are_those_that_are_compared() -> None:
    errors = [ConnectorError("timeout", "m", sent=sent) for sent in typing.get_args(Sent)]
    assert tuple(error.sent for error in errors) == context._SENT


def test_the_table_as_data() -> None:
    rows = table()
    assert [row["code"] for row in rows] == list(CODES)
    for row in rows:
        assert list(row) == ["code", "retryable", "sent", "meaning", "remedy"]
    assert rows[0] == {
        "code": "invalid_payload",
        "retryable": False,
        "sent": ["no"],
        "meaning": CODES["invalid_payload"].meaning,
        "remedy": CODES["invalid_payload"].remedy,
    }
    rows[0]["meaning"] = "changed"
    assert table() != rows


def test_errors_are_equal_by_value() -> None:
    error = ConnectorError("timeout", "m", **FIELDS)
    same = ConnectorError("timeout", "m", **copy.deepcopy(FIELDS))
    assert error == same
    assert hash(error) == hash(same)
    assert len({error, same}) == 1
    assert error != "timeout: m"
    assert error != ConnectorError("cancelled", "m", **FIELDS)
    assert error != ConnectorError("timeout", "other", **FIELDS)


@pytest.mark.parametrize("field", [*FIELDS, "data", "final"])
def test_errors_differ_by_each_field(field: str) -> None:
    error, other = ConnectorError("timeout", "m"), ConnectorError("timeout", "m")
    setattr(other, field, {"data": "d", "final": True, **FIELDS}[field])
    assert error != other


def test_errors_that_pickle_are_equal() -> None:
    error = ConnectorError("timeout", "m", **FIELDS)
    error.data = {"kept": [1]}
    error.final = True
    assert pickle.loads(pickle.dumps(error)) == error
    assert copy.copy(error) == error


def test_a_result_is_a_success_or_a_failure() -> None:
    error = ConnectorError("timeout", "m")
    success, failure = Result(1, None, {}), Result(1, error, {})
    assert (type(success), type(failure)) == (Success, Failure)
    assert isinstance(success, Result)
    assert isinstance(failure, Result)
    assert success
    assert success.ok is True
    assert success.error is None
    assert not failure
    assert failure.ok is False
    assert failure.error is error
    assert repr(Result(None, error, {"action": "a"})) == "<Result a: timeout>"
    assert repr(Result(1, None, {"action": "a"})) == "<Result a: ok>"


def test_the_envelope_of_a_result() -> None:
    error = ConnectorError("timeout", "m")
    meta = {"attempts": 1}
    assert Result(None, None, meta).to_dict() == {"ok": True, "data": None, "meta": meta}
    failure = {"ok": False, "error": error.to_dict(), "meta": meta}
    assert Result(None, error, meta).to_dict() == failure
    assert Result([], error, meta).to_dict() == {**failure, "data": []}


@pytest.mark.parametrize("error", [None, ConnectorError("timeout", "m", **FIELDS)])
def test_results_are_equal_by_value_and_pickle(error: ConnectorError | None) -> None:
    result = Result({"a": [1]}, error, {"attempts": 1})
    assert pickle.loads(pickle.dumps(result)) == result
    assert Result({"a": [1]}, copy.copy(error), {"attempts": 1}) == result
    assert Result({"a": [2]}, error, {"attempts": 1}) != result
    assert Result({"a": [1]}, error, {"attempts": 2}) != result
    assert Result({"a": [1]}, ConnectorError("timeout", "x"), {"attempts": 1}) != result
    assert result != result.to_dict()
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)
