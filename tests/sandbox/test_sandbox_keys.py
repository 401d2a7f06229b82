"""The keys that the sandbox accepts and rejects."""

from __future__ import annotations

from typing import Any

import pytest

from .send import (
    CHAT,
    OPENAI,
    Send,
    chat,
    deployment,
)


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
