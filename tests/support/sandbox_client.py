"""A plain client of the sandbox, with the key for each surface."""

from __future__ import annotations

import json
from typing import Any

import requests

from connector.sandbox import Sandbox

CHAT, LEGACY = "/v1/chat/completions", "/v1/completions"
DATED = "api-version=2024-10-21"


def ask(sandbox: Sandbox, path: str, body: Any = None, **more: Any) -> requests.Response:
    """Return the response to a POST of `body`, or to a GET if there is none."""
    key = {"api-key": "sandbox-azure-key-00000000000000"}
    headers = key if path.startswith("/openai/") else {"Authorization": "Bearer sk-sandbox"}
    with requests.Session() as session:
        session.trust_env = False
        more["headers"] = {**headers, **more.pop("headers", {})}
        method = "GET" if body is None else "POST"
        return session.request(method, sandbox.url + path, json=body, timeout=60, **more)


def chat(prompt: str = "Hello", **more: Any) -> dict[str, Any]:
    """Return the body of a chat with one question."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}], **more}


def answered(response: requests.Response) -> Any:
    """Return the JSON of a successful response."""
    assert response.status_code == 200, response.text
    return response.json()


def choice(response: requests.Response) -> Any:
    """Return the only choice of a successful response."""
    (found,) = answered(response)["choices"]
    return found


def events(response: requests.Response) -> list[dict[str, Any]]:
    """Return the events of a complete stream."""
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]
