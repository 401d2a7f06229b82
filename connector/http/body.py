"""Reads the body of a response: bounded, and decompressed in bounded pieces."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from urllib3.exceptions import HTTPError

from connector.errors import ConnectorError
from connector.http.response_head import Malformed
from connector.runtime.interruptions import find_external
from connector.text.secrets import Secret

CHUNK = 1 << 16
_BOMB_BYTES = 16 << 20
_BOMB_RATIO = 100
"""No response of such a service compresses to a hundredth: base64 compresses to three quarters,
prose to a third, lists of numbers to a tenth. A large body that does is a decompression bomb."""
_PADDING_BYTES = 1 << 20
_PADDING_RATIO = 4
"""Compression does not make a body much larger either, unless it is sent in tiny pieces. A body
that grows like this consists of empty members and blocks, and may never end."""


def _too_large(what: str) -> ConnectorError:
    return ConnectorError(
        "response_too_large",
        f"The response {what}.",
        sent="unknown",
        hint="Ask for less; the limit is maxResponseBytes of the manifest.",
    )


def whole(raw: Any, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the whole body. Raises ConnectorError `response_too_large` beyond `limit` bytes."""
    length = raw.length
    if length is not None and length > limit:
        raise _too_large(f"is larger than {limit} bytes")
    if length is not None and "content-encoding" not in headers:
        body: bytes = raw.read()  # bounded by its own length, so one read
        return body
    return b"".join(decoded(raw, headers, limit))


def beginning(raw: Any, headers: Mapping[str, str], limit: int) -> tuple[bytes, bool]:
    """Return an error's body, at most `limit` bytes of it, and whether it was cut off.

    A body that breaks off is returned as far as it was read.
    """
    pieces: list[bytes] = []
    try:
        for piece in decoded(raw, headers, limit):
            pieces.append(piece)
    except (ConnectorError, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        if find_external(error) is not None:
            raise
        return b"".join(pieces), True
    return b"".join(pieces), False


def decoded(
    raw: Any,
    headers: Mapping[str, str],
    limit: int,
    pieces: Iterator[bytes] | None = None,
) -> Iterator[bytes]:
    """Yield the body decompressed, in bounded pieces, made from `pieces` where they are given.

    Raises ConnectorError `response_too_large` beyond `limit` bytes.
    """
    pieces = _pieces(raw) if pieces is None else pieces
    codings = [c.strip().lower() for c in headers.get("content-encoding", "").split(",")]
    codings = [c for c in codings if c not in ("", "identity")]
    if len(codings) > 1 or (codings and codings[0] not in ("gzip", "x-gzip", "deflate")):
        raise Malformed("an unknown content coding")
    if codings:
        pieces = _inflated(pieces, codings[0])
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise _too_large(f"is larger than {limit} bytes")
        yield piece


def _pieces(raw: Any) -> Iterator[bytes]:
    while piece := raw.read(CHUNK):
        yield piece
    _check_end(raw)


def arriving(raw: Any) -> Iterator[bytes]:
    """Yield the body as it arrives, not decompressed, without waiting for a whole piece."""
    while piece := raw.read1(CHUNK):
        yield piece
    _check_end(raw)
    raw.read()  # notices the end of a known length


def _check_end(raw: Any) -> None:
    if raw.length:  # the standard library takes a lost connection for the end
        raise http.client.IncompleteRead(b"")


def _inflated(pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """Yield the decompressed bytes, at most CHUNK at once."""
    decoder = None
    read = size = 0
    for piece in pieces:
        data = piece
        if read > _PADDING_BYTES + _PADDING_RATIO * size:
            raise ValueError("the compressed body is larger than what it holds")
        read += len(piece)
        while data:
            if decoder is None or decoder.eof:  # gzip may have several members
                if decoder is not None and coding == "deflate":
                    raise ValueError("bytes after the end of the compressed body")
                decoder = zlib.decompressobj(_window(coding, data))
            if grown := _grown(decoder, data):
                size += len(grown)
                if size > max(_BOMB_BYTES, _BOMB_RATIO * read):
                    raise _too_large("is a decompression bomb: it grows a hundredfold")
                yield grown
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    while decoder is not None and not decoder.eof:
        grown = _grown(decoder, b"")
        if not grown:
            raise http.client.IncompleteRead(b"")
        yield grown


def _grown(decoder: Any, data: bytes) -> bytes:
    try:
        grown: bytes = decoder.decompress(data, CHUNK)
    except zlib.error:
        raise ValueError("the compressed body is corrupt") from None
    return grown


def _window(coding: str, start: bytes) -> int:
    if coding != "deflate":
        return 16 + zlib.MAX_WBITS
    # "deflate" means zlib's format, but some servers send the bare one.
    return zlib.MAX_WBITS if start[0] & 0x0F == 8 else -zlib.MAX_WBITS


def scrubbed(pieces: Iterator[bytes], secret: Secret) -> Iterator[bytes]:
    """Yield the same bytes with the secret masked, even if it is split across pieces."""
    keep = max(secret.longest - 1, 0)
    held = b""
    for piece in pieces:
        held = secret.scrub_bytes(held + piece)
        if keep < len(held):
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held
