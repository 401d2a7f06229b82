"""What an envelope says about a call: its duration, what may have been billed, what is masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.policy.clock import Clock
from tests.conftest import FakeClock
from tests.support.fault_server import FaultServer, Received, chat_completion
from tests.support.front import KEY, call, connection, inputs_of, refusal

CHAT = "createChatCompletion"
LOST = {"reset": "after_request"}


@pytest.mark.parametrize("seconds", [0.25, 2, 90])
def test_the_duration_is_in_milliseconds(seconds: float) -> None:
    now = [1000.0]

    def answer(_: Received, __: int) -> Any:
        now[0] += seconds
        return {"json": chat_completion()}

    connector = Connector.load(clock=Clock(monotonic=lambda: now[0]))
    seen = call(connector, CHAT, answer)
    refused = connector.invoke(CHAT, {"n": 1}, connection("https://api.example.com"))
    connector.close()
    assert seen.envelope["meta"]["durationMs"] == seconds * 1000
    assert type(seen.envelope["meta"]["durationMs"]) is int
    assert refused.meta["durationMs"] == 0


# What may have been done and billed: that of the worst attempt

SENT: list[tuple[list[Any], str, int, bool]] = [
    # answers (the last one repeats), `sent`, attempts, whether work may have been billed twice
    ([refusal(500)], "rejected", 3, False),
    ([LOST], "unknown", 3, True),
    ([LOST, refusal(500)], "unknown", 3, True),
    ([refusal(500), LOST], "unknown", 3, True),
    ([refusal(500), refusal(500), LOST], "unknown", 3, False),
    ([refusal(500), LOST, refusal(400)], "unknown", 3, True),
    ([LOST, refusal(400)], "unknown", 2, True),
    ([refusal(500), refusal(400)], "rejected", 2, False),
    ([refusal(400)], "rejected", 1, False),
    ([{"json": {}}], "unknown", 1, False),
]


@pytest.mark.parametrize(("answers", "sent", "attempts", "twice"), SENT)
def test_sent_is_that_of_the_worst_attempt(
    connector: Connector, answers: list[Any], sent: str, attempts: int, twice: bool
) -> None:
    seen = call(connector, CHAT, answers)
    assert (seen.error["sent"], seen.envelope["meta"]["attempts"]) == (sent, attempts)
    warnings = " ".join(seen.envelope["meta"]["warnings"])
    assert ("may have billed the work twice" in warnings) is twice


def test_a_success_after_a_lost_attempt_warns_about_the_bill(connector: Connector) -> None:
    seen = call(connector, CHAT, [LOST, {"json": chat_completion()}])
    assert seen.envelope["meta"]["attempts"] == 2
    assert "twice" in " ".join(seen.envelope["meta"]["warnings"])


# The parts of several calls

PARTS: list[tuple[list[Any], str, bool]] = [
    # what the prompts are answered with, what is told of the whole
    ([refusal(400), refusal(403)], "rejected", False),
    ([refusal(429), refusal(500)], "rejected", True),
    ([refusal(429), refusal(400)], "rejected", False),
    ([LOST, refusal(400)], "unknown", False),
    ([LOST, LOST], "unknown", True),
    ([{"json": chat_completion()}, refusal(500)], "unknown", True),
    ([{"json": chat_completion()}, refusal(400)], "unknown", False),
]


@pytest.mark.parametrize(("answers", "sent", "retryable"), PARTS)
def test_a_partial_failure_is_retryable_if_each_of_its_failures_is(
    connector: Connector, answers: list[Any], sent: str, retryable: bool
) -> None:
    def answer(received: Received, _: int) -> Any:
        return answers[int(received.json()["messages"][0]["content"])]

    inputs = {"messages": ["0", "1"], "concurrency": 1}
    seen = call(connector, "createCompletions", answer, inputs)
    assert seen.error["code"] == "partial_failure"
    assert (seen.error["sent"], seen.error["retryable"]) == (sent, retryable)
    failed = [choice["error"] for choice in seen.envelope["data"]["choices"] if choice["error"]]
    assert seen.envelope["data"]["failed"] == len(failed)
    assert seen.error["message"].startswith(f"{len(failed)} of 2 prompts failed")
    assert failed[0]["message"] in seen.error["message"]


def test_a_partial_failure_reports_what_its_first_failure_reported(connector: Connector) -> None:
    fields = {"message": "No.", "code": "c", "param": "p"}
    headers = {"retry-after": 500, "x-request-id": "req_1"}
    seen = call(connector, "createCompletions", refusal(429, headers, **fields))
    first = seen.envelope["data"]["choices"][0]["error"]
    same = "httpStatus retryAfterMs providerCode providerParam requestId hint".split()
    assert {key: seen.error[key] for key in same} == {key: first[key] for key in same}
    assert first["retryAfterMs"] == 500_000


# What meta tells of the responses


def test_usage_is_that_of_all_calls(connector: Connector) -> None:
    usage: list[Any] = [
        {"total_tokens": 3, "details": {"cached": 1}, "cost": 0.5, "name": "x", "none": None},
        {"total_tokens": 4, "details": {"cached": 2, "audio": 1}, "cost": 0.25},
        {"total_tokens": -4, "details": 7, "cost": True},
        None,
        "many",
    ]

    def answer(_: Received, index: int) -> Any:
        return {"json": chat_completion(usage=usage[index])}

    inputs = {"messages": list("abcde"), "concurrency": 1}
    seen = call(connector, "createCompletions", answer, inputs)
    total = seen.envelope["meta"]["usage"]
    assert (total["total_tokens"], total["cost"]) == (7, 0.75)
    assert total["details"] in ({"cached": 3, "audio": 1}, 7)
    assert "name" not in total
    assert "none" not in total
    assert seen.data["usage"] == total


def test_without_usage_there_is_none(connector: Connector) -> None:
    answer = {"json": chat_completion(usage=None)}
    assert call(connector, CHAT, answer).envelope["meta"]["usage"] is None
    assert call(connector, "createCompletions", answer).data["usage"] == {}
    assert call(connector, "summarizeText", answer).data["usage"] == {}


@pytest.mark.parametrize("name", ["x-request-id", "apim-request-id", "X-Request-ID"])
def test_the_request_id_is_reported(connector: Connector, name: str) -> None:
    answer = {"json": chat_completion(), "headers": {name: "req_1"}}
    assert call(connector, CHAT, answer).envelope["meta"]["requestId"] == "req_1"
    seen = call(connector, CHAT, refusal(400, {name: "req_2"}))
    assert (seen.error["requestId"], seen.envelope["meta"]["requestId"]) == ("req_2", "req_2")
    both = {"x-request-id": "req_3", "apim-request-id": "req_4"}
    seen = call(connector, CHAT, {"json": {}, "headers": both})
    assert seen.error["requestId"] == "req_3"
    assert seen.error["httpStatus"] == 200


def test_the_latest_request_id_stays(connector: Connector) -> None:
    answers = [refusal(500, {"x-request-id": "req_1"}), refusal(400)]
    seen = call(connector, CHAT, answers)
    assert seen.envelope["meta"]["requestId"] == "req_1"
    assert "requestId" not in seen.error


def test_only_a_raw_request_reports_status_and_headers(connector: Connector) -> None:
    headers = {"x-a": "1", "X-B": ["2", "3"], "set-cookie": ["c=d", "e=f"]}
    for answer in ({"json": chat_completion(), "headers": headers}, refusal(404, headers)):
        meta = call(connector, "rawRequest", answer).envelope["meta"]
        assert meta["httpStatus"] == answer.get("status", 200)
        assert (meta["headers"]["x-a"], meta["headers"]["x-b"]) == ("1", "2, 3")
        assert "set-cookie" not in meta["headers"]
        meta = call(connector, CHAT, answer).envelope["meta"]
        assert not {"httpStatus", "headers"} & set(meta)


def test_a_raw_request_without_a_response_has_no_status(connector: Connector) -> None:
    meta = call(connector, "rawRequest", LOST).envelope["meta"]
    assert (meta["httpStatus"], meta["headers"], meta["requestId"]) == (None, {}, None)
    refused = connector.invoke("rawRequest", {"method": "GET"}, None).to_dict()
    assert refused["meta"]["provider"] is None
    assert (refused["meta"]["attempts"], refused["meta"]["usage"]) == (0, None)


# What a refused payload repeats


def test_a_key_in_the_name_of_an_input_is_masked(connector: Connector) -> None:
    """In the message, and in the pointers and sentences of the details."""
    for inputs in ({f"x-{KEY}": 1}, {f"x-{KEY}": 1, "numChoices": 0}):
        given = inputs_of(CHAT, **inputs)
        result = connector.invoke(CHAT, given, connection("https://api.example.com"))
        assert result.error is not None
        assert result.error.code == "invalid_input"
        assert "/inputs/x-***" in [row["path"] for row in result.error.details or ()]
        assert KEY not in json.dumps(result.to_dict())


def test_a_key_in_a_part_of_a_raw_request_is_masked(connector: Connector) -> None:
    inputs = inputs_of(
        "rawRequest",
        method="POST",
        formData=[{"key": f"{KEY}\n", "value": "1"}],
        headers=[{"key": f"{KEY} ", "value": "1"}],
        fileDataFileNames=[{"key": KEY, "value": KEY}],
    )
    result = connector.invoke("rawRequest", inputs, connection("https://api.example.com"))
    assert result.error is not None
    assert result.error.code == "invalid_input"
    assert len(result.error.details or ()) == 3
    assert KEY not in json.dumps(result.to_dict())


def test_a_key_in_a_warning_is_masked(connector: Connector) -> None:
    """The name of a model is the caller's own text."""
    answers = [
        refusal(400, message="n", param="n"),
        {"json": {"data": [{"url": "https://images.example/1"}]}},
    ]
    inputs = {"model": f"m-{KEY}", "numImages": 2}
    seen = call(connector, "createImage", answers, inputs)
    assert seen.envelope["ok"]
    (warning,) = seen.envelope["meta"]["warnings"]
    assert "m-***" in warning
    assert seen.requests[0].json()["model"] == f"m-{KEY}"


def test_what_was_finished_before_a_failure_is_masked(connector: Connector) -> None:
    def answer(received: Received, _: int) -> Any:
        ok = received.json()["messages"][0]["content"] == "a"
        return {"json": chat_completion(f"Your key is {KEY}.")} if ok else refusal(400)

    seen = call(connector, "createCompletions", answer, {"messages": ["a", "b"]})
    assert seen.envelope["data"]["choices"][0]["text"] == "Your key is ***."


def test_an_output_that_is_no_file_is_reported(connector: Connector, tmp_path: Path) -> None:
    with FaultServer({"json": chat_completion()}) as server:
        to = connection(server.url)
        result = connector.invoke(CHAT, inputs_of(CHAT), to, output=tmp_path / "out")
        planned = connector.invoke(CHAT, inputs_of(CHAT), to, output=tmp_path / "out", dry_run=True)
    assert result.ok
    assert result.meta["warnings"] == ["The result is not binary: no file was written."]
    assert planned.meta["warnings"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_reported_once(connector: Connector, fake_clock: FakeClock) -> None:
    seen = call(connector, CHAT, [LOST, LOST, {"json": chat_completion()}])
    assert len(seen.envelope["meta"]["warnings"]) == 1
    assert len(fake_clock.sleeps) == 2
