"""Requests to the sandbox, and readers for its responses."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import requests

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

Send = Callable[..., requests.Response]


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
    """Check every byte of a PNG and return its width and height."""
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
