"""Embeddings: batches, order, the encoding of vectors, texts that are too long."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox

from .support.fault_server import Received
from .support.front import call, refusal

ACTION = "createEmbeddings"
KNOWN = "text-embedding-3-small"

pytestmark = pytest.mark.core


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def rows(*vectors: Any) -> dict[str, Any]:
    found = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"json": {"data": found, "model": "m", "usage": {"total_tokens": len(vectors)}}}


def numbered(received: Received, _: int) -> dict[str, Any]:
    """Answer with a vector that holds the number in each text, the last one first."""
    answer = rows(*(packed(float(text)) for text in received.json()["input"]))
    answer["json"]["data"].reverse()
    return answer


def test_many_texts_are_split_and_keep_their_order(connector: Connector) -> None:
    texts = [str(number) for number in range(4100)]
    seen = call(connector, ACTION, numbered, {"input": texts})
    assert sorted(len(request.json()["input"]) for request in seen.requests) == [4, 2048, 2048]
    assert seen.data["embeddings"] == [[float(number)] for number in range(4100)]
    assert seen.data["usage"] == {"total_tokens": 4100}


def test_long_texts_are_split_by_their_tokens(connector: Connector) -> None:
    texts = [f"{number:030000d}" for number in range(70)]  # 10,001 estimated tokens each
    seen = call(connector, ACTION, numbered, {"input": texts})
    assert sorted(len(request.json()["input"]) for request in seen.requests) == [12, 29, 29]
    assert seen.data["embeddings"] == [[float(number)] for number in range(70)]


def test_a_request_with_too_many_tokens_is_halved(connector: Connector) -> None:
    def answer(received: Received, index: int) -> dict[str, Any]:
        if len(received.json()["input"]) > 2:
            return refusal(400, code="max_tokens_per_request", message="Requested 9, max 5")
        return numbered(received, index)

    seen = call(connector, ACTION, answer, {"input": ["0", "1", "2", "3", "4"]})
    assert seen.data["embeddings"] == [[0.0], [1.0], [2.0], [3.0], [4.0]]
    assert [len(request.json()["input"]) for request in seen.requests] == [5, 2, 3, 1, 2]


def test_one_text_with_too_many_tokens_ends_it(connector: Connector) -> None:
    answer = refusal(400, code="max_tokens_per_request", message="Requested 9, max 5")
    seen = call(connector, ACTION, answer, {"input": "a"})
    assert seen.outcome == ("bad_request", "rejected", 1)


@pytest.mark.parametrize(
    ("sent", "vector"),
    [
        (packed(0.5, -1.25), [0.5, -1.25]),
        ([0.5, -1.25], [0.5, -1.25]),
        ([0, 1], [0, 1]),
        (packed(0.1), [0.10000000149011612]),
    ],
)
def test_vectors_are_read(connector: Connector, sent: Any, vector: list[float]) -> None:
    assert call(connector, ACTION, rows(sent), {"input": "a"}).data["embeddings"] == [vector]


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"data": []}},
        {"json": {"data": {}}},
        {"json": {"data": [1, 2]}},
        {"json": {"usage": {}}},
        {"json": {"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}},
        {"json": {"data": [{"index": 0, "embedding": [1]}, {"index": 2, "embedding": [1]}]}},
        {"json": {"data": [{"embedding": [1]}, {"index": "x", "embedding": [1]}]}},
        rows(packed(1)),
        rows(packed(1), packed(1), packed(1)),
        rows(packed(1), packed(1, 2)),
        rows(packed(1), ""),
        rows(packed(1), []),
        rows(packed(1), None),
        rows(packed(1), "?"),
        rows(packed(1), "AAAA"),
        rows(packed(1), packed(float("nan"))),
        rows(packed(1), packed(float("-inf"))),
        rows(packed(1), ["1"]),
        rows(packed(1), [True]),
    ],
)
def test_what_is_no_list_of_vectors_is_refused(connector: Connector, answer: Any) -> None:
    assert call(connector, ACTION, answer).outcome == ("invalid_response", "unknown", 1)


def test_a_server_that_knows_no_encoding_is_asked_once_more(connector: Connector) -> None:
    def answer(received: Received, index: int) -> dict[str, Any]:
        if "encoding_format" in received.json():
            return refusal(400, message="Unrecognized argument", param="encoding_format")
        return rows([0.5], [0.25])

    seen = call(connector, ACTION, answer)
    assert seen.data["embeddings"] == [[0.5], [0.25]]
    assert len(seen.requests) == 2


LIMIT = "is too long: the model takes at most 8192 tokens a text, and this has 65537 bytes"


@pytest.mark.parametrize(
    ("texts", "paths"),
    [
        ("a" * 65_537, ["/inputs/input"]),
        (["short", "a" * 65_537, "\u00e4" * 32_768 + "a"], ["/inputs/input/1", "/inputs/input/2"]),
    ],
)
def test_texts_that_are_certainly_too_long_are_refused_with_the_limit(
    connector: Connector, texts: Any, paths: list[str]
) -> None:
    seen = call(connector, ACTION, rows([1]), {"input": texts, "model": KNOWN})
    assert seen.outcome == ("invalid_input", "no", 0)
    rows_ = seen.error["details"]
    assert [(row["path"], row["message"]) for row in rows_] == [(path, LIMIT) for path in paths]
    assert seen.requests == []


def test_a_text_that_the_provider_finds_too_long_is_named_with_the_limit(
    connector: Connector, sandbox: Sandbox
) -> None:
    texts = ["short", "a" * 40_000, "short"]
    for kind in ("openai", "azure", "azure-dated"):
        result = connector.invoke(ACTION, {"input": texts}, sandbox.connection(kind))
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("bad_request", "rejected")
        (row,) = result.error.details or ()
        assert row["path"] == "/inputs/input/1"
        assert "it has 40000 bytes, about 13333 tokens" in row["message"]
        assert "at most 8192 tokens a text" in row["message"]


def test_a_limit_that_nobody_states_is_not_made_up(connector: Connector) -> None:
    answer = refusal(400, code="context_length_exceeded", message="Too long.")
    seen = call(connector, ACTION, answer, {"input": "a" * 70_000})
    (row,) = seen.error["details"]
    assert row["message"] == "is too long: it has 70000 bytes, about 23333 tokens"


def test_the_vectors_of_other_requests_are_kept(connector: Connector) -> None:
    def answer(received: Received, index: int) -> dict[str, Any]:
        if "0" in received.json()["input"]:
            return refusal(400, code="content_filter", message="Filtered.")
        return numbered(received, index)

    texts = [str(number) for number in range(2050)]
    seen = call(connector, ACTION, answer, {"input": texts})
    assert seen.outcome[:2] == ("partial_failure", "unknown")
    assert seen.error["message"].startswith("1 of 2 requests failed")
    vectors = seen.envelope["data"]["embeddings"]
    assert vectors == [None] * 2048 + [[2048.0], [2049.0]]


def test_where_all_requests_fail_there_is_no_data(connector: Connector) -> None:
    answer = refusal(400, code="content_filter", message="Filtered.")
    seen = call(connector, ACTION, answer, {"input": ["a"] * 2049})
    assert seen.outcome == ("content_filtered", "rejected", 2)
    assert "data" not in seen.envelope


def test_a_text_that_utf8_cannot_hold_is_refused(connector: Connector) -> None:
    for given, path in (("\ud800", "/inputs/input"), (["a", "\ud800"], "/inputs/input/1")):
        seen = call(connector, ACTION, rows([1]), {"input": given})
        assert seen.outcome == ("invalid_input", "no", 0)
        assert [row["path"] for row in seen.error["details"]] == [path]
