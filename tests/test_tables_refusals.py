"""The tables of providers' errors, row by row: codes, statuses, sentences, retries.

To add a row: a line in the list of its table here, and none of the tests. The rows are written out
here: a row that is deleted from the connector must not take its case along.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.errors import CODES
from connector.policy import fan_out, retry
from connector.providers import error_body, error_table, provider
from tests.conftest import FakeClock
from tests.support.fault_server import (
    FaultServer,
    Received,
    ca_file,
    chat_completion,
    completion,
    refused_port,
)
from tests.support.front import Seen, call, connection, inputs_of
from tests.support.front import refusal as refused

CHAT = "createChatCompletion"
PROVIDERS = pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])

# Statuses: the code, whether an engine may retry, and the attempts that a named action makes.

STATUSES = {
    300: ("unexpected_redirect", False, 1),
    301: ("unexpected_redirect", False, 1),
    302: ("unexpected_redirect", False, 1),
    303: ("unexpected_redirect", False, 1),
    304: ("unexpected_redirect", False, 1),
    305: ("unexpected_redirect", False, 1),
    307: ("unexpected_redirect", False, 1),
    308: ("unexpected_redirect", False, 1),
    399: ("unexpected_redirect", False, 1),
    400: ("bad_request", False, 1),
    401: ("authentication_failed", False, 1),
    402: ("quota_exhausted", False, 1),
    403: ("permission_denied", False, 1),
    404: ("not_found", False, 1),
    405: ("bad_request", False, 1),
    406: ("bad_request", False, 1),
    407: ("permission_denied", False, 1),
    408: ("timeout", True, 3),
    409: ("bad_request", True, 3),
    410: ("not_found", False, 1),
    411: ("bad_request", False, 1),
    412: ("bad_request", False, 1),
    413: ("bad_request", False, 1),
    414: ("bad_request", False, 1),
    415: ("bad_request", False, 1),
    418: ("bad_request", False, 1),
    422: ("bad_request", False, 1),
    423: ("bad_request", False, 1),
    424: ("bad_request", False, 1),
    426: ("bad_request", False, 1),
    428: ("bad_request", False, 1),
    429: ("rate_limited", True, 3),
    431: ("bad_request", False, 1),
    451: ("permission_denied", False, 1),
    499: ("bad_request", False, 1),
    500: ("server_error", True, 3),
    501: ("server_error", True, 3),
    502: ("server_error", True, 3),
    503: ("server_error", True, 3),
    504: ("server_error", True, 3),
    507: ("server_error", True, 3),
    511: ("server_error", True, 3),
    520: ("server_error", True, 3),
    529: ("server_error", True, 3),
    599: ("server_error", True, 3),
}


@PROVIDERS
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_its_code(connector: Connector, status: int, azure: bool) -> None:
    code, retryable, attempts = STATUSES[status]
    seen = call(connector, CHAT, refused(status, message="No."), isOpenAIKey=not azure)
    assert seen.outcome == (code, "rejected", attempts)
    assert seen.error["retryable"] is retryable
    assert seen.error["httpStatus"] == status
    assert len(seen.requests) == attempts


# Codes: what the provider names counts more than the status, under `code` and under `type`.

QUOTA = """
insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded
project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached
budget_exceeded BudgetExceededError
""".split()
FILTERED = """
content_filter ContentFilter content_policy_violation moderation_blocked
ResponsibleAIPolicyViolation ContentPolicyViolationError data_inspection_failed
DataInspectionFailed
""".split()
NO_MODEL = """
DeploymentNotFound model_not_found invalid_model unknown_model model_not_available
model_not_supported model_decommissioned
""".split()
TOO_LONG = """
context_length_exceeded ContextWindowExceededError exceed_context_size_error
model_max_prompt_tokens_exceeded
""".split()
NAMED = {
    **dict.fromkeys(QUOTA, "quota_exhausted"),
    **dict.fromkeys(FILTERED, "content_filtered"),
    **dict.fromkeys(NO_MODEL, "not_found"),
    **dict.fromkeys(TOO_LONG, "bad_request"),
}
KINDS = ["code", "type"]


@PROVIDERS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMED)
def test_a_name_has_its_code_whatever_the_status(
    connector: Connector, name: str, kind: str, azure: bool
) -> None:
    for status in (400, 403, 404, 422, 429, 500, 503):
        answer = refused(status, message="No.", **{kind: name})
        seen = call(connector, CHAT, answer, isOpenAIKey=not azure)
        assert seen.outcome == (NAMED[name], "rejected", 1), status
        assert seen.error["retryable"] is False
        assert seen.error["providerCode"] == name
        assert ("Model / Deployment Name" in seen.error["hint"]) is (name in NO_MODEL)
        assert ("shorter text" in seen.error["hint"]) is (name in TOO_LONG)


@pytest.mark.parametrize("name", QUOTA)
def test_a_spent_quota_is_asked_about_once(connector: Connector, name: str) -> None:
    """Also where the response names a delay; only an explicit wish of the provider repeats it."""
    for kind in KINDS:
        answer = refused(429, {"retry-after": 1}, **{kind: name, "message": "Retry after 1 second"})
        for action in ("createChatCompletion", "createImage", "summarizeText"):
            seen = call(connector, action, answer)
            assert seen.outcome == ("quota_exhausted", "rejected", 1)


@pytest.mark.parametrize("name", NAMED)
def test_a_refused_key_or_proxy_is_one_whatever_is_named(connector: Connector, name: str) -> None:
    for status, code in ((401, "authentication_failed"), (407, "permission_denied")):
        seen = call(connector, CHAT, refused(status, code=name, type=name))
        assert seen.outcome == (code, "rejected", 1)


@pytest.mark.parametrize(
    "name",
    """insufficient_quotas quota rate_limit_exceeded slow_down content_filters model_found
    deployment_not_found tokens requests invalid_request_error insufficient-quota""".split(),
)
def test_another_name_leaves_it_to_the_status(connector: Connector, name: str) -> None:
    for kind in KINDS:
        seen = call(connector, CHAT, refused(429, **{kind: name}))
        assert seen.outcome == ("rate_limited", "rejected", 3)


@pytest.mark.parametrize("place", ["innererror", "inner_error"])
def test_a_content_filter_may_hide_in_an_inner_error(connector: Connector, place: str) -> None:
    for code in (None, "BadRequest", 400):
        inner = {"code": "ResponsibleAIPolicyViolation"}
        answer = refused(400, code=code, message="No.", **{place: inner})
        seen = call(connector, CHAT, answer, isOpenAIKey=False)
        assert seen.outcome == ("content_filtered", "rejected", 1)
        assert seen.error["providerCode"] == "content_filter"
    other = refused(400, message="No.", **{place: {"code": "Other"}})
    assert call(connector, CHAT, other).error["code"] == "bad_request"


BODIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "an error object": (
        {"error": {"message": "M.", "type": "t", "code": "c", "param": "p"}},
        {"message": "M.", "providerCode": "c", "providerParam": "p"},
    ),
    "a type without a code": (
        {"error": {"message": "M.", "type": "t", "code": None}},
        {"message": "M.", "providerCode": "t"},
    ),
    "a code that is a number": (
        {"error": {"message": "M.", "code": 429, "param": 7}},
        {"message": "M.", "providerCode": "429", "providerParam": "7"},
    ),
    "a code that is true": ({"error": {"message": "M.", "code": True}}, {"message": "M."}),
    "an empty code": ({"error": {"message": "M.", "code": "", "param": ""}}, {"message": "M."}),
    "a flat object": ({"statusCode": 400, "message": "M."}, {"message": "M."}),
    "a detail": ({"detail": "M."}, {"message": "M."}),
    "a detail in an error": ({"error": {"detail": "M."}}, {"message": "M."}),
    "a message and a detail": ({"message": "M.", "detail": "D."}, {"message": "M."}),
    "a text": ({"error": "M."}, {"message": "M."}),
    "an error that is a list": ({"error": [1]}, {"message": '{"error": [1]}'}),
    "a list": ([1], {"message": "[1]"}),
    "a text alone": ("M.", {"message": '"M."'}),
    "null": (None, {"message": "null"}),
    "an empty object": ({}, {"message": "{}"}),
    "a message that is a number": (
        {"error": {"message": 7}},
        {"message": '{"error": {"message": 7}}'},
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_parts_of_a_refusal_are_found(connector: Connector, name: str) -> None:
    body, expected = BODIES[name]
    error = call(connector, CHAT, {"status": 400, "json": body}).error
    found = {
        key: error[key] for key in ("message", "providerCode", "providerParam") if key in error
    }
    assert found == expected


# A request that is more than the whole limit never succeeds, however long one waits.

TOO_LARGE = {
    "Request too large for m on tokens per min (TPM): Limit 10000, Requested 10001.": 1,
    "request too large. limit: 10,000 tokens\nrequested: 20,000": 1,
    "REQUEST TOO LARGE: Limit 9, Requested 10": 1,
    "Request too large for m: Limit 10000, Requested 10000.": 3,
    "Request too large for m: Limit 10000, Requested 9999.": 3,
    "Rate limit reached for m: Limit 10000, Used 9000, Requested 10001.": 3,
    "Request too large for m.": 3,
}


@pytest.mark.parametrize("message", TOO_LARGE)
def test_a_rate_limit_that_a_request_alone_breaks_is_not_waited_for(
    connector: Connector, message: str
) -> None:
    seen = call(connector, CHAT, refused(429, message=message))
    code = "bad_request" if TOO_LARGE[message] == 1 else "rate_limited"
    assert seen.outcome == (code, "rejected", TOO_LARGE[message])
    assert call(connector, CHAT, refused(400, message=message)).error["code"] == "bad_request"


# Delays

SENTENCES = {
    "Please retry after 7 seconds.": 7.0,
    "retry after 7 second": 7.0,
    "Please try again in 7s.": 7.0,
    "Try again after 7 s": 7.0,
    "RETRY IN 7 SECONDS": 7.0,
    "retry after 7seconds": 7.0,
    "Please retry after 7 minutes.": 0.5,
    "try again in 7 sec": 0.5,
    "try again in 7ms": 0.5,
    "wait 7 seconds": 0.5,
    "retry after 0 seconds": 0.5,
    "retry after seven seconds": 0.5,
}


@pytest.mark.parametrize("message", SENTENCES)
def test_a_delay_in_words_is_waited_for(
    connector: Connector, fake_clock: FakeClock, message: str
) -> None:
    seen = call(connector, CHAT, [refused(429, message=message), {"json": chat_completion()}])
    assert seen.envelope["ok"]
    assert fake_clock.sleeps == [SENTENCES[message]]


@pytest.mark.parametrize("header", ["retry-after", "retry-after-ms"])
def test_a_header_counts_more_than_words(
    connector: Connector, fake_clock: FakeClock, header: str
) -> None:
    for value in ("soon", "0", "-1"):
        answer = refused(429, {header: value}, message="retry after 7 seconds")
        call(connector, CHAT, [answer, {"json": chat_completion()}])
    assert fake_clock.sleeps == [0.5] * 3


SHOULD_RETRY = [
    ("true", 400, 3),
    (" True ", 401, 3),
    ("false", 500, 1),
    ("FALSE", 429, 1),
    ("false", 409, 1),
    ("yes", 400, 1),
    ("1", 400, 1),
    ("", 500, 3),
    ("no", 500, 3),
    ("falsey", 409, 3),
]


@pytest.mark.parametrize(("value", "status", "attempts"), SHOULD_RETRY)
def test_the_provider_may_say_whether_to_retry(
    connector: Connector, value: str, status: int, attempts: int
) -> None:
    seen = call(connector, CHAT, refused(status, {"x-should-retry": value}, message="No."))
    assert len(seen.requests) == attempts
    if value.strip().lower() in ("true", "false"):
        assert seen.error["retryable"] is (value.strip().lower() == "true")
    raw = {"maxRetries": 2, "retryAllErrors": True}
    seen = call(connector, "rawRequest", refused(status, {"x-should-retry": value}), raw)
    assert len(seen.requests) == (1 if value.strip().lower() == "false" else 3)


# The other API

OTHER_API = """
This is a chat model and not supported in the v1/completions endpoint.
It is not a chat model.
Something else. Did you mean to use v1/completions?
did you mean to use v1/chat/completions
The completion operation does not work with the specified model, m.
The chatCompletion operation does not work with the specified model, m.
The CHATCOMPLETION OPERATION DOES NOT WORK WITH THE SPECIFIED MODEL
""".strip().splitlines()
SAME_API = """
The model m does not exist.
It was a chat model.
Did you mean to use another model?
The embeddings operation does not work with the specified model, m.
The completion operation does not work.
""".strip().splitlines()


def by_path(chat: Any, legacy: Any) -> Callable[[Received, int], Any]:
    """Answer each API in its own way."""

    def answer(received: Received, _: int) -> Any:
        return chat if "/chat/" in received.target else legacy

    return answer


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("message", OTHER_API)
def test_a_model_of_the_other_api_is_requested_there(
    connector: Connector, message: str, status: int
) -> None:
    answers = by_path(refused(status, message=message), {"json": completion("legacy")})
    seen = call(connector, "createCompletions", answers)
    assert seen.data["choices"][0]["text"] == "legacy"
    answers = by_path({"json": chat_completion("chat")}, refused(status, message=message))
    seen = call(connector, "createCompletions", answers, {"model": "davinci-002"})
    assert seen.data["choices"][0]["text"] == "chat"


@pytest.mark.parametrize("message", SAME_API)
def test_a_model_that_is_refused_for_another_reason_is_not(
    connector: Connector, message: str
) -> None:
    answers = by_path(refused(404, message=message), {"json": completion("legacy")})
    seen = call(connector, "createCompletions", answers)
    assert seen.error["code"] == "partial_failure"
    assert len(seen.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 405, 422, 429, 500])
def test_a_sentence_with_another_status_is_no_reason(connector: Connector, status: int) -> None:
    for error in ({"message": OTHER_API[0]}, {"code": "OperationNotSupported"}):
        answers = by_path(refused(status, **error), {"json": completion("legacy")})
        seen = call(connector, "createCompletions", answers)
        assert not seen.envelope["ok"]
        assert all("/chat/" in received.target for received in seen.requests)


@pytest.mark.parametrize("status", [400, 404])
def test_a_code_says_so_without_a_sentence(connector: Connector, status: int) -> None:
    error = {"code": "OperationNotSupported", "message": "No."}
    answers = by_path(refused(status, **error), {"json": completion("legacy")})
    seen = call(connector, "createCompletions", answers, isOpenAIKey=False, apiVersion="2024-10-21")
    assert seen.data["choices"][0]["text"] == "legacy"


# A parameter that a server does not know

UNKNOWN_PARAMETER = """
Unsupported parameter: 'max_completion_tokens'
'max_completion_tokens' is not supported with this model
Unrecognized request argument supplied: max_completion_tokens
Unrecognised argument max_completion_tokens
unknown field max_completion_tokens
Unexpected keyword argument max_completion_tokens
max_completion_tokens: is not permitted
max_completion_tokens is not allowed here
Extra fields: max_completion_tokens
UNKNOWN PARAMETER (max_completion_tokens)
""".strip().splitlines()
KNOWN_PARAMETER = """
max_completion_tokens must be at least 16
max_completion_tokens is too large: 5
Unsupported parameter: 'other_max_completion_tokens'
Unsupported parameter: 'max_completion_tokens_per_step'
Unsupported parameter: 'max_tokens'
""".strip().splitlines()


def limits(seen: Seen) -> list[tuple[int | None, int | None]]:
    """Return how each request named the longest response."""
    bodies = [received.json() for received in seen.requests]
    return [(body.get("max_completion_tokens"), body.get("max_tokens")) for body in bodies]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("message", UNKNOWN_PARAMETER)
def test_a_limit_that_is_refused_by_name_is_sent_by_its_other_name(
    connector: Connector, message: str, status: int
) -> None:
    answers = [refused(status, message=message), {"json": chat_completion()}]
    seen = call(connector, CHAT, answers, {"maxTokens": 5})
    assert limits(seen) == [(5, None), (None, 5)]
    assert len(seen.envelope["meta"]["warnings"]) == 1


@pytest.mark.parametrize(
    "code", ["unsupported_parameter", "unknown_parameter", "extra_forbidden", "unexpected"]
)
def test_a_code_and_the_parameters_name_are_enough(connector: Connector, code: str) -> None:
    error = {"message": "No.", "code": code, "param": "max_completion_tokens"}
    answers = [refused(400, **error), {"json": chat_completion()}]
    seen = call(connector, CHAT, answers, {"maxTokens": 5})
    assert limits(seen) == [(5, None), (None, 5)]


@pytest.mark.parametrize("message", KNOWN_PARAMETER)
def test_a_value_that_is_refused_is_not_sent_by_another_name(
    connector: Connector, message: str
) -> None:
    answers = [refused(400, message=message), {"json": chat_completion()}]
    seen = call(connector, CHAT, answers, {"maxTokens": 5})
    assert seen.outcome == ("bad_request", "rejected", 1)


@pytest.mark.parametrize(
    ("status", "param"), [(401, None), (403, None), (404, None), (413, None), (400, "messages")]
)
def test_another_refusal_is_not_taken_for_one_of_the_name(
    connector: Connector, status: int, param: str | None
) -> None:
    error = {"message": UNKNOWN_PARAMETER[0], "param": param}
    seen = call(connector, CHAT, refused(status, **error), {"maxTokens": 5})
    assert len(seen.requests) == 1


# A text that is too long

CONTEXT = {
    "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens "
    "(3000 in your prompt; 2000 for the completion).": 1097,
    "maximum context length is 4,097 tokens, 3,000 in the prompt": 1097,
    "MAXIMUM CONTEXT LENGTH IS 4097 (3000 tokens in your messages)": 1097,
    "maximum context length is 4097 tokens, 3000 in the messages": 1097,
    "maximum context length is 4097 tokens: 3000 in your input": 1097,
    "maximum context length is 4097 tokens: 3000 tokens in the input": 1097,
    "maximum context length is 4097 tokens and you passed 3000 input tokens": 1097,
    "maximum context length of 4097; 3000 input tokens": 1097,
    "maximum prompt length is 4097; 3000 input tokens": 1097,
    "maximum input length is (4097); 3000 input tokens": 1097,
    "maximum model length of 4097: 3000 input tokens": 1097,
    "context length 4097, 3000 input tokens": 1097,
    "context size of 4097, 3000 input tokens": 1097,
    "the context length is 4097, 3000 input tokens": 1097,
    "3000 input tokens exceed the configured limit of 4097": 1097,
    "3000 input tokens, tokens allowed 4097": 1097,
    "3000 input tokens > 4097": 1097,
    "3000 input tokens, too large for model with 4097": 1097,
}


@pytest.mark.parametrize("message", CONTEXT)
def test_an_error_response_states_the_largest_output(connector: Connector, message: str) -> None:
    """The legacy API is always told a limit: what does not fit is asked for once more."""
    error = {"message": message, "code": "context_length_exceeded"}
    answers = [refused(400, **error), {"json": completion()}]
    seen = call(connector, "createCompletions", answers, {"model": "davinci-002"})
    assert seen.envelope["ok"], seen
    assert [received.json()["max_tokens"] for received in seen.requests] == [2048, CONTEXT[message]]


TOO_LONG_TEXTS: list[tuple[int, dict[str, Any], int]] = [
    (400, {"code": "context_length_exceeded", "message": "No."}, 4),
    (413, {"code": "context_length_exceeded", "message": "No."}, 4),
    (422, {"code": "context_length_exceeded", "message": "No."}, 4),
    (413, {"message": "No."}, 4),
    (403, {"message": "This model's maximum context length is 4097 tokens."}, 1),
    (400, {"message": "Over the maximum context length."}, 1),
    (400, {"message": "No: this model's maximum context length is 4097 tokens."}, 1),
]


@pytest.mark.parametrize(("status", "error", "requests"), TOO_LONG_TEXTS)
def test_a_text_that_is_refused_for_its_length_is_split(
    connector: Connector, status: int, error: dict[str, Any], requests: int
) -> None:
    """Into two parts, whose summaries are merged."""
    answers = [refused(status, **error), *[{"json": chat_completion("short")}] * 3]
    text = "The tide comes in and goes out. " * 20
    seen = call(connector, "summarizeText", answers, {"textToSummarize": text})
    assert len(seen.requests) == requests
    assert seen.envelope["ok"] is (requests > 1)


IMAGES = [
    (400, {"param": "n", "message": "No."}, 3),
    (422, {"param": "n", "message": "No."}, 3),
    (400, {"message": "Invalid value for n: must be 1"}, 3),
    (404, {"param": "n", "message": "No."}, 1),
    (400, {"param": "size", "message": "n"}, 1),
    (400, {"message": "in no way"}, 1),
    (400, {"message": "_n n_ an"}, 1),
]


@pytest.mark.parametrize(("status", "error", "requests"), IMAGES)
def test_several_images_that_are_refused_by_number_are_made_one_by_one(
    connector: Connector, status: int, error: dict[str, Any], requests: int
) -> None:
    answers = [refused(status, **error), {"json": {"data": [{"url": "https://i.example/1"}]}}]
    seen = call(connector, "createImage", answers, {"numImages": 2})
    assert [received.json().get("n") for received in seen.requests] == [2, None, None][:requests]
    assert seen.envelope["ok"] is (requests > 1)


# Raw requests: what is repeated without being asked for

TRANSPORT: dict[str, tuple[Any, str]] = {
    "connection_lost": ({"reset": "after_request"}, "unknown"),
    "protocol_error": ({"json": 1, "chunk_size_garbage": True}, "unknown"),
}


@pytest.mark.parametrize("code", TRANSPORT)
def test_a_raw_request_is_repeated_after_a_broken_connection(
    connector: Connector, code: str
) -> None:
    answer, sent = TRANSPORT[code]
    seen = call(connector, "rawRequest", answer, {"maxRetries": 2})
    assert seen.outcome == (code, sent, 3)
    seen = call(connector, "rawRequest", answer)
    assert seen.outcome == (code, sent, 1)


def test_a_raw_request_is_repeated_after_a_refused_connection(connector: Connector) -> None:
    with refused_port() as port:
        inputs = inputs_of("rawRequest", maxRetries=2)
        result = connector.invoke("rawRequest", inputs, connection(f"http://127.0.0.1:{port}"))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("connect_failed", "no")
    assert result.meta["attempts"] == 3


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"text": "no JSON"}, "invalid_response"),
        ({"content_length": 1 << 40}, "response_too_large"),
        (refused(400), "bad_request"),
        (refused(429), "rate_limited"),
        ({"status": 302}, "unexpected_redirect"),
    ],
)
def test_a_raw_request_is_not_repeated_after_another_response(
    connector: Connector, answer: Any, code: str
) -> None:
    seen = call(connector, "rawRequest", answer, {"maxRetries": 2})
    assert seen.error["code"] == code
    assert len(seen.requests) == 1


def test_an_action_whose_time_is_over_is_not_repeated() -> None:
    """Even where the clock goes back meanwhile, so that some time seems to be left."""
    clock = FakeClock()

    def answer(_: Received, __: int) -> Any:
        clock.sleeps.append(601)
        return {"reset": "after_request"}

    def random() -> float:
        clock.sleeps.clear()
        return 0

    connector = Connector.load(clock=clock.clock()._replace(random=random))
    seen = call(connector, CHAT, answer)
    connector.close()
    assert seen.outcome == ("deadline_exceeded", "unknown", 1)


@pytest.mark.parametrize("status", [300, 302, 399, 400, 401, 402, 404, 409, 429, 451, 499, 500])
def test_a_raw_request_may_ask_for_any_error_to_be_repeated(
    connector: Connector, status: int
) -> None:
    inputs = {"maxRetries": 2, "retryAllErrors": True}
    assert len(call(connector, "rawRequest", refused(status), inputs).requests) == 3


# Fan-out: what makes going on useless

STOPS = {"authentication_failed": refused(401), "quota_exhausted": refused(402)}
GOES_ON = {
    "permission_denied": refused(403),
    "not_found": refused(404),
    "bad_request": refused(400),
    "content_filtered": refused(400, code="content_filter"),
    "rate_limited": refused(429),
    "server_error": refused(500),
    "timeout": refused(408),
    "invalid_response": {"json": {}},
    "unexpected_redirect": {"status": 302},
}


@pytest.mark.parametrize("code", STOPS)
def test_after_a_hopeless_failure_no_prompt_is_started(connector: Connector, code: str) -> None:
    seen = call(connector, "createCompletions", STOPS[code], {"messages": ["a", "b", "c"]})
    assert len(seen.requests) == 1
    errors = [choice["error"]["code"] for choice in seen.envelope["data"]["choices"]]
    assert errors == [code, "cancelled", "cancelled"]


@pytest.mark.parametrize("code", GOES_ON)
def test_after_another_failure_the_next_prompt_is_started(connector: Connector, code: str) -> None:
    seen = call(connector, "createCompletions", GOES_ON[code], {"messages": ["a", "b"]})
    errors = [choice["error"]["code"] for choice in seen.envelope["data"]["choices"]]
    assert errors == [code, code]


# Hints

HINTS: list[tuple[str, Any, str]] = [
    ("openai", refused(401), "begins with sk-) and Organization"),
    ("azure", refused(401), "belongs to the resource of Endpoint"),
    ("openai", refused(403), "country"),
    ("azure", refused(403), "network rules"),
    ("openai", refused(404, code="model_not_found"), "a model that your account can use"),
    ("openai", refused(404, code="DeploymentNotFound"), "a model that your account can use"),
    ("openai", refused(404, param="model"), "a model that your account can use"),
    ("openai", refused(404), "Check the path"),
    ("openai", refused(410), "Check the path"),
    ("azure", refused(404, code="DeploymentNotFound"), "the name of a deployment"),
    ("azure", refused(404, code="model_not_found"), "the name of a deployment"),
    ("azure", refused(404, param="model"), "the name of a deployment"),
    ("azure", refused(404), "API Version"),
    *[
        (provider, answer, words)
        for provider in ("openai", "azure")
        for answer, words in (
            (refused(402), "Add credit"),
            (refused(400, code="context_length_exceeded"), "shorter text"),
            (refused(413), "shorter text"),
            (refused(429), "lower Concurrency"),
            (refused(400, code="content_filter"), "content filter"),
            (refused(400), "providerParam"),
            ({"status": 302}, "the address of the API itself"),
        )
    ],
]


@pytest.mark.parametrize(("provider", "answer", "words"), HINTS)
def test_a_refusal_says_what_to_do(
    connector: Connector, provider: str, answer: Any, words: str
) -> None:
    seen = call(connector, CHAT, answer, isOpenAIKey=provider == "openai")
    assert words in seen.error["hint"]


# Every code: whether an engine may retry


def _answered(answer: Any, action: str = CHAT, **inputs: Any) -> Callable[[Connector, Path], Any]:
    def run(connector: Connector, _: Path) -> Any:
        return call(connector, action, answer, inputs).error

    return run


def _refused(action: str, inputs: Any, to: Any) -> Callable[[Connector, Path], Any]:
    def run(connector: Connector, _: Path) -> Any:
        result = connector.invoke(action, inputs, to)
        assert result.error is not None
        return result.error.to_dict()

    return run


def _unloadable(_: Connector, folder: Path) -> Any:
    path = folder / "connector.yaml"
    path.write_text("1", encoding="utf-8")
    with pytest.raises(ConnectorError) as caught:
        Connector.load(path)
    return caught.value.to_dict()


def _unconnected(connector: Connector, _: Path) -> Any:
    with refused_port() as port:
        return _refused(CHAT, inputs_of(CHAT), connection(f"http://127.0.0.1:{port}"))(connector, _)


def _untrusted(connector: Connector, folder: Path) -> Any:
    with FaultServer({"json": 1}, tls="self_signed") as server:
        to = connection(server.url, caFile=str(ca_file(folder)))
        return _refused(CHAT, inputs_of(CHAT), to)(connector, folder)


def _interrupted(_: Connector, folder: Path) -> Any:
    def sleep(seconds: float, cancelled: Any) -> None:
        raise KeyboardInterrupt

    return _with_clock({"sleep": sleep}, refused(500))


def _defective(_: Connector, folder: Path) -> Any:
    def today() -> str:
        raise ZeroDivisionError

    return _with_clock({"today": today}, {"json": 1}, model=None)


def _with_clock(parts: dict[str, Any], answer: Any, **inputs: Any) -> Any:
    connector = Connector.load(clock=FakeClock().clock()._replace(**parts))
    try:
        return call(connector, CHAT, answer, inputs).error
    finally:
        connector.close()


TO = connection("https://api.example.com")
RETRYABLE: dict[str, tuple[bool, Callable[[Connector, Path], Any]]] = {
    "invalid_payload": (False, _refused(CHAT, [1], TO)),
    "unknown_action": (False, _refused("createChat", {}, TO)),
    "invalid_input": (False, _refused(CHAT, {"n": 1}, TO)),
    "invalid_connection": (False, _refused(CHAT, {}, None)),
    "invalid_manifest": (False, _unloadable),
    "blocked_target": (False, _refused("rawRequest", {"method": "GET", "url": "//a"}, TO)),
    "authentication_failed": (False, _answered(refused(401))),
    "permission_denied": (False, _answered(refused(403))),
    "not_found": (False, _answered(refused(404))),
    "bad_request": (False, _answered(refused(400))),
    "content_filtered": (False, _answered(refused(400, code="content_filter"))),
    "rate_limited": (True, _answered(refused(429))),
    "quota_exhausted": (False, _answered(refused(402))),
    "server_error": (True, _answered(refused(500))),
    "connect_failed": (True, _unconnected),
    "tls_error": (False, _untrusted),
    "connection_lost": (True, _answered({"reset": "after_request"})),
    "timeout": (True, _answered(refused(408))),
    "deadline_exceeded": (True, _answered({"hang": True}, "rawRequest", timeout=20)),
    "protocol_error": (True, _answered({"json": 1, "chunk_size_garbage": True})),
    "invalid_response": (False, _answered({"json": {}})),
    "response_too_large": (False, _answered({"content_length": 1 << 40})),
    "unexpected_redirect": (False, _answered({"status": 302})),
    "partial_failure": (
        False,
        _answered(
            [{"json": chat_completion()}, refused(400)], "createCompletions", messages=["a", "b"]
        ),
    ),
    "cancelled": (True, _interrupted),
    "internal_error": (False, _defective),
}


@pytest.mark.parametrize("code", RETRYABLE)
def test_a_code_says_whether_to_retry(connector: Connector, tmp_path: Path, code: str) -> None:
    retryable, run = RETRYABLE[code]
    error = run(connector, tmp_path)
    assert (error["code"], error["retryable"]) == (code, retryable)


def test_every_row_has_its_case() -> None:
    assert set(error_table.BY_NAME) == {name.lower() for name in NAMED}
    assert set(error_table.BY_STATUS) <= set(STATUSES)
    assert set(retry._NETWORK_FAILURES) == {*TRANSPORT, "connect_failed"}
    assert set(fan_out._STOPS) == {*STOPS, "internal_error"}  # see test_faults_fanout
    assert set(CODES) == set(RETRYABLE)
    assert len(provider._HINTS) + len(provider._HINTS_NOT_FOUND) == 14
    assert len(error_body._UNSUPPORTED.split("|")) == len(UNKNOWN_PARAMETER) - 1
