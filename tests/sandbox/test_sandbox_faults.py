"""The faults that a request can ask for."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from connector.sandbox import FAULTS, Sandbox

from .send import (
    CHAT,
    DATED,
    IMAGES,
    LEGACY,
    OPENAI,
    Send,
    chat,
    deployment,
    message,
)


@pytest.mark.parametrize(
    ("name", "status", "code", "azure_code"),
    [
        ("rate-limit", 429, "rate_limit_exceeded", "429"),
        ("quota", 429, "insufficient_quota", "insufficient_quota"),
        ("overloaded", 503, "server_is_overloaded", "server_is_overloaded"),
        ("error", 500, None, "500"),
    ],
)
def test_faults_that_return_errors(
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
