"""The sandbox over real loopback HTTP: what it answers, and what it refuses as the services do."""

from __future__ import annotations

import base64
import json
import logging
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from connector.sandbox import FAULTS, KINDS, Received, Sandbox, server

FACTS: dict[str, dict[str, Any]] = {
    "gpt-4o-mini": {"api": "chat"},
    "gpt-3.5-turbo-instruct": {
        "api": "completions",
        "retires": {"openai": "2026-09-28", "azure": "2025-12-01"},
    },
    "legacy-instruct": {"api": "completions"},
    "gpt-image-2": {"api": "images", "retires": {"azure": "2027-04-21"}},
    "gpt-image-1-mini": {"api": "images", "retires": {"openai": "2026-12-01"}},
    "single-image": {"api": "images", "imagesPerCall": 1},
    "dall-e-2": {"api": "images"},
    "dall-e-3": {"api": "images", "imagesPerCall": 1},
    "thinker": {"reasoning": True},
}
OPENAI = {"Authorization": "Bearer sk-sandbox"}
AZURE = {"api-key": "sandbox-azure-key-00000000000000"}
DATED = "api-version=2024-10-21"
CHAT, LEGACY, IMAGES = "/v1/chat/completions", "/v1/completions", "/v1/images/generations"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(FACTS) as sandbox:
        yield sandbox


