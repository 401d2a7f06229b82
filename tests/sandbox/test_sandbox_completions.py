"""Legacy completions and embeddings of the sandbox."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .send import (
    LEGACY,
    Send,
    deployment,
    events_of,
)


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


def test_embeddings(send: Send) -> None:
    body = {"model": "text-embedding-3-small", "input": ["a", "b"]}
    answer = send("/v1/embeddings", body).json()
    assert [len(item["embedding"]) for item in answer["data"]] == [8, 8]
    assert answer["data"][0] != answer["data"][1]
    coded = {**body, "input": "a", "encoding_format": "base64", "dimensions": 40}
    (item,) = send(deployment("embedding", "embeddings"), coded).json()["data"]
    assert len(base64.b64decode(item["embedding"])) == 160
