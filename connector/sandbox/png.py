"""Real PNG files of any size, drawn without an image library.

A picture is a horizontal gradient between two colours that depend on the seed; it gets brighter
towards the bottom. Each row except the first is stored as its difference from the row above, which
is one repeated byte: this keeps drawing fast and files small.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import lru_cache

# How often the brightness rises by one from top to bottom. The colours of the first row are at
# least this far below white, so that no channel overflows.
_STEPS = 64


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def _top_row(seed: str, width: int) -> bytes:
    colours = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
    left = [value % (256 - _STEPS) for value in colours[:3]]
    right = [value % (256 - _STEPS) for value in colours[3:6]]
    span = max(width - 1, 1)
    return bytes(
        a + (b - a) * x // span for x in range(width) for a, b in zip(left, right, strict=True)
    )


@lru_cache(maxsize=32)
def draw(seed: str, width: int, height: int) -> bytes:
    """Draw a picture; the same seed and size (in pixels) give the same bytes."""
    same = b"\x02" + bytes(3 * width)
    brighter = b"\x02" + b"\x01" * (3 * width)
    every = -(-height // _STEPS)
    rows = [b"\x00" + _top_row(seed, width)]
    rows += (same if y % every else brighter for y in range(1, height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(b"".join(rows), 1)),
            _chunk(b"IEND", b""),
        )
    )
