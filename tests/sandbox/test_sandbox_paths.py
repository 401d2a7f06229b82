"""Paths, API versions and models that the sandbox has, and those that it rejects."""

from __future__ import annotations

from typing import Any

import pytest

from .send import (
    CHAT,
    DATED,
    IMAGES,
    LEGACY,
    Send,
    chat,
    deployment,
)


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
