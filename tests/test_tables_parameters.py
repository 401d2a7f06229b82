"""The tables of parameters and formats, row by row: what an action sets itself, what it sends,
what it reads from an image.

The rows are written out here: a row that is deleted from the connector must not take its case
along.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from connector import Connector
from connector.actions import chat, files, images
from tests.support.fault_server import Received, chat_completion, completion
from tests.support.front import call, connection
from tests.support.manifests import examples

CHAT = "createChatCompletion"
CHAT_OWN = {
    "model": "Model / Deployment Name",
    "messages": "Messages",
    "temperature": "Temperature",
    "top_p": "top_p",
    "n": "Number of choices",
    "max_tokens": "Max Tokens",
    "max_completion_tokens": "Max Tokens",
    "stop": "Stop Sequences",
    "response_format": "Response Format",
}
IMAGE_OWN = {
    "model": "Model / Deployment Name",
    "prompt": "Prompt",
    "n": "Number of Images",
    "size": "Image Size",
}
OWN = [(CHAT, *row) for row in CHAT_OWN.items()]
OWN += [("createImage", *row) for row in IMAGE_OWN.items()]
URL = {"data": [{"url": "https://images.example/1"}]}


def answer_of(action: str) -> dict[str, Any]:
    return {"json": chat_completion() if action == CHAT else URL}


@pytest.mark.parametrize(("action", "name", "label"), OWN)
def test_a_parameter_that_has_an_input_is_refused(
    connector: Connector, action: str, name: str, label: str
) -> None:
    """Whatever its value, and beside others."""
    values: list[Any] = [1, None, "x", [], False]
    for value in values:
        extra = {"seed": 7, name: value}
        seen = call(connector, action, answer_of(action), {"extraParameters": extra})
        assert seen.outcome == ("invalid_input", "no", 0)
        (row,) = seen.error["details"]
        assert row["path"] == f"/inputs/extraParameters/{name}"
        assert row["message"].endswith(f"{label}; leave it out here")
        assert seen.requests == []


@pytest.mark.parametrize(
    "name",
    """seed tools tool_choice reasoning_effort logprobs metadata store user prompt size Model
    temperatures top_k N max_output_tokens stream_options""".split(),
)
def test_another_parameter_of_a_chat_is_sent(connector: Connector, name: str) -> None:
    extra = {"extraParameters": {name: {"a": [1, None]}}}
    (received,) = call(connector, CHAT, answer_of(CHAT), extra).requests
    assert received.json()[name] == {"a": [1, None]}


@pytest.mark.parametrize(
    "name", "quality background output_format messages temperature top_p max_tokens stop".split()
)
def test_another_parameter_of_an_image_is_sent(connector: Connector, name: str) -> None:
    extra = {"extraParameters": {name: "a"}}
    (received,) = call(connector, "createImage", answer_of("createImage"), extra).requests
    assert received.json()[name] == "a"


@pytest.mark.parametrize("action", [CHAT, "createImage"])
def test_a_stream_cannot_be_asked_for(connector: Connector, action: str) -> None:
    for value in (True, 1, "true"):
        seen = call(connector, action, answer_of(action), {"extraParameters": {"stream": value}})
        assert seen.outcome == ("invalid_input", "no", 0)
        assert [row["path"] for row in seen.error["details"]] == ["/inputs/extraParameters/stream"]
    seen = call(connector, action, answer_of(action), {"extraParameters": {"stream": False}})
    assert seen.requests[0].json()["stream"] is False


def test_every_refused_parameter_is_reported(connector: Connector) -> None:
    extra = {"n": 2, "stream": True, "model": "m", "seed": 1}
    seen = call(connector, CHAT, answer_of(CHAT), {"extraParameters": extra})
    paths = [row["path"] for row in seen.error["details"]]
    assert paths == [f"/inputs/extraParameters/{name}" for name in ("n", "model", "stream")]


# Inputs of a chat: the parameter, the provider's own default, values that are sent

CHAT_INPUTS: list[tuple[str, str, Any, list[Any]]] = [
    ("temperature", "temperature", 1, [0, 0.5, 2, 1.01]),
    ("topP", "top_p", 1, [0, 0.5, 0.99]),
    ("numChoices", "n", 1, [2, 128]),
    ("stop", "stop", None, [["END"], ["a", "b"]]),
    ("responseFormat", "response_format", None, [{"type": "json_object"}]),
    ("maxTokens", "max_completion_tokens", None, [1, 5000]),
]


@pytest.mark.parametrize(("key", "parameter", "default", "values"), CHAT_INPUTS)
def test_an_input_is_sent_unless_it_is_the_providers_default(
    connector: Connector, key: str, parameter: str, default: Any, values: list[Any]
) -> None:
    for value in (default, None):
        (received,) = call(connector, CHAT, answer_of(CHAT), {key: value}).requests
        assert set(received.json()) == {"model", "messages"}
    for value in values:
        (received,) = call(connector, CHAT, answer_of(CHAT), {key: value}).requests
        assert received.json()[parameter] == value
        assert set(received.json()) == {"model", "messages", parameter}


# Images

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10"
WEBP = b"RIFF\x00\x00\x00\x00WEBP"
TYPES: list[tuple[bytes, str | None, str]] = [
    (PNG, None, "image/png"),
    (PNG, "jpeg", "image/png"),
    (JPEG, None, "image/jpeg"),
    (JPEG, "png", "image/jpeg"),
    (WEBP, None, "image/webp"),
    (WEBP, "png", "image/webp"),
    (b"unknown bytes", None, "image/png"),
    (b"unknown bytes", "png", "image/png"),
    (b"unknown bytes", "jpeg", "image/jpeg"),
    (b"unknown bytes", "webp", "image/webp"),
    (b"unknown bytes", "gif", "image/png"),
    (b"unknown bytes", "", "image/png"),
    (b"\x89PN", "webp", "image/webp"),
    (b"\xff\xd8", "webp", "image/webp"),
    (b"RIF", "jpeg", "image/jpeg"),
    (b"xRIFF", "jpeg", "image/jpeg"),
]


@pytest.mark.parametrize(("content", "stated", "expected"), TYPES)
def test_an_images_type_is_that_of_its_bytes(
    connector: Connector, content: bytes, stated: str | None, expected: str
) -> None:
    answer: dict[str, Any] = {"data": [{"b64_json": base64.b64encode(content).decode()}]}
    if stated is not None:
        answer["output_format"] = stated
    (item,) = call(connector, "createImage", {"json": answer}).data
    assert item == {**answer["data"][0], "contentType": expected}


ITEMS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"url": "https://i.example/1"}, {"url": "https://i.example/1"}),
    ({"b64_json": "iVBORw=="}, {"b64_json": "iVBORw=="}),
    (
        {"url": "https://i.example/1", "b64_json": "iVBORw==", "revised_prompt": "R", "x": 1},
        {"url": "https://i.example/1", "b64_json": "iVBORw==", "revised_prompt": "R"},
    ),
    (
        {"url": "https://i.example/1", "b64_json": None, "revised_prompt": ""},
        {"url": "https://i.example/1"},
    ),
    ({"url": "", "b64_json": ""}, None),
    ({"revised_prompt": "R"}, None),
    ({"url": 1}, None),
    ({"b64_json": "not base64"}, None),
    ({"b64_json": "iVBORw="}, None),
    ({"b64_json": "iV=ORw=="}, None),
    ({"b64_json": "iVBO=w=="}, None),
    ({"b64_json": "iVBORw==iVBORw=="}, None),
    ({}, None),
]


@pytest.mark.parametrize(("given", "expected"), ITEMS)
def test_an_image_is_an_address_or_bytes(
    connector: Connector, given: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    seen = call(connector, "createImage", {"json": {"data": [given]}})
    if expected is None:
        assert seen.outcome == ("invalid_response", "unknown", 1)
    else:
        assert seen.data == [{**expected, "contentType": "image/png"}]


# The names of the longest response


@pytest.mark.parametrize(
    ("model", "path", "name", "other"),
    [
        ("some-model", "/v1/chat/completions", "max_completion_tokens", "max_tokens"),
        ("davinci-002", "/v1/completions", "max_tokens", "max_completion_tokens"),
    ],
)
def test_each_api_has_its_own_name_for_the_longest_response(
    connector: Connector, model: str, path: str, name: str, other: str
) -> None:
    """And learns the other one, once for all prompts."""

    def answer(received: Received, _: int) -> Any:
        if name in received.json():
            error = {"message": f"Unsupported parameter: {name}", "param": name}
            return {"status": 400, "json": {"error": error}}
        return {"json": chat_completion() if "chat" in received.target else completion()}

    inputs = {"model": model, "maxTokens": 7, "messages": ["a", "b", "c"]}
    seen = call(connector, "createCompletions", answer, inputs)
    assert seen.data["failed"] == 0
    sent = [(received.target, set(received.json()) & {name, other}) for received in seen.requests]
    assert sent == [(path, {name}), *[(path, {other})] * 3]
    assert all(received.json().get(other, 7) == 7 for received in seen.requests)
    assert len(seen.envelope["meta"]["warnings"]) == 1


def test_every_row_has_its_case() -> None:
    assert chat._OWNED == CHAT_OWN
    assert images._OWNED == IMAGE_OWN
    known = {kind for _, _, kind in files._MAGIC} & {*files.IMAGES}
    assert known == {*files.IMAGES} <= {expected for _, _, expected in TYPES}


def test_an_input_that_an_action_does_not_have_is_refused(connector: Connector) -> None:
    for action, inputs in examples():
        given = {**inputs, "stream": True}
        result = connector.invoke(action, given, connection("https://api.example.com"))
        assert result.error is not None
        assert [row["path"] for row in result.error.details or ()] == ["/inputs/stream"]
