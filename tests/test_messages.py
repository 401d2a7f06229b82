"""What a message of a chat may be: what both services' documents refuse is refused before it is
sent, what they accept is sent as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connector import Connector
from connector.validation.validator import Validator

pytestmark = pytest.mark.core

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM = {"id": "c1", "type": "custom", "custom": {"name": "f", "input": "x"}}
TEXT = {"type": "text", "text": "Hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}

ACCEPTED: list[dict[str, Any]] = [
    *({"role": role, "content": "Hi"} for role in ("system", "developer", "user", "assistant")),
    *({"role": role, "content": "Hi", "name": "ada"} for role in ("system", "user", "assistant")),
    *({"role": role, "content": [TEXT]} for role in ("system", "developer", "user", "assistant")),
    {"role": "user", "content": ""},
    {"role": "user", "content": [TEXT, IMAGE]},
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "x", "detail": "low"}}],
    },
    {
        "role": "user",
        "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}],
    },
    {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
    {"role": "user", "content": "Hi", "novelty": {"a": None}},
    {"role": "assistant", "content": None},
    {"role": "assistant", "refusal": "No."},
    {"role": "assistant", "content": None, "refusal": "No."},
    {"role": "assistant", "content": "Hi", "refusal": None},
    {"role": "assistant", "audio": {"id": "a"}},
    {"role": "assistant", "content": "Hi", "audio": None},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "assistant", "content": None, "tool_calls": [CALL, CUSTOM]},
    {"role": "assistant", "content": "Hi", "tool_calls": []},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
    {"role": "assistant", "content": "Hi", "function_call": None},
    {"role": "assistant", "content": "Hi", "annotations": [], "reasoning_content": "x"},
    {"role": "tool", "tool_call_id": "c1", "content": "x"},
    {"role": "tool", "tool_call_id": "c1", "content": [TEXT]},
    {"role": "tool", "tool_call_id": "c1", "content": "x", "name": "f"},
    {"role": "function", "name": "f", "content": "x"},
    {"role": "function", "name": "f", "content": None},
]

# With the place of each problem below the message.
REFUSED: list[tuple[Any, list[str]]] = [
    *(({"role": role}, ["content"]) for role in ("system", "developer", "user")),
    *(({"role": role, "content": None}, ["content"]) for role in ("system", "developer", "user")),
    *(({"role": role, "content": []}, ["content"]) for role in ("system", "user", "assistant")),
    *(({"role": role, "content": 5}, ["content"]) for role in ("user", "assistant")),
    ({"role": "bard", "content": 5}, ["content", "role"]),
    ({"role": "user", "content": {"text": "Hi"}}, ["content"]),
    ({"role": "assistant"}, [""]),
    ({"role": "assistant", "name": "ada"}, [""]),
    ({"role": "tool", "content": "x"}, ["tool_call_id"]),
    ({"role": "tool", "content": "x", "tool_call_id": None}, ["tool_call_id"]),
    ({"role": "tool", "content": "x", "tool_call_id": 5}, ["tool_call_id"]),
    ({"role": "tool", "content": None, "tool_call_id": "c"}, ["content"]),
    ({"role": "tool", "tool_call_id": "c"}, ["content"]),
    ({"role": "tool"}, ["content", "tool_call_id"]),
    ({"role": "function", "content": "x"}, ["name"]),
    ({"role": "function", "name": "f"}, ["content"]),
    ({"role": "function", "name": "f", "content": [TEXT]}, ["content"]),
    ({"role": "assistant", "content": "x", "tool_calls": None}, ["tool_calls"]),
    ({"role": "assistant", "tool_calls": None}, ["tool_calls"]),
    ({"role": "assistant", "tool_calls": CALL}, ["tool_calls"]),
    ({"role": "assistant", "content": "x", "function_call": "f"}, ["function_call"]),
    ({"role": "assistant", "function_call": []}, ["function_call"]),
    ({"role": "assistant", "function_call": {}}, ["function_call/arguments", "function_call/name"]),
    (
        {"role": "assistant", "function_call": {"name": "f", "arguments": {}}},
        ["function_call/arguments"],
    ),
    ({"role": "assistant", "content": "x", "refusal": 5}, ["refusal"]),
    ({"role": "assistant", "audio": {}}, ["audio/id"]),
    ({"role": "assistant", "audio": "a"}, ["audio"]),
    *(
        ({"role": role, "content": "x", key: value, **more}, [key])
        for role, more in (
            ("system", {}),
            ("developer", {}),
            ("user", {}),
            ("tool", {"tool_call_id": "c"}),
            ("function", {"name": "f"}),
        )
        for key, value in (
            ("tool_calls", [CALL]),
            ("tool_calls", None),
            ("function_call", {"name": "f", "arguments": ""}),
            ("refusal", "No."),
            ("audio", {"id": "a"}),
        )
    ),
    *(
        ({"role": role, "content": "x", "tool_call_id": "c", "name": "n"}, ["tool_call_id"])
        for role in ("system", "developer", "user", "assistant", "function")
    ),
    ({"role": "user", "content": "x", "name": None}, ["name"]),
    ({"role": "user", "content": "x", "name": ""}, ["name"]),
    ({"content": "x"}, ["role"]),
    ({}, ["", "role"]),
    ({"role": "bard", "tool_calls": 5}, ["role", "tool_calls"]),
    ({"role": "User", "content": "x"}, ["role"]),
    ({"role": None, "content": "x"}, ["role", "role"]),
    ({"role": ["user"], "content": "x"}, ["role", "role"]),  # its type and its value
    ("Hi", [""]),
    (None, [""]),
]

REFUSED_CALLS: list[tuple[Any, list[str]]] = [
    ({"id": "c", "type": "function"}, ["function"]),
    ({"id": "c", "type": "function", "custom": CUSTOM["custom"]}, ["function"]),
    ({"id": "c", "type": "custom"}, ["custom"]),
    ({"id": "c", "type": "custom", "function": CALL["function"]}, ["custom"]),
    ({**CALL, "function": None}, ["function"]),
    ({**CALL, "function": {"name": "f"}}, ["function/arguments"]),
    ({**CALL, "function": {"name": "f", "arguments": {"a": 1}}}, ["function/arguments"]),
    ({**CUSTOM, "custom": {}}, ["custom/input", "custom/name"]),
    ({**CALL, "type": "retrieval"}, ["type"]),
    ({**CALL, "id": None}, ["id"]),
    ({"type": "function", "function": CALL["function"]}, ["id"]),
    ({"id": "c", "function": CALL["function"]}, ["type"]),
]

REFUSED_PARTS: list[tuple[Any, list[str]]] = [
    ({"type": "text"}, ["text"]),
    ({"type": "text", "text": None}, ["text"]),
    ({"type": "text", "image_url": IMAGE["image_url"]}, ["text"]),
    ({"type": "image_url", "text": "Hi"}, ["image_url"]),
    ({"type": "image_url", "image_url": "https://images.example/1"}, ["image_url"]),
    ({"type": "input_audio", "text": "Hi"}, ["input_audio"]),
    ({"type": "file", "text": "Hi"}, ["file"]),
    ({"type": "refusal", "text": "Hi"}, ["refusal"]),
    ({"type": "video"}, ["type"]),
    ({"text": "Hi"}, ["type"]),
    ("Hi", [""]),
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Connector]:
    made = Connector.load()
    yield made
    made.close()


def invoke(connector: Connector, **inputs: Any) -> Any:
    connection = {"fields": {"apiKey": "sk-messages-0123456789", "isOpenAIKey": True}}
    return connector.invoke("createChatCompletion", inputs, connection, dry_run=True)


def places(result: Any, below: str) -> list[str]:
    """Where the problems are, below a path."""
    assert result.error is not None
    assert result.error.code == "invalid_input"
    found = [row["path"] for row in result.error.details]
    assert all(path.startswith(below) for path in found), found
    return [path.removeprefix(below).removeprefix("/") for path in found]


@pytest.mark.parametrize("message", ACCEPTED, ids=json.dumps)
def test_a_message_that_the_documents_accept_is_sent_unchanged(
    shared: Connector, message: Any
) -> None:
    messages = [{"role": "user", "content": "Hi"}, message]
    result = invoke(shared, messages=messages)
    assert result.ok, result.error.details
    assert result.data["body"]["messages"] == messages


@pytest.mark.parametrize(("message", "where"), REFUSED)
def test_a_message_that_they_refuse_is_not_sent(
    shared: Connector, message: Any, where: list[str]
) -> None:
    result = invoke(shared, messages=[{"role": "user", "content": "Hi"}, message])
    assert places(result, "/inputs/messages/1") == where


@pytest.mark.parametrize(("call", "where"), REFUSED_CALLS)
def test_a_tool_call_that_they_refuse(shared: Connector, call: Any, where: list[str]) -> None:
    result = invoke(shared, messages=[{"role": "assistant", "tool_calls": [CALL, call]}])
    assert places(result, "/inputs/messages/0/tool_calls/1") == where


@pytest.mark.parametrize(("part", "where"), REFUSED_PARTS)
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_a_part_that_they_refuse(shared: Connector, role: str, part: Any, where: list[str]) -> None:
    result = invoke(shared, messages=[{"role": role, "content": [TEXT, part]}])
    assert places(result, "/inputs/messages/0/content/1") == where


EXAMPLE = '[{"role": "user", "content": "Hi"}]'


def test_what_a_refused_message_lacks_is_told_in_a_sentence(shared: Connector) -> None:
    messages = [
        {"role": "tool", "content": "x"},
        {"role": "user", "content": "x", "tool_calls": []},
    ]
    result = invoke(shared, messages=[*messages, {"role": "assistant"}])
    assert [(row["path"], row["message"]) for row in result.error.details] == [
        ("/inputs/messages/0/tool_call_id", f"is required; for example {EXAMPLE}"),
        ("/inputs/messages/1/tool_calls", "is not allowed here; leave it out"),
        (
            "/inputs/messages/2",
            "needs content or tool_calls or function_call or refusal or audio",
        ),
    ]


def test_jsonschema_draws_the_same_line(shared: Connector) -> None:
    """Forms validate with the schema that is published, by whatever validator they have."""
    validator = Validator(shared.schema("createChatCompletion"))
    for message in ACCEPTED:
        assert validator.explain({"messages": [message]}) == []
    for message, _ in REFUSED:
        assert validator.explain({"messages": [message]}) != []


@pytest.mark.parametrize(("count", "fits"), [(128, True), ("128", True), (129, False)])
def test_a_call_has_128_choices_at_most(shared: Connector, count: Any, fits: bool) -> None:
    result = invoke(shared, numChoices=count)
    if fits:
        assert result.data["body"]["n"] == 128
    else:
        assert places(result, "/inputs/numChoices") == [""]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("END", "END"),
        ("\n", "\n"),
        (" ", " "),
        ("[", "["),
        ("[END]", "[END]"),
        ("[1]", "[1]"),
        ("[]", "[]"),
        ("[NaN]", "[NaN]"),
        ('["a", 1]', '["a", 1]'),
        ('[""]', '[""]'),
        ('["a", "b", "c", "d", "e"]', '["a", "b", "c", "d", "e"]'),
        ("[" * 5000, "[" * 5000),
        ('["END"]', ["END"]),
        (' ["a", "b"]\n', ["a", "b"]),
        (["END"], ["END"]),
        (["["], ["["]),
    ],
)
def test_a_stop_is_a_text_or_an_array_of_texts(shared: Connector, given: Any, sent: Any) -> None:
    """A text that is a JSON array counts as one where the schema takes it: forms send texts."""
    assert invoke(shared, stop=given).data["body"]["stop"] == sent


@pytest.mark.parametrize(
    ("given", "where"),
    [([], ""), (["a"] * 5, ""), ([""], "0"), ([1], "0"), (5, ""), ({"a": 1}, ""), (True, "")],
)
def test_any_other_stop_is_refused(shared: Connector, given: Any, where: str) -> None:
    assert places(invoke(shared, stop=given), "/inputs/stop") == [where]


def test_a_blank_stop_means_no_stop(shared: Connector) -> None:
    assert "stop" not in invoke(shared, stop="").data["body"]


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, None),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}, None),
        ({"type": "grammar", "grammar": "x"}, None),
        ({"type": ""}, "type"),
        ({"type": " "}, "type"),
        ({"type": None}, "type"),
        ({}, "type"),
        ({"type": "json_schema"}, "json_schema"),
        ({"type": "json_schema", "json_schema": {}}, "json_schema/name"),
        ({"type": "json_schema", "json_schema": {"name": ""}}, "json_schema/name"),
    ],
)
def test_a_response_format_has_a_type(shared: Connector, given: Any, where: str | None) -> None:
    for value in (given, json.dumps(given)):
        result = invoke(shared, responseFormat=value)
        if where is None:
            assert result.data["body"]["response_format"] == given
        else:
            assert places(result, "/inputs/responseFormat") == [where]