@pytest.fixture(name="sandbox")
def fresh(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


Send = Callable[..., requests.Response]


@pytest.fixture
def send(sandbox: Sandbox, session: requests.Session) -> Send:
    def send(
        path: str, body: Any = None, method: str | None = None, **more: Any
    ) -> requests.Response:
        if "headers" not in more:
            azure = path.partition("?")[0].find("/openai/") >= 0
            more["headers"] = AZURE if azure else OPENAI
        if body is not None:
            more["json"] = body
        method = method or ("GET" if body is None else "POST")
        return session.request(method, sandbox.url + path, timeout=10, **more)

    return send


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": HELLO, **more}


def message(content: Any, role: str = "user", **more: Any) -> list[dict[str, Any]]:
    return [{"role": role, "content": content, **more}]


def deployment(name: str, operation: str = "chat/completions", query: str = DATED) -> str:
    return f"/openai/deployments/{name}/{operation}?{query}"


def text_of(response: requests.Response) -> str:
    assert response.status_code == 200, response.text
    content: str = response.json()["choices"][0]["message"]["content"]
    return content


def events_of(response: requests.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in response.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def size_of(data: bytes) -> tuple[int, int]:
    """Read a PNG to its last byte."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert zlib.crc32(name + content) == checksum
        chunks[name] = content
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == height * (1 + 3 * width)
    above = [0] * (3 * width)
    for y in range(height if height <= 64 else 0):
        row = rows[y * (1 + 3 * width) : (y + 1) * (1 + 3 * width)]
        assert row[0] == (2 if y else 0)
        above = [a + b for a, b in zip(above, row[1:], strict=True)]
        assert max(above) < 256
    return width, height


# Chat


def test_chat_says_what_it_received(send: Send) -> None:
    messages = [
        {"role": "system", "content": "You know sport."},
        {"role": "user", "content": "Who won?"},
        {"role": "assistant", "content": "The Dodgers."},
        {"role": "user", "content": "Where was it played?"},
    ]
    answer = send(CHAT, chat(messages=messages)).json()
    text = (
        'Sandbox reply to "Where was it played?" (4 messages: system, user, assistant, user;'
        " model gpt-4o-mini; temperature default)."
    )
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": text,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    used = answer["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"]) == (14, -(-len(text) // 4))
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    assert send(CHAT, chat(messages=messages)).json() == answer
    assert send(CHAT, chat()).json()["id"] != answer["id"]


def test_chat_choices_stop_and_length(send: Send) -> None:
    texts = [c["message"]["content"] for c in send(CHAT, chat(n=3)).json()["choices"]]
    assert len(set(texts)) == 3
    assert texts[2].endswith("[choice 3 of 3]")
    cut = send(CHAT, chat(max_completion_tokens=5)).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 5
    assert text_of(send(CHAT, chat(stop=["", "reply"]))) == "Sandbox "
    assert text_of(send(CHAT, chat(stop=" reply", max_tokens=99))) == "Sandbox"
    long = text_of(send(CHAT, chat(messages=HELLO * 30 + message("x" * 300), temperature=0.5)))
    assert f'"{"x" * 200}…"' in long
    assert "user, …; model" in long
    assert "temperature 0.5" in long


def test_summary(send: Send) -> None:
    text = " ".join(f"word{n}" for n in range(20))
    messages = [{"role": "developer", "content": "Summarize."}, *message(text)]
    expected = f"Summary (sandbox): {' '.join(text.split()[:12])}… [20 words]"
    assert text_of(send(CHAT, chat(messages=messages))) == expected


def test_json_answers(send: Send) -> None:
    ask = message("Answer in JSON")
    plain = text_of(send(CHAT, chat(messages=ask, response_format={"type": "json_object"})))
    assert list(json.loads(plain)) == ["reply"]
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "score": {"type": "number", "minimum": 3},
            "count": {"type": "integer"},
            "good": {"type": ["boolean", "null"]},
            "kind": {"enum": ["a", "b"]},
            "fixed": {"const": 7},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "inner": {"$ref": "#/$defs/inner"},
            "either": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "odd": {"type": "date"},
            "none": {"type": []},
            "lost": {"$ref": "#/$defs/lost/deeper"},
            "free": {"type": "object"},
        },
        "$defs": {"inner": {"properties": {"again": {"$ref": "#/$defs/inner"}}}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    made = json.loads(text_of(send(CHAT, chat(response_format=wanted))))
    assert made["name"].startswith("Sandbox reply")
    assert (made["score"], made["count"], made["good"], made["kind"]) == (3, 0, True, "a")
    assert (made["fixed"], len(made["tags"]), made["either"]) == (7, 2, None)
    assert made["odd"] is made["none"] is made["lost"] is None
    assert made["free"] == {}
    assert made["inner"]["again"]["again"]


@pytest.mark.parametrize(
    ("choice", "name"),
    [("required", "first"), ({"type": "function", "function": {"name": "second"}}, "second")],
)
def test_tool_calls(send: Send, choice: Any, name: str) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "first", "parameters": parameters}},
        {"type": "function", "function": {"name": "second"}},
    ]
    body = chat(tools=tools, tool_choice=choice)
    answered = send(CHAT, body).json()["choices"][0]
    assert answered["finish_reason"] == "tool_calls"
    assert answered["message"]["content"] is None
    (call,) = answered["message"]["tool_calls"]
    assert call["function"]["name"] == name
    arguments = json.loads(call["function"]["arguments"])
    assert arguments == ({"city": "Hello"} if name == "first" else {})
    (delta,) = [
        c["choices"][0]["delta"]
        for c in events_of(send(CHAT, {**body, "stream": True}))
        if "tool_calls" in c["choices"][0]["delta"]
    ]
    (piece,) = delta["tool_calls"]
    assert (piece["index"], piece["function"]) == (0, call["function"])
    # The answer can be sent back, as the services allow.
    back = {"role": "tool", "tool_call_id": call["id"], "content": "12 degrees"}
    conversation = [*HELLO, answered["message"], back]
    assert "user, assistant, tool" in text_of(send(CHAT, chat(messages=conversation)))
    assert text_of(send(CHAT, chat(tools=tools, tool_choice="auto"))).startswith("Sandbox")


@pytest.mark.parametrize("path", [CHAT, deployment("any")])
def test_stream(send: Send, path: str) -> None:
    body = chat(n=2, stream=True, stream_options={"include_usage": True})
    whole = send(path, chat(n=2)).json()
    chunks = events_of(send(path, body))
    texts = ["", ""]
    reasons = []
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
            reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
    assert texts == [choice["message"]["content"] for choice in whole["choices"]]
    assert reasons == ["stop", "stop"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert ("prompt_filter_results" in chunks[0]) is ("openai" in path)


def test_azure_adds_filter_results(send: Send) -> None:
    for path in (deployment("my%20gpt"), "/openai/v1/chat/completions"):
        answer = send(path, chat()).json()
        assert answer["prompt_filter_results"][0]["prompt_index"] == 0
        verdicts = answer["choices"][0]["content_filter_results"]
        assert verdicts["hate"] == {"filtered": False, "severity": "safe"}
    assert send(deployment("my%20gpt"), chat()).json()["model"] == "my gpt"


# Legacy completions, images, embeddings


def test_legacy_completions(send: Send) -> None:
    def ask(**body: Any) -> Any:
        response = send(LEGACY, {"model": "legacy-instruct", **body})
        assert response.status_code == 200, response.text
        return response.json()

    text = 'Sandbox completion of "How are you today?" (model legacy-instruct)'
    answer = ask(prompt="How are you today?", max_tokens=100)
    assert answer["choices"] == [
        {"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert (answer["object"], answer["id"][:5]) == ("text_completion", "cmpl-")
    (short,) = ask(prompt="How are you today?")["choices"]
    assert (short["text"], short["finish_reason"]) == (text[:64], "length")
    choices = ask(prompt=["one", "two"], n=2, max_tokens=100)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert ['"two"' in choice["text"] for choice in choices] == [False, False, True, True]
    assert ask(prompt=[1, 2, 3])["usage"]["prompt_tokens"] == 3
    assert len(ask(prompt=[[1, 2], [3]])["choices"]) == 2
    (echoed,) = ask(prompt="Hi", echo=True, max_tokens=0)["choices"]
    assert (echoed["text"], echoed["finish_reason"]) == ("Hi", "length")


@pytest.mark.parametrize(
    ("path", "azure"), [(LEGACY, False), (deployment("x-instruct", "completions"), True)]
)
def test_legacy_stream(send: Send, path: str, azure: bool) -> None:
    body = {"model": "legacy-instruct", "prompt": ["a", "b"], "stream": True}
    chunks = events_of(send(path, body))
    assert ("prompt_filter_results" in chunks[0]) is azure
    assert [c["index"] for chunk in chunks for c in chunk["choices"]] == [0, 1]


@pytest.mark.parametrize(
    ("model", "size", "expected"),
    [
        ("gpt-image-2", "1792x1024", (1792, 1024)),
        ("gpt-image-2", "32x16", (32, 16)),
        ("gpt-image-2", "auto", (1024, 1024)),
        ("gpt-image-2", None, (1024, 1024)),
        ("gpt-image-1-mini", "1024x1536", (1024, 1536)),
    ],
)
def test_gpt_images(send: Send, model: str, size: str | None, expected: tuple[int, int]) -> None:
    body = {"model": model, "prompt": "A fox", **({"size": size} if size else {})}
    answer = send(IMAGES, body).json()
    (item,) = answer["data"]
    assert list(item) == ["b64_json"]
    data = base64.b64decode(item["b64_json"], validate=True)
    assert size_of(data) == expected
    assert len(data) < 100_000
    assert answer["size"] == f"{expected[0]}x{expected[1]}"
    assert (answer["background"], answer["output_format"]) == ("opaque", "png")
    assert answer["usage"]["input_tokens"] == 2


def test_several_images_differ(send: Send) -> None:
    more = {"n": 3, "size": "32x32", "quality": "low", "background": "transparent"}
    answer = send(IMAGES, {"model": "gpt-image-2", "prompt": "x", **more}).json()
    assert len({item["b64_json"] for item in answer["data"]}) == 3
    assert (answer["quality"], answer["background"]) == ("low", "transparent")


def test_dall_e_answers_addresses(send: Send, sandbox: Sandbox) -> None:
    body = {"model": "dall-e-3", "prompt": "A fox", "size": "1024x1792"}
    (item,) = send(IMAGES, body).json()["data"]
    assert item["revised_prompt"].startswith("A fox")
    path = item["url"].removeprefix(sandbox.url)
    served = send(path, headers={})
    assert served.headers["content-type"] == "image/png"
    assert size_of(served.content) == (1024, 1792)
    (inline,) = send(IMAGES, {**body, "response_format": "b64_json"}).json()["data"]
    assert base64.b64decode(inline["b64_json"]) == served.content
    assert send(path.partition("?")[0] + "?w=0&h=9").status_code == 404
    azure = {"prompt": "A fox", "n": 1}
    (item,) = send(deployment("dall-e-3", "images/generations"), azure).json()["data"]
    assert item["content_filter_results"]
    two = send(IMAGES, {"model": "dall-e-2", "prompt": "x", "n": 2, "size": "256x256"}).json()
    assert len(two["data"]) == 2
    assert "usage" not in two


def test_embeddings(send: Send) -> None:
    body = {"model": "text-embedding-3-small", "input": ["a", "b"]}
    answer = send("/v1/embeddings", body).json()
    assert [len(item["embedding"]) for item in answer["data"]] == [8, 8]
    assert answer["data"][0] != answer["data"][1]
    coded = {**body, "input": "a", "encoding_format": "base64", "dimensions": 40}
    (item,) = send(deployment("embedding", "embeddings"), coded).json()["data"]
    assert len(base64.b64decode(item["embedding"])) == 160


# Models and files


def test_model_lists(send: Send) -> None:
    names = {model["id"] for model in send("/v1/models").json()["data"]}
    assert {"gpt-4o-mini", "gpt-image-1-mini", "thinker"} <= names
    assert "gpt-3.5-turbo-instruct" not in names
    assert {m["object"] for m in send("/openai/v1/models").json()["data"]} == {"model"}
    base = {m["id"]: m for m in send(f"/openai/models?{DATED}").json()["data"]}
    assert base["gpt-4o-mini"]["capabilities"]["chat_completion"] is True
    assert send("/v1/models/gpt-4o").json()["id"] == "gpt-4o"
    assert send("/v1/models/nope").status_code == 404
    assert send("/v1/models", method="HEAD").content == b""


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_files(send: Send, prefix: str) -> None:
    content = b"\x00binary\r\n--x\xff"
    upload = {"files": {"file": ("naïve.bin", content)}, "data": {"purpose": "user_data"}}
    answer = send(f"{prefix}/files", method="POST", **upload).json()
    assert (answer["bytes"], answer["filename"]) == (len(content), "naïve.bin")
    downloaded = send(f"{prefix}/files/{answer['id']}/content")
    assert size_of(downloaded.content) == (16, 16)
    assert send(f"{prefix}/files/file-missing/content").status_code == 404
    extended = FILE.replace(b'filename="a"', b"filename*=utf-8''na%C3%AFve.txt")
    form = {**FORM, **AZURE}
    raw = extended + PURPOSE % b"batch" + b"--b--"
    answer = send(f"{prefix}/files", method="POST", data=raw, headers=form).json()
    assert (answer["bytes"], answer["filename"]) == (1, "naïve.txt")


FORM = {"Content-Type": "multipart/form-data; boundary=b", **OPENAI}
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
PURPOSE = b'--b\r\nX: y\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("data", "headers", "param"),
    [
        (b"{}", {**OPENAI, "Content-Type": "application/json"}, None),
        (b"{}", {**OPENAI, "Content-Type": "multipart/form-data"}, None),
        (FILE, FORM, None),
        (FILE + b"--b--\r\n", FORM, "purpose"),
        (PURPOSE % b"user_data" + b"--b--", FORM, "file"),
        (b"--b\r\nX: y\r\n\r\nz\r\n" + FILE + b"--b--", FORM, "purpose"),
        (FILE + PURPOSE % b"theft" + b"--b--", FORM, "purpose"),
        (FILE.replace(b'; filename="a"', b"") + PURPOSE % b"batch" + b"--b--", FORM, "file"),
    ],
)
def test_refused_uploads(send: Send, data: bytes, headers: Any, param: str | None) -> None:
    response = send("/v1/files", method="POST", data=data, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


# Keys


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (CHAT, {}, 401, None),
        (CHAT, {"Authorization": "Basic abc"}, 401, None),
        (CHAT, {"Authorization": "Bearer key"}, 401, "invalid_api_key"),
        (CHAT, {"Authorization": "Bearer sk-revoked"}, 401, "invalid_api_key"),
        (CHAT, {**OPENAI, "OpenAI-Organization": "org-wrong"}, 401, "invalid_organization"),
        (CHAT, {**OPENAI, "OpenAI-Organization": "org-mine"}, 200, None),
        (CHAT, {"Authorization": "Bearer sk-noquota"}, 429, "insufficient_quota"),
        (
            CHAT,
            {"Authorization": "Bearer sk-forbidden"},
            403,
            "unsupported_country_region_territory",
        ),
        (deployment("any"), {}, 401, "401"),
        (deployment("any"), OPENAI, 401, "401"),
        (deployment("any"), {"api-key": "sk-sandbox"}, 401, "401"),
        (deployment("any"), {"api-key": "a-bad-one"}, 401, "401"),
        (deployment("any"), {"api-key": "forbidden"}, 403, "403"),
        (deployment("any"), {"api-key": "noquota"}, 429, "insufficient_quota"),
        ("/openai/v1/chat/completions", {"Authorization": "Bearer azure"}, 200, None),
    ],
)
def test_keys(send: Send, path: str, headers: Any, status: int, code: str | None) -> None:
    response = send(path, chat(), headers=headers)
    assert response.status_code == status
    assert response.json().get("error", {}).get("code") == code


def test_keys_are_masked_and_lists_need_no_quota(send: Send) -> None:
    key = "sk-wrong-0123456789"
    error = send(CHAT, chat(), headers={"Authorization": f"Bearer {key}"}).json()["error"]
    assert "sk-wr***89" in error["message"]
    assert key not in error["message"]
    short = send(CHAT, chat(), headers={"Authorization": "Bearer sk-bad"}).text
    assert "sk***" in short
    assert "sk-bad" not in short
    assert send("/v1/models", headers={"Authorization": "Bearer sk-noquota"}).status_code == 200
    azure = send(deployment("any"), chat(), headers={}).json()["error"]["message"]
    assert azure.startswith("Access denied due to invalid subscription key or wrong API endpoint.")


# Paths, versions, models


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/nothing", 404, None),
        ("/", 404, None),
        ("/images/zz.png", 404, None),
        ("/openai/nothing", 404, "404"),
        (f"/openai/deployments?{DATED}", 404, "404"),
        (f"/openai/v1/models?{DATED}", 400, "BadRequest"),
        ("/openai/v1/models?api-version=soon", 400, "BadRequest"),
        ("/openai/v1/models?api-version=v1", 200, None),
        ("/openai/models", 404, "404"),
        ("/openai/models?api-version=2024-10-22", 404, "404"),
        ("/openai/models?api-version=2025-04-01-preview", 200, None),
        ("/openai/v1/chat/completions", 404, "404"),
        (CHAT, 405, "method_not_supported"),
    ],
)
def test_paths(send: Send, path: str, status: int, code: str | None) -> None:
    response = send(path)
    assert response.status_code == status
    assert response.json().get("error", {}).get("code") == code


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/openai/v1/completions", {"model": "x", "prompt": "x"}, 404, "404"),
        ("/openai/v1/images/generations", {"model": "gpt-image-2", "prompt": "x"}, 404, "404"),
        (
            "/openai/v1/images/generations?api-version=preview",
            {"model": "gpt-image-2", "prompt": "x", "size": "16x16"},
            200,
            None,
        ),
        (
            "/openai/v1/images/generations?api-version=preview",
            {"model": "gpt", "prompt": "x"},
            400,
            "invalid_value",
        ),
        (deployment("missing-one"), chat(), 404, "DeploymentNotFound"),
        (
            "/openai/v1/chat/completions",
            chat(model="nonexistent"),
            404,
            "DeploymentNotFound",
        ),
        ("/openai/v1/chat/completions", chat(model="gpt-3.5-turbo-instruct"), 200, None),
        (
            "/openai/v1/chat/completions",
            chat(model="gpt-image-2"),
            400,
            "OperationNotSupported",
        ),
        (deployment("old-instruct"), chat(), 400, "OperationNotSupported"),
        (deployment("any", "completions"), {"prompt": "x"}, 400, "OperationNotSupported"),
        (CHAT, chat(model="gpt-3.5-turbo-instruct"), 404, "model_not_found"),
        (CHAT, chat(model="gpt-unknown"), 404, "model_not_found"),
        (CHAT, chat(model="llama"), 404, "model_not_found"),
        (CHAT, chat(model="chatgpt-next"), 404, "model_not_found"),
        (CHAT, chat(model="legacy-instruct"), 404, None),
        (CHAT, chat(model="gpt-image-2"), 404, None),
        (LEGACY, {"model": "gpt-4o", "prompt": "x"}, 404, None),
        (LEGACY, {"model": "gpt-image-2", "prompt": "x"}, 404, None),
        (IMAGES, {"model": "gpt-4o", "prompt": "x"}, 400, "invalid_value"),
        ("/v1/embeddings", {"model": "gpt-4o", "input": "x"}, 403, None),
    ],
)
def test_models(send: Send, path: str, body: Any, status: int, code: str | None) -> None:
    response = send(path, body)
    assert response.status_code == status, response.text
    assert response.json().get("error", {}).get("code") == code


def test_wrong_api_messages_are_the_well_known_ones(send: Send) -> None:
    legacy = send(LEGACY, {"model": "gpt-4o", "prompt": "x"}).json()["error"]
    assert legacy["message"] == (
        "This is a chat model and not supported in the v1/completions endpoint."
        " Did you mean to use v1/chat/completions?"
    )
    chat_ = send(CHAT, chat(model="legacy-instruct")).json()["error"]
    assert chat_ == {
        "message": "This is not a chat model and thus not supported in the v1/chat/completions"
        " endpoint. Did you mean to use v1/completions?",
        "type": "invalid_request_error",
        "param": "model",
        "code": None,
    }
    azure = send(deployment("any", "completions"), {"prompt": "x"}).json()["error"]
    assert azure["message"].startswith(
        "The completion operation does not work with the specified model, any."
    )
    retired = send(CHAT, chat(model="gpt-3.5-turbo-instruct")).json()["error"]
    assert "retired" in retired["message"]
    url = send("/v1/x").json()["error"]
    assert url["message"] == "Invalid URL (GET /v1/x)"


# Bodies and parameters


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'"text"',
        b'{"model": "gpt-4o", "model": "gpt-4o"}',
        b'{"temperature": NaN}',
        b'{"temperature": 1e999}',
        b'{"temperature": -Infinity}',
        b"[" * 100_000,
        b'{"n": ' + b"1" * 5000 + b"}",
    ],
)
def test_bodies_that_are_not_json_objects(send: Send, raw: bytes) -> None:
    headers = {**OPENAI, "Content-Type": "application/json"}
    response = send(CHAT, method="POST", data=raw, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_content_type_is_required(send: Send) -> None:
    raw = json.dumps(chat()).encode()
    assert send(CHAT, method="POST", data=raw).status_code == 400
    typed = {**OPENAI, "Content-Type": "Application/JSON; charset=utf-8"}
    assert send(CHAT, method="POST", data=raw, headers=typed).status_code == 200
    lone = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\\ud800"}]}'
    assert send(CHAT, method="POST", data=lone, headers=typed).status_code == 200


FUNCTION = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 2, "top_p": 0, "n": 1, "stop": None, "user": "me", "seed": 4},
        {"temperature": None, "max_tokens": 5, "logprobs": True, "top_logprobs": 2},
        {"max_completion_tokens": 5, "presence_penalty": -2, "frequency_penalty": 2.0},
        {"messages": message([{"type": "text", "text": "a"}, PICTURE, SOUND])},
        {"messages": [*message("a", "system"), *message("b", "developer")]},
        {"messages": message(None, "assistant", tool_calls=[CALL])},
        {"messages": message([{"type": "refusal", "refusal": "no"}], "assistant")},
        {"messages": message("x", "function", name="f")},
        {"model": "thinker", "temperature": 1, "top_p": 1.0, "reasoning_effort": "low"},
        {"model": "o3", "max_completion_tokens": 50, "logprobs": False},
        {"model": "gpt-4o-oldserver", "max_tokens": 50},
        {"response_format": {"type": "text"}, "logit_bias": {}, "store": False},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
    ],
)
def test_accepted_chat(send: Send, body: Any) -> None:
    response = send(CHAT, chat(**body))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"model": ""}, "model", "string_below_min_length"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "array_below_min_length"),
        ({"messages": "Hello"}, "messages", "invalid_type"),
        ({"messages": ["Hello"]}, "messages[0]", "invalid_type"),
        ({"messages": [{"content": "a"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": message("a", "pirate")}, "messages[0].role", "invalid_value"),
        ({"messages": message("a", 7)}, "messages[0].role", "invalid_type"),  # type: ignore[arg-type]
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": message(None)}, "messages[0].content", "invalid_type"),
        ({"messages": message(5)}, "messages[0].content", "invalid_type"),
        ({"messages": message([])}, "messages[0].content", "array_below_min_length"),
        ({"messages": message([{}])}, "messages[0].content[0].type", "missing_required_parameter"),
        (
            {"messages": message([{"type": "text"}])},
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        (
            {"messages": message([PICTURE], "system")},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        ({"messages": message("a", mood="good")}, "messages[0].mood", "unknown_parameter"),
        ({"messages": message("a", name=4)}, "messages[0].name", "invalid_type"),
        (
            {"messages": message("a", "tool")},
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
        ({"messages": message("a", "tool", tool_call_id="x")}, "messages[0].role", None),
        ({"messages": message("a", "function")}, "messages[0].name", "missing_required_parameter"),
        (
            {"messages": message(None, "assistant", tool_calls=[{}])},
            "messages[0].tool_calls[0].id",
            "missing_required_parameter",
        ),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
        ({"temperature": "1"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"top_p": 1.5}, "top_p", "decimal_above_max_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"n": 1.0}, "n", "invalid_type"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"user": {}}, "user", "invalid_type"),
        ({"colour": 1}, None, None),
        ({"a": 1, "b": 2}, None, None),
        (
            {"max_tokens": 5, "max_completion_tokens": 5},
            "max_tokens",
            "invalid_parameter_combination",
        ),
        ({"model": "thinker", "max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        ({"model": "o3", "temperature": 0.5}, "temperature", "unsupported_value"),
        ({"model": "gpt-5", "top_p": 0.5}, "top_p", "unsupported_value"),
        ({"model": "o1", "logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"model": "gpt-4o-oldserver", "max_completion_tokens": 5}, None, None),
        ({"reasoning_effort": "low"}, None, None),
        ({"tool_choice": "required"}, "tool_choice", None),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice",
            None,
        ),
        ({"tools": []}, "tools", "array_below_min_length"),
        ({"stream_options": {}}, "stream_options", None),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "messages", None),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        ({"messages": message("x" * 512_001)}, "messages", "context_length_exceeded"),
    ],
)
def test_refused_chat(send: Send, body: Any, param: str | None, code: str | None) -> None:
    response = send(CHAT, chat(**body))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"


def test_messages_that_clients_look_for(send: Send) -> None:
    def error(**body: Any) -> str:
        return str(send(CHAT, chat(**body)).json()["error"]["message"])

    assert error(model="o3", max_tokens=1) == (
        "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead."
    )
    assert error(model="gpt-4-oldserver", max_completion_tokens=1) == (
        "Unrecognized request argument supplied: max_completion_tokens"
    )
    assert error(colour=1) == "Unrecognized request argument supplied: colour"


def test_nulls_and_model_on_azure(send: Send) -> None:
    assert send(deployment("any"), chat(stop=None)).json()["error"]["param"] == "stop"
    assert send(deployment("any"), {"messages": HELLO, "data_sources": []}).status_code == 200
    v1 = send("/openai/v1/chat/completions", {"messages": HELLO, "stop": None})
    assert v1.json()["error"]["param"] == "model"
    effort = send(deployment("any"), chat(reasoning_effort="low"))
    assert effort.status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": [["a"]]}, "prompt[0][0]"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"messages": HELLO}, None),
        ({"prompt": "x" * 4 * 4082}, "prompt"),
        ({"max_tokens": 4097}, "prompt"),
    ],
)
def test_refused_legacy(send: Send, body: Any, param: str | None) -> None:
    response = send(LEGACY, {"model": "legacy-instruct", "prompt": "x", **body})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("model", "body", "param", "code"),
    [
        ("gpt-image-2", {"prompt": ""}, "prompt", "string_below_min_length"),
        ("gpt-image-2", {"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ("dall-e-3", {"prompt": "x" * 4001}, "prompt", "string_above_max_length"),
        ("dall-e-2", {"prompt": "x" * 1001}, "prompt", "string_above_max_length"),
        ("gpt-image-2", {"n": 11}, "n", "integer_above_max_value"),
        ("dall-e-3", {"n": 2}, "n", None),
        ("single-image", {"n": 2}, "n", None),
        ("gpt-image-2", {"size": "large"}, "size", "invalid_value"),
        ("gpt-image-2", {"size": "1000x1000"}, "size", "invalid_value"),
        ("gpt-image-2", {"size": "1024x16"}, "size", "invalid_value"),
        ("gpt-image-2", {"size": "8192x8192"}, "size", "invalid_value"),
        ("gpt-image-1-mini", {"size": "1792x1024"}, "size", "invalid_value"),
        ("dall-e-3", {"size": "256x256"}, "size", "invalid_value"),
        ("dall-e-3", {"size": "auto"}, "size", "invalid_value"),
        ("dall-e-3", {"quality": "low"}, "quality", "invalid_value"),
        ("dall-e-3", {"background": "auto"}, "background", "unknown_parameter"),
        ("gpt-image-2", {"response_format": "url"}, "response_format", "unknown_parameter"),
        ("gpt-image-2", {"output_format": "webp"}, "output_format", "unsupported_value"),
        ("gpt-image-2", {"stream": True}, "stream", "unsupported_value"),
    ],
)
def test_refused_images(send: Send, model: str, body: Any, param: str, code: str | None) -> None:
    response = send(IMAGES, {"model": model, "prompt": "x", **body})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)


def test_one_image_message(send: Send) -> None:
    error = send(IMAGES, {"model": "dall-e-3", "prompt": "x", "n": 2}).json()["error"]
    assert error["message"] == "You must provide n=1 for this model."


# Faults


@pytest.mark.parametrize(
    ("name", "status", "code", "azure_code"),
    [
        ("rate-limit", 429, "rate_limit_exceeded", "429"),
        ("quota", 429, "insufficient_quota", "insufficient_quota"),
        ("overloaded", 503, "server_is_overloaded", "server_is_overloaded"),
        ("error", 500, None, "500"),
    ],
)
def test_faults_that_answer_errors(
    send: Send, name: str, status: int, code: str | None, azure_code: str
) -> None:
    openai = send(CHAT, chat(), headers={**OPENAI, "x-sandbox-fault": name})
    azure = send(f"/fault/{name}/openai/models?{DATED}")
    for response, expected in ((openai, code), (azure, azure_code)):
        assert response.status_code == status
        assert response.json()["error"]["code"] == expected
        assert response.headers.get("retry-after") == ("1" if name == "rate-limit" else None)


@pytest.mark.parametrize("source", ["header", "path", "encoded", "text"])
def test_counted_faults(send: Send, sandbox: Sandbox, source: str) -> None:
    path, body, headers = CHAT, chat(), dict(OPENAI)
    if source == "header":
        headers["x-sandbox-fault"] = "error:2"
    elif source == "text":
        body = chat(messages=message("sandbox:nothing then sandbox:error:2."))
    else:
        path = f"/fault/error{':' if source == 'path' else '%3A'}2{CHAT}"

    def statuses() -> list[int]:
        return [send(path, body, headers=headers).status_code for _ in range(4)]

    assert statuses() == [500, 500, 200, 200]
    sandbox.reset()
    assert statuses() == [500, 500, 200, 200]


def test_other_faults(send: Send) -> None:
    page = send("/fault/html/v1/models")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
    assert send("/fault/empty/v1/models").json() == {}
    assert send("/fault/slow-1/v1/models").json()["data"]
    for bad in ("nonsense", "slow-", "error:x"):
        error = send("/v1/models", headers={**OPENAI, "x-sandbox-fault": bad})
        assert (error.status_code, error.json()["error"]["code"]) == (400, "unknown_sandbox_fault")
    assert send("/fault/error/v1/models", headers={}).status_code == 401


@pytest.mark.parametrize("body", [chat(), chat(stream=True)])
def test_cut(send: Send, body: Any) -> None:
    with pytest.raises(
        (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        send(f"/fault/cut{CHAT}", body)
    assert send(f"/fault/cut:0{CHAT}", body).status_code == 200


def test_faults_in_prompts(send: Send) -> None:
    legacy = {"model": "legacy-instruct", "prompt": ["a", "sandbox:error"]}
    assert send(LEGACY, legacy).status_code == 500
    assert send(LEGACY, {**legacy, "prompt": 5}).status_code == 400
    assert send(IMAGES, {"model": "gpt-image-2", "prompt": "sandbox:quota"}).status_code == 429
    embed = {"model": "text-embedding-3-small", "input": "sandbox:error"}
    assert send("/v1/embeddings", embed).status_code == 500
    earlier = [*message("sandbox:error"), *message("go on")]
    assert send(CHAT, chat(messages=earlier)).status_code == 200
    assert send(CHAT, chat(messages=["x", *message("sandbox:error")])).status_code == 500
    parts = message([{"type": "text", "text": "sandbox:error"}])
    assert send(CHAT, chat(messages=parts)).status_code == 500


def test_content_filter(send: Send) -> None:
    marked = chat(messages=[*message("sandbox:filter"), *message("more", "assistant")])
    for path in (deployment("any"), "/openai/v1/chat/completions"):
        response = send(path, marked)
        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["code"], error["innererror"]["code"]) == (
            "content_filter",
            "ResponsibleAIPolicyViolation",
        )
        assert error["innererror"]["content_filter_result"]["violence"]["filtered"] is True
    (choice,) = send(CHAT, marked).json()["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", "")
    legacy = {"model": "legacy-instruct", "prompt": ["a" * 99, "sandbox:filter"]}
    reasons = [c["finish_reason"] for c in send(LEGACY, legacy).json()["choices"]]
    assert reasons == ["length", "content_filter"]
    forced = {**OPENAI, "x-sandbox-fault": "filter"}
    (only,) = send(LEGACY, {**legacy, "prompt": "a"}, headers=forced).json()["choices"]
    assert only["finish_reason"] == "content_filter"
    for operation, body in (
        ("completions", {"prompt": "sandbox:filter"}),
        ("images/generations", {"prompt": "sandbox:filter"}),
        ("embeddings", {"input": "sandbox:filter"}),
    ):
        name = {"completions": "an-instruct", "embeddings": "embedding"}.get(operation, "dall-e-3")
        refused = send(deployment(name, operation), body)
        assert refused.json()["error"]["code"] == "content_filter"
    image = send(IMAGES, {"model": "gpt-image-2", "prompt": "sandbox:filter"})
    assert image.json()["error"]["code"] == "moderation_blocked"


def test_every_fault_is_described(send: Send) -> None:
    for name in FAULTS:
        if name not in ("slow", "cut"):
            body = chat(messages=message(f"sandbox:{name}"))
            assert '"Sandbox reply' not in send(CHAT, body).text


# The server


@pytest.mark.parametrize("kind", KINDS)
def test_connections(sandbox: Sandbox, send: Send, kind: str) -> None:
    connection = sandbox.connection(kind)
    fields = connection["fields"]
    assert (connection["key"], fields["endpoint"]) == ("apiKey", sandbox.url)
    path = {
        "openai": CHAT,
        "azure": "/openai/v1/chat/completions",
        "azure-dated": deployment("any", query=f"api-version={fields.get('apiVersion')}"),
    }[kind]
    key = fields["apiKey"]
    headers = {"Authorization": f"Bearer {key}"} if fields["isOpenAIKey"] else {"api-key": key}
    response = send(path, chat(), headers=headers)
    assert response.status_code == 200
    wanted = "openai-processing-ms" if kind == "openai" else "apim-request-id"
    for name in (wanted, "x-request-id", "x-ratelimit-remaining-requests"):
        assert response.headers[name]
    with pytest.raises(ValueError, match="no such kind"):
        sandbox.connection("aws")


def test_requests_are_recorded(send: Send, sandbox: Sandbox) -> None:
    assert sandbox.requests == []
    send(deployment("my%20gpt"), chat())
    (received,) = sandbox.requests
    assert isinstance(received, Received)
    assert received.path == "/openai/deployments/my%20gpt/chat/completions"
    assert (received.method, received.query) == ("POST", {"api-version": "2024-10-21"})
    assert received.headers["api-key"] == AZURE["api-key"]
    assert json.loads(received.body) == chat()


def test_start_stop_and_callback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    lines: list[tuple[str, str, int]] = []
    before = threading.active_count()
    sandbox = Sandbox({}, on_request=lambda *line: lines.append(line))
    with pytest.raises(RuntimeError, match="not been started"):
        _ = sandbox.url
    sandbox.stop()
    for _ in range(2):
        sandbox.start()
        with pytest.raises(RuntimeError, match="already"):
            sandbox.start()
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address"), Sandbox({}, port=port):
            pytest.fail("two servers on one port")
        assert requests.get(sandbox.url + "/v1/models", timeout=5).status_code == 401
        sandbox.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    assert lines == [("GET", "/v1/models", 401)] * 2
    assert threading.active_count() == before
    assert not caplog.records


def test_stopping_ends_a_slow_answer(caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox({}) as sandbox, pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(sandbox.url + "/fault/slow/v1/models", headers=OPENAI, timeout=0.05)
    with Sandbox({}) as sandbox, socket.create_connection(("127.0.0.1", port_of(sandbox))) as line:
        line.sendall(
            b"GET /fault/slow/v1/models HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer sk-a\r\n\r\n"
        )
        while not sandbox.requests:
            threading.Event().wait(0.001)
        sandbox.stop()
        assert line.recv(100) == b""
    assert not caplog.records


def port_of(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


def test_serve_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox({})
    started = threading.Event()
    start = sandbox.start

    def announce() -> None:
        start()
        started.set()

    monkeypatch.setattr(sandbox, "start", announce)
    thread = threading.Thread(target=sandbox.serve_forever)
    thread.start()
    assert started.wait(5)
    sandbox.stop()
    thread.join(5)
    assert not thread.is_alive()
    # Already running, then interrupted: everything is closed and the interrupt passed on.
    start()
    assert sandbox._thread is not None

    def interrupt(timeout: float) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(sandbox._thread, "join", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sandbox.serve_forever()
    assert sandbox._thread is None


def test_body_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_LIMIT", 1000)
    with Sandbox({}) as sandbox:
        for path, code in ((CHAT, None), (deployment("any"), "413")):
            response = requests.post(sandbox.url + path, data=b"x" * 2000, timeout=5)
            assert (response.status_code, response.json()["error"]["code"]) == (413, code)
            assert sandbox.requests[-1].body == b""
