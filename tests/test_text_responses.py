"""One text from whichever API serves the model: the requests, what is read, what is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.actions.writing import tokens

from .conftest import FakeClock
from .support import manifests
from .support.fault_server import chat_completion, completion
from .support.front import call, refusal

CHAT = "createChatCompletion"
MANY = "createCompletions"
LEGACY = "davinci-002"
"""Served by the legacy API, with a context of 16,384 tokens."""
DATED: dict[str, Any] = {"isOpenAIKey": False, "apiVersion": "2024-10-21"}
NOT_LEGACY = refusal(404, message="This is a chat model and not supported.")
NOT_CHAT = refusal(404, message="This is not a chat model and thus not supported.")


def choice(text: Any = "One.", **more: Any) -> dict[str, Any]:
    return {"index": 0, "text": text, "finish_reason": "stop", **more}


def limits(requests: list[Any]) -> list[tuple[str, Any]]:
    """The limit of each request, and the name that it had."""
    names = ("max_tokens", "max_completion_tokens")
    return [
        next(((name, body[name]) for name in names if name in body), ("none", None))
        for body in (request.json() for request in requests)
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 1), ("ab", 1), ("abc", 2), ("é", 1), ("éé", 2), ("漢", 2), ("\ud800", 1)],
)
def test_tokens_are_a_third_of_the_bytes_and_one(text: str, count: int) -> None:
    assert tokens(text) == count


# What is asked of the legacy API


@pytest.mark.parametrize(
    ("size", "limit"), [(1, 2048), (43_007, 2048), (43_008, 2047), (48_000, 383), (48_400, 256)]
)
def test_a_legacy_response_has_what_the_prompt_leaves(
    connector: Connector, size: int, limit: int
) -> None:
    inputs = {"model": LEGACY, "messages": ["a" * size]}
    seen = call(connector, MANY, {"json": completion("One.")}, inputs)
    assert limits(seen.requests) == [("max_tokens", limit)]


def test_an_unknown_legacy_model_has_a_context_of_4096_tokens(
    connector: Connector,
) -> None:
    answers = [NOT_CHAT, {"json": completion("One.")}]
    inputs = {"model": "mine", "messages": ["a" * 6144]}
    seen = call(connector, MANY, answers, inputs)
    assert limits(seen.requests) == [("none", None), ("max_tokens", 2047)]


def test_a_limit_of_the_caller_is_sent_to_the_legacy_api(connector: Connector) -> None:
    inputs = {"model": LEGACY, "messages": ["a" * 48_400], "maxTokens": 3000}
    seen = call(connector, MANY, {"json": completion("One.")}, inputs)
    assert seen.requests[0].json() == {
        "model": LEGACY,
        "prompt": "a" * 48_400,
        "max_tokens": 3000,
    }


def told(context: int, used: int | None = None) -> dict[str, Any]:
    rest = "." if used is None else f", however you requested more ({used} in your prompt)."
    return refusal(400, message=f"This model's maximum context length is {context} tokens{rest}")


@pytest.mark.parametrize(
    ("refused", "limit"),
    [
        (told(1500, 1000), 500),
        (told(1001, 1000), 1),
        (told(3047, 1000), 2047),
        (told(1000), 998),
        (told(100, 0), 100),
    ],
)
def test_a_reported_context_size_leaves_room(
    connector: Connector, refused: Any, limit: int
) -> None:
    answers = [refused, {"json": completion("One.")}]
    seen = call(connector, MANY, answers, {"model": LEGACY, "messages": ["abc"]})
    assert limits(seen.requests) == [("max_tokens", 2048), ("max_tokens", limit)]
    assert seen.data["choices"][0]["text"] == "One."
    assert [request.json()["prompt"] for request in seen.requests] == ["abc", "abc"]


@pytest.mark.parametrize(
    "refused",
    [
        told(1000, 1000),
        told(1000, 1001),
        told(3048, 1000),
        told(9999, 1000),
        refusal(400, message="Too long.", code="context_length_exceeded"),
        refusal(400, message="No."),
    ],
)
def test_an_error_response_that_leaves_no_room_is_final(connector: Connector, refused: Any) -> None:
    answers = [refused, {"json": completion("One.")}]
    seen = call(connector, MANY, answers, {"model": LEGACY, "messages": ["abc"]})
    assert len(seen.requests) == 1
    assert seen.error["httpStatus"] == 400


def test_a_reported_context_size_is_kept_for_the_next_prompt(connector: Connector) -> None:
    answers = [told(1500, 1000), {"json": completion("One.")}]
    inputs = {"model": LEGACY, "messages": ["abc", "a" * 3000], "concurrency": 1}
    seen = call(connector, MANY, answers, inputs)
    assert [limit for _, limit in limits(seen.requests)] == [2048, 500, 499]


def test_an_old_name_of_the_limit_is_tried_on_the_legacy_api_too(connector: Connector) -> None:
    refused = refusal(400, message="Unknown parameter.", param="max_tokens")
    answers = [refused, {"json": completion("One.")}]
    inputs = {"model": LEGACY, "messages": ["a", "b"], "concurrency": 1}
    seen = call(connector, MANY, answers, inputs)
    assert [name for name, _ in limits(seen.requests)] == [
        "max_tokens",
        "max_completion_tokens",
        "max_completion_tokens",
    ]
    assert seen.envelope["meta"]["warnings"] == [
        "The server rejected max_tokens; max_completion_tokens was sent instead."
    ]


# What is read


@pytest.mark.parametrize("text", [None, 7, ["One."], {}])
def test_a_legacy_choice_without_a_text_is_an_invalid_response(
    connector: Connector, text: Any
) -> None:
    answer = {"json": completion(choices=[choice(text)])}
    seen = call(connector, MANY, answer, {"model": LEGACY})
    (failed,) = seen.envelope["data"]["choices"]
    assert failed["error"]["code"] == "invalid_response"
    assert failed["error"]["message"] == "A choice in the response has no text."
    assert (failed["text"], failed["finish_reason"], failed["message"]) == (None, None, None)


@pytest.mark.parametrize(
    ("reason", "limit", "warnings"),
    [
        ("stop", None, 0),
        ("length", None, 1),
        ("length", 7, 0),
        (None, None, 0),
    ],
)
def test_a_response_that_the_default_limit_cut_is_reported(
    connector: Connector, reason: Any, limit: int | None, warnings: int
) -> None:
    answer = {"json": completion(choices=[choice(finish_reason=reason)])}
    seen = call(connector, MANY, answer, {"model": LEGACY, "maxTokens": limit})
    (found,) = seen.data["choices"]
    assert (found["text"], found["finish_reason"], found["message"]) == ("One.", reason, None)
    expected = ["A completion was cut at the default limit; set Max Tokens for more."]
    assert seen.envelope["meta"]["warnings"] == expected[:warnings]


@pytest.mark.parametrize(
    ("told_model", "model"),
    [("served-model", "served-model"), (None, "some-model"), (7, "some-model")],
)
def test_the_model_is_the_one_in_the_response(
    connector: Connector, told_model: Any, model: str
) -> None:
    answer = {"json": chat_completion("One.", model=told_model)}
    assert call(connector, MANY, answer).data["model"] == model
    assert call(connector, "summarizeText", answer).data["model"] == model


@pytest.mark.parametrize("reason", ["stop", "tool_calls", None, 7])
def test_a_chat_response_is_kept_with_its_message(connector: Connector, reason: Any) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    seen = call(connector, MANY, {"json": chat_completion(choices=choices)})
    assert seen.data["choices"] == [
        {
            "index": 0,
            "text": "",
            "finish_reason": reason if isinstance(reason, str) else None,
            "message": message,
            "error": None,
        }
    ]


def test_the_model_of_many_responses_is_that_of_the_first(connector: Connector) -> None:
    answers = [{"json": chat_completion("a", model=name)} for name in ("first", "second")]
    seen = call(connector, MANY, answers, {"messages": ["a", "b"]})
    assert seen.data["model"] == "first"
    failed = call(connector, MANY, refusal(400, message="No."))
    assert failed.envelope["data"]["model"] == "some-model"


def test_each_prompt_that_cannot_be_encoded_is_reported(connector: Connector) -> None:
    seen = call(connector, MANY, refusal(400), {"messages": ["a", "\ud800", "b", "c\udfff"]})
    assert seen.requests == []
    assert seen.error["details"] == [
        {
            "path": f"/inputs/messages/{index}",
            "input": "Messages",
            "message": "holds an unpaired surrogate",
        }
        for index in (1, 3)
    ]


# Which API is asked


@pytest.mark.parametrize(
    ("model", "fields", "answers", "warning"),
    [
        (LEGACY, {}, [NOT_LEGACY, {"json": chat_completion("One.")}], "chat"),
        ("mine", {}, [NOT_CHAT, {"json": completion("One.")}], "legacy completions"),
        ("mine", DATED, [NOT_CHAT, {"json": completion("One.")}], "legacy completions"),
    ],
)
def test_a_switch_is_reported_and_kept(
    connector: Connector, model: str, fields: dict[str, Any], answers: list[Any], warning: str
) -> None:
    inputs = {"model": model, "messages": ["a", "b", "c"]}
    seen = call(connector, MANY, answers, inputs, **fields)
    assert seen.data["failed"] == 0
    paths = ["chat" in request.target for request in seen.requests]
    assert paths == [warning != "chat", *[warning == "chat"] * 3]
    assert seen.envelope["meta"]["warnings"] == [
        f"{model} is served by the {warning} API; it was used instead."
    ]


@pytest.mark.parametrize(
    ("answers", "requests", "message"),
    [
        # The other API refuses the model too, or is not there: what was said first is the news,
        # and the other is not asked for the second prompt.
        ([NOT_LEGACY, NOT_CHAT, NOT_LEGACY], 3, "This is a chat model and not supported."),
        ([NOT_LEGACY, refusal(404, message="?"), NOT_LEGACY], 3, "This is a chat model"),
        ([NOT_LEGACY, refusal(400, message="x is not a chat model")], 3, "This is a chat model"),
        # The other API refuses the prompt.
        ([NOT_LEGACY, refusal(400, message="Bad."), NOT_LEGACY, refusal(400)], 4, "Bad."),
        # The first API refuses the prompt.
        ([refusal(400, message="Bad."), refusal(400, message="Bad.")], 2, "Bad."),
    ],
)
def test_a_switch_that_fails_is_not_made(
    connector: Connector, answers: list[Any], requests: int, message: str
) -> None:
    inputs = {"model": LEGACY, "messages": ["a", "b"]}
    seen = call(connector, MANY, answers, inputs)
    assert len(seen.requests) == requests
    first = seen.envelope["data"]["choices"][0]["error"]
    assert first["message"].startswith(message)
    assert seen.envelope["meta"]["warnings"] == []


def test_the_v1_surface_has_no_other_api(connector: Connector) -> None:
    seen = call(connector, MANY, NOT_CHAT, {"model": LEGACY}, isOpenAIKey=False)
    assert len(seen.requests) == 1
    assert "/chat/" in seen.requests[0].target


# What chat sends and reads


@pytest.mark.parametrize("count", [1, 2, 3])
def test_another_number_of_choices_is_reported(connector: Connector, count: int) -> None:
    choices = [{"index": i, "message": {"content": "x"}} for i in range(2)]
    seen = call(connector, CHAT, {"json": {"choices": choices}}, {"numChoices": count})
    asked = "1 choice" if count == 1 else f"{count} choices"
    expected = [f"The provider was asked for {asked} and sent 2."]
    assert seen.envelope["meta"]["warnings"] == (expected if count != 2 else [])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "The response has no choices."),
        ({"choices": []}, "The response has no choices."),
        ({"choices": {"0": {}}}, "The response has no choices."),
        ({"choices": ["x"]}, "A choice in the response is not an object."),
        (
            {"choices": [{"message": {"content": "x"}}, None]},
            "A choice in the response is not an object.",
        ),
        ({"choices": [{}]}, "A choice in the response has no message."),
        ({"choices": [{"message": "x"}]}, "A choice in the response has no message."),
        (
            {"choices": [{"message": {"content": 7}}]},
            "The content of a message in the response is not text.",
        ),
        (
            {"choices": [{"message": {"content": ["x"]}}]},
            "The content of a message in the response is not text.",
        ),
    ],
)
def test_a_response_that_is_not_a_chat_completion_is_refused(
    connector: Connector, answer: Any, message: str
) -> None:
    error = call(connector, CHAT, {"json": answer}).error
    assert (error["code"], error["message"]) == ("invalid_response", message)


@pytest.mark.parametrize("content", ["", None, "x"])
def test_a_message_may_have_no_content(connector: Connector, content: Any) -> None:
    answer = {"choices": [{"message": {"content": content}}]}
    assert call(connector, CHAT, {"json": answer}).data == answer
    assert call(connector, CHAT, {"json": {"choices": [{"message": {}}]}}).envelope["ok"]


@pytest.mark.parametrize(
    ("indices", "first"),
    [
        ((2, 1, 0), "c"),
        ((0, 1, 2), "a"),
        ((None, -1, 0), "b"),
        (("0", 1, "x"), "a"),
        ((1, None, 2), "b"),
    ],
)
def test_the_first_choice_is_that_of_the_lowest_index(
    connector: Connector, indices: tuple[Any, ...], first: str
) -> None:
    """What has none counts as the first."""
    choices = [
        {"index": index, "message": {"content": text}}
        for index, text in zip(indices, "abc", strict=True)
    ]
    seen = call(connector, MANY, {"json": chat_completion(choices=choices)})
    assert seen.data["choices"][0]["text"] == first


def test_a_limit_that_is_refused_for_its_value_is_not_sent_again(connector: Connector) -> None:
    refused = refusal(400, message="Too large.", param="max_completion_tokens")
    seen = call(connector, CHAT, refused, {"maxTokens": 7})
    assert limits(seen.requests) == [("max_completion_tokens", 7)]
    assert seen.error["message"] == "Too large."


def test_a_limit_is_sent_by_the_name_that_was_accepted(connector: Connector) -> None:
    """Chat first, its older name where the first is refused, and that one from then on."""
    refused = refusal(400, message="Unsupported parameter.", param="max_completion_tokens")
    answers = [refused, {"json": chat_completion()}]
    seen = call(connector, MANY, answers, {"messages": ["a", "b"], "maxTokens": 7})
    assert limits(seen.requests) == [
        ("max_completion_tokens", 7),
        ("max_tokens", 7),
        ("max_tokens", 7),
    ]
    assert seen.envelope["meta"]["warnings"] == [
        "The server rejected max_completion_tokens; max_tokens was sent instead."
    ]


def test_a_name_that_is_refused_later_is_tried_the_other_way(connector: Connector) -> None:
    first = refusal(400, message="Unsupported parameter.", param="max_completion_tokens")
    second = refusal(400, message="Unsupported parameter.", param="max_tokens")
    answers = [first, {"json": chat_completion()}, second, {"json": chat_completion()}]
    seen = call(connector, MANY, answers, {"messages": ["a", "b"], "maxTokens": 7})
    assert [name for name, _ in limits(seen.requests)] == [
        "max_completion_tokens",
        "max_tokens",
        "max_tokens",
        "max_completion_tokens",
    ]
    assert seen.data["failed"] == 0


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("model", "Model / Deployment Name"),
        ("messages", "Messages"),
        ("temperature", "Temperature"),
        ("top_p", "top_p"),
        ("n", "Number of choices"),
        ("max_tokens", "Max Tokens"),
        ("max_completion_tokens", "Max Tokens"),
        ("stop", "Stop Sequences"),
        ("response_format", "Response Format"),
    ],
)
def test_a_parameter_with_an_input_is_not_an_extra_parameter(
    connector: Connector, name: str, label: str
) -> None:
    seen = call(connector, CHAT, refusal(400), {"extraParameters": {name: 1, "seed": 7}})
    assert seen.requests == []
    assert seen.error["details"] == [
        {
            "path": f"/inputs/extraParameters/{name}",
            "input": "Extra Parameters",
            "message": f"is set by {label}; leave it out here",
        }
    ]


@pytest.mark.parametrize("stream", [False, None, 0, ""])
def test_no_stream_may_be_asked_for(connector: Connector, stream: Any) -> None:
    inputs = {"extraParameters": {"stream": stream, "seed": 7}}
    (request,) = call(connector, CHAT, {"json": chat_completion()}, inputs).requests
    assert request.json()["stream"] == stream
    assert request.json()["seed"] == 7


def test_a_manifest_without_defaults_sends_the_same(tmp_path: Path, fake_clock: FakeClock) -> None:
    def without_defaults(raw: dict[str, Any]) -> None:
        (spec,) = [item for item in raw["actions"] if item["key"] == CHAT]
        for item in spec["inputs"]:
            if item["key"] in ("temperature", "topP", "numChoices"):
                del item["default"]

    bare = manifests.changed(tmp_path, without_defaults, fake_clock.clock())
    seen = call(bare, CHAT, {"json": chat_completion()})
    bare.close()
    assert set(seen.requests[0].json()) == {"model", "messages"}
    assert seen.envelope["meta"]["warnings"] == []


@pytest.mark.parametrize(
    ("inputs", "sent", "dropped"),
    [
        ({"temperature": 0.5, "topP": 0.5}, {}, ["temperature", "top_p"]),
        ({"temperature": 0.5, "numChoices": 2}, {"n": 2}, ["temperature"]),
        ({"topP": 0.5, "stop": ["x"]}, {"stop": ["x"]}, ["top_p"]),
        ({"temperature": 1, "topP": 1}, {}, []),
    ],
)
def test_the_successor_of_a_default_gets_only_what_it_supports(
    tmp_path: Path,
    fake_clock: FakeClock,
    inputs: dict[str, Any],
    sent: dict[str, Any],
    dropped: list[str],
) -> None:
    """Nobody chose a reasoning model: what it takes no longer is not sent, and that is told."""

    def retired(raw: dict[str, Any]) -> None:
        raw["models"]["gpt-4o-mini"]["retires"]["openai"] = "2026-01-01"

    connector = manifests.changed(tmp_path, retired, fake_clock.clock())
    choices = [
        {"index": i, "message": {"content": "x"}} for i in range(inputs.get("numChoices", 1))
    ]
    answer = {"json": chat_completion(choices=choices)}
    seen = call(connector, CHAT, answer, {"model": None, **inputs})
    chosen = call(connector, CHAT, answer, {"model": "gpt-5-mini", **inputs})
    connector.close()
    messages = [{"role": "user", "content": "Hi"}]
    assert seen.requests[0].json() == {"model": "gpt-5-mini", "messages": messages, **sent}
    assert seen.envelope["meta"]["warnings"] == [
        "The default model gpt-4o-mini has retired; gpt-5-mini was used instead.",
        *(f"gpt-5-mini does not support {name}; it was not sent." for name in dropped),
    ]
    assert set(dropped) <= set(chosen.requests[0].json())
    assert chosen.envelope["meta"]["warnings"] == []


def test_a_limit_is_sent_to_the_deployment(connector: Connector) -> None:
    refused = refusal(400, message="Unsupported parameter.", param="max_completion_tokens")
    answers = [refused, {"json": chat_completion()}]
    seen = call(connector, CHAT, answers, {"model": "mine", "maxTokens": 7}, **DATED)
    assert [request.target.partition("?")[0] for request in seen.requests] == [
        "/openai/deployments/mine/chat/completions"
    ] * 2


@pytest.mark.parametrize(
    ("action", "inputs", "paths"),
    [
        (CHAT, {"topP": 9, "extraParameters": {"n": 2}}, ["topP", "extraParameters/n"]),
        (
            CHAT,
            {"topP": 9, "extraParameters": {"stream": True}},
            ["topP", "extraParameters/stream"],
        ),
        (MANY, {"maxTokens": 0, "messages": ["a", "\ud800"]}, ["maxTokens", "messages/1"]),
    ],
)
def test_what_the_check_refuses_is_reported_with_the_rest(
    connector: Connector, action: str, inputs: dict[str, Any], paths: list[str]
) -> None:
    seen = call(connector, action, refusal(400), inputs)
    assert seen.requests == []
    assert sorted(row["path"] for row in seen.error["details"]) == sorted(
        f"/inputs/{path}" for path in paths
    )
