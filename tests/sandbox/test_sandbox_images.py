"""Images of the sandbox: their sizes, URLs and bytes."""

from __future__ import annotations

import base64

import pytest

from connector.sandbox import Sandbox

from .send import (
    IMAGES,
    Send,
    deployment,
    size_of,
)


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


def test_dall_e_returns_addresses(send: Send, sandbox: Sandbox) -> None:
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
