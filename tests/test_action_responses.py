"""How actions read responses: any JSON gives data or an `invalid_response`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Connector

from .support.fault_server import FaultServer, Received, chat_completion, completion
from .support.front import connection
from .support.manifests import examples

pytestmark = pytest.mark.core

KEY = "sk-answers-0123456789"
INPUTS: dict[str, dict[str, Any]] = {
    "createChatCompletion": {},
    "createImage": {"prompt": "A boat"},
    "createCompletions": {"messages": ["One"]},
    "summarizeText": {"textToSummarize": "Tides."},
}


class Scripted:
    """A server whose only response a test can change, and a connector for it."""

    def __init__(self, server: FaultServer, connector: Connector) -> None:
        self.connector = connector
        self.answer: Any = {}
        self.fields = {"apiKey": KEY, "isOpenAIKey": True, "endpoint": server.url}

    def run(self, action: str, answer: Any, dated: bool = False, **more: Any) -> Any:
        self.answer = answer
        fields = {**self.fields, "isOpenAIKey": not dated}
        if dated:
            fields["apiVersion"] = "2024-10-21"
        inputs = {**INPUTS.get(action, {}), **more}
        return self.connector.invoke(action, inputs, {"fields": fields}).to_dict()


@pytest.fixture(scope="module")
def scripted() -> Iterator[Scripted]:
    made: list[Scripted] = []

    def answer(received: Received, index: int) -> Mapping[str, Any]:
        return {"json": made[0].answer}

    with FaultServer(answer) as server:
        connector = Connector.load()
        made.append(Scripted(server, connector))
        yield made[0]
        connector.close()


numbers = st.integers(-2, 3) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=3)
names = st.sampled_from(
    "choices message content text index data url b64_json usage model error finish_reason "
    "revised_prompt output_format total_tokens role".split()
)
answers = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
choice = st.fixed_dictionaries(
    {},
    optional={
        "index": scalars,
        "message": st.fixed_dictionaries({}, optional={"content": scalars}) | scalars,
        "text": scalars,
        "finish_reason": scalars,
    },
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(choice | scalars, max_size=3) | scalars,
        "data": st.lists(st.fixed_dictionaries({}, optional={"url": scalars, "b64_json": scalars})),
        "usage": answers,
        "model": scalars,
        "error": scalars,
        "output_format": scalars,
    },
)


@pytest.mark.parametrize(("action", "inputs"), examples())
@pytest.mark.parametrize("dated", [False, True])
@given(answer=answers | likely)
def test_any_response_is_a_result_or_invalid(
    scripted: Scripted, action: str, inputs: dict[str, Any], dated: bool, answer: Any
) -> None:
    envelope = scripted.run(action, answer, dated, **inputs)
    json.dumps(envelope, allow_nan=False)
    if not envelope["ok"]:
        error = envelope["error"]
        if dated and error["code"] == "invalid_connection":
            return  # an action that Azure lacks
        if error["code"] == "partial_failure":
            error = envelope["data"]["choices"][0]["error"]
        refused = action == "moderateText" and dated  # Azure has no moderation of its own
        wanted = ("invalid_connection", "no") if refused else ("invalid_response", "unknown")
        assert (error["code"], error["sent"]) == wanted


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"what is this?", "image/webp"),
    ],
)
def test_an_image_says_what_it_is(scripted: Scripted, data: bytes, kind: str) -> None:
    image = {"b64_json": base64.b64encode(data).decode()}
    envelope = scripted.run("createImage", {"data": [image], "output_format": "webp"})
    assert envelope["data"] == [{**image, "contentType": kind}]


@pytest.mark.parametrize("end", ["!", "A", "=", "\n", "é", "AA==AAAA", "AA=="])
def test_a_large_image_is_base_64_to_its_end(scripted: Scripted, end: str) -> None:
    """`AA==` is valid at the end only, wherever a piece ends."""
    data = "A" * ((1 << 20) - 4) + end
    envelope = scripted.run("createImage", {"data": [{"b64_json": data}]})
    assert envelope["ok"] == (end == "AA==")
    if not envelope["ok"]:
        assert envelope["error"]["code"] == "invalid_response"


@pytest.mark.parametrize(("size", "limit"), [(14_000, 256), (9_000, 1095), (30, 2048)])
def test_a_legacy_response_has_room(scripted: Scripted, size: int, limit: int) -> None:
    """A text has more bytes than tokens: an estimate that fills the context may be too high."""
    model = "gpt-3.5-turbo-instruct"
    connection = {"fields": {**scripted.fields, "isOpenAIKey": False, "apiVersion": "2024-10-21"}}
    inputs = {"model": model, "messages": ["a" * size]}
    result = scripted.connector.invoke("createCompletions", inputs, connection, dry_run=True)
    assert result.data["body"]["max_tokens"] == limit


@pytest.mark.parametrize("stated", [None, "gif", 3])
def test_an_image_that_says_nothing_is_a_png(scripted: Scripted, stated: Any) -> None:
    answer = {"data": [{"url": "https://images.example/1"}], "output_format": stated}
    envelope = scripted.run("createImage", answer)
    assert envelope["data"] == [{"url": "https://images.example/1", "contentType": "image/png"}]


def test_choices_are_taken_by_their_index(scripted: Scripted) -> None:
    message = {"role": "assistant", "content": "second"}
    first = {"role": "assistant", "content": "first"}
    choices = [{"index": 1, "message": message}, {"index": 0, "message": first}]
    envelope = scripted.run("createCompletions", chat_completion(choices=choices))
    assert envelope["data"]["choices"][0]["text"] == "first"
    # The chat action returns the response unchanged.
    envelope = scripted.run("createChatCompletion", chat_completion(choices=choices))
    assert envelope["data"]["choices"] == choices


def test_usage_is_that_of_all_calls(scripted: Scripted) -> None:
    usage = {"total_tokens": 3, "details": {"cached": 1}, "tier": "default", "cost": 0.5}
    answer = completion(usage=usage)
    envelope = scripted.run("createCompletions", answer, dated=True, messages=["a", "b", "c"])
    expected = {"total_tokens": 9, "details": {"cached": 3}, "cost": 1.5}
    assert envelope["data"]["usage"] == envelope["meta"]["usage"] == expected


def test_images_go_to_the_output_file(scripted: Scripted, tmp_path: Path) -> None:
    data = b"\x89PNG one"
    scripted.answer = {"data": [{"b64_json": base64.b64encode(data).decode()}] * 2}
    result = scripted.connector.invoke(
        "createImage",
        {"prompt": "A boat", "numImages": 2},
        {"fields": scripted.fields},
        output=tmp_path / "boat.png",
    )
    files = [tmp_path / "boat.png", tmp_path / "boat-2.png"]
    assert result.data == [
        {"contentType": "image/png", "file": str(path), "size": len(data)} for path in files
    ]
    assert [path.read_bytes() for path in files] == [data, data]
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_an_output_file_is_for_binary_results(scripted: Scripted, tmp_path: Path) -> None:
    scripted.answer = chat_completion()
    path = tmp_path / "out"
    inputs, to = {"model": "gpt-4o-mini"}, {"fields": scripted.fields}  # no default retires
    result = scripted.connector.invoke("createChatCompletion", inputs, to, output=path)
    assert result.ok
    assert result.meta["warnings"] == ["The result is not binary: no file was written."]
    assert not path.exists()


@pytest.mark.parametrize("image", [{"b64_json": "!!!"}, {"b64_json": ""}, {"url": ""}])
def test_an_invalid_image_is_an_error(connector: Connector, image: Any) -> None:
    with FaultServer({"json": {"data": [image]}}) as server:
        result = connector.invoke("createImage", {"prompt": "x"}, connection(server.url))
    assert result.error is not None
    assert result.error.code == "invalid_response"


def test_fewer_images_than_asked_for_are_reported(connector: Connector) -> None:
    with FaultServer({"json": {"data": [{"b64_json": "iVBORw0KGgo="}]}}) as server:
        inputs = {"prompt": "x", "numImages": 3}
        result = connector.invoke("createImage", inputs, connection(server.url))
    assert result.meta["warnings"] == ["The provider was asked for 3 images and sent 1."]
