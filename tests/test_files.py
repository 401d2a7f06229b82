"""Files in inputs: too large ones are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from connector import Connector

from .support.front import connection

pytestmark = pytest.mark.core


def binary(size: int, content_type: str) -> dict[str, str]:
    """Return a binary object of `size` bytes."""
    data = "AAAA" * (size // 3) + ("", "AA==", "AAA=")[size % 3]
    return {"contentType": content_type, "encoding": "base64", "data": data}


MEGABYTE = 1 << 20
LARGEST: list[tuple[str, dict[str, Any], str, str, int]] = [
    ("transcribeAudio", {}, "file", "audio/mpeg", 25 * MEGABYTE),
    ("createChatCompletion", {}, "images", "image/gif", 20 * MEGABYTE),
    ("editImage", {"prompt": "x"}, "images", "image/jpeg", 50 * MEGABYTE),
    (
        "editImage",
        {"prompt": "x", "images": [binary(3, "image/png")]},
        "mask",
        "image/png",
        4 * MEGABYTE,
    ),
]


@pytest.mark.parametrize(("action", "more", "key", "content_type", "most"), LARGEST)
def test_a_file_that_is_too_large_is_refused(
    connector: Connector, action: str, more: dict[str, Any], key: str, content_type: str, most: int
) -> None:
    for size, fits in ((most, True), (most + 1, False)):
        file = binary(size, content_type)
        inputs = {**more, key: [file] if key == "images" else file}
        result = connector.invoke(action, inputs, connection("https://x.example"), dry_run=True)
        assert result.ok == fits
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    megabytes = most // MEGABYTE
    assert f"must have at most {megabytes} MB (it has {megabytes}.0 MB)" in result.error.message
