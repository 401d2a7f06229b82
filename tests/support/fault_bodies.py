"""The bytes of a response body, with its content codings.

A body has a known size and is made in pieces, so that a large one is never whole in memory.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from .fault_responses import Received, Response, body_keys, chat_completion

PIECE: Final = 65536
JSON: Final = "application/json"
TEXT: Final = "text/plain"


@dataclass(frozen=True)
class Body:
    """A body before its framing: `size` bytes, in the pieces that `pieces()` yields."""

    size: int
    pieces: Callable[[], Iterable[bytes]]
    content_type: str | None = None
    codings: tuple[str, ...] = ()


def body_of(response: Response, received: Received) -> Body:
    """The body of a response to a request, with its codings done and labelled."""
    keys = body_keys(response)
    body = _BODIES[keys[0]](response, received) if keys else _whole(b"", None)
    for key, code in _CODINGS.items():
        if getattr(response, key):
            body = code(response, body)
    return body


def _whole(content: bytes, content_type: str | None) -> Body:
    return Body(len(content), lambda: [content] if content else [], content_type)


def _json(response: Response, _: Received) -> Body:
    return _whole(json.dumps(response.json).encode(), JSON)


def _text(response: Response, _: Received) -> Body:
    return _whole((response.text or "").encode(), TEXT)


def _base64(response: Response, _: Received) -> Body:
    return _whole(base64.b64decode(response.body_base64 or ""), "application/octet-stream")


def _repeat(response: Response, _: Received) -> Body:
    """`text` `times` over, between the optional `before` and `after`."""
    data: Mapping[str, Any] = response.repeat or {}
    before, text, after = (str(data.get(key, "")).encode() for key in ("before", "text", "after"))
    times = int(data["times"])
    size = len(before) + len(text) * times + len(after)
    return Body(size, lambda: _repeated(before, text, times, after), TEXT)


def _repeated(before: bytes, text: bytes, times: int, after: bytes) -> Iterator[bytes]:
    yield before
    together = max(1, PIECE // max(1, len(text)))
    block = text * min(together, times)
    for _ in range(times // together):
        yield block
    yield text * (times % together)
    yield after


def _bomb(response: Response, _: Received) -> Body:
    content = _bomb_bytes(response.gzip_bomb or 0)
    return replace(_whole(content, JSON), codings=("gzip",))


@lru_cache(maxsize=8)
def _bomb_bytes(size: int) -> bytes:
    before, after = b'{"choices": "', b'"}'
    return _deflated(_repeated(before, b" ", size - len(before) - len(after), after))


def _nan(_: Response, __: Received) -> Body:
    return _whole(b'{"choices": NaN}', JSON)


def _deep(response: Response, _: Received) -> Body:
    depth = response.deep_json or 0
    return _completion_with("[" * depth + "]" * depth)


def _huge_int(response: Response, _: Received) -> Body:
    return _completion_with("9" * (response.huge_int or 1))


def _overflow(_: Response, __: Received) -> Body:
    return _completion_with("1e999")


def _completion_with(literal: str) -> Body:
    """A valid response with one more member, which nobody asked for."""
    sound = json.dumps(chat_completion())
    return _whole(f'{sound[:-1]}, "extra": {literal}}}'.encode(), JSON)


def _echo(response: Response, received: Received) -> Body:
    seen = _ECHOES[response.echo or "all"](received)
    if response.code < 400:
        return _whole(json.dumps(seen).encode(), JSON)
    key = received.header("authorization") or received.header("api-key") or ""
    message = f"Incorrect API key provided: {key} in {json.dumps(seen)}."
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": key}
    return _whole(json.dumps({"error": error}).encode(), JSON)


def _seen_headers(received: Received) -> dict[str, Any]:
    return {"method": received.method, "target": received.target, "headers": received.headers}


def _seen_body(received: Received) -> dict[str, Any]:
    return {"body": received.body.decode("utf-8", "replace")}


_ECHOES: Final[dict[str, Callable[[Received], dict[str, Any]]]] = {
    "headers": _seen_headers,
    "body": _seen_body,
    "all": lambda received: _seen_headers(received) | _seen_body(received),
}

_BODIES: Final[dict[str, Callable[[Response, Received], Body]]] = {
    "json": _json,
    "text": _text,
    "body_base64": _base64,
    "repeat": _repeat,
    "gzip_bomb": _bomb,
    "nan_json": _nan,
    "deep_json": _deep,
    "huge_int": _huge_int,
    "overflow": _overflow,
    "echo": _echo,
}


def _deflated(pieces: Iterable[bytes], wbits: int = 31) -> bytes:
    """Compress in a stream: `wbits` 31 is gzip, 15 zlib, -15 the bare deflate of old servers."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*map(squeeze.compress, pieces), squeeze.flush()])


def _recoded(body: Body, content: bytes, *labels: str) -> Body:
    return replace(_whole(content, body.content_type), codings=(*body.codings, *labels))


def _gzip(_: Response, body: Body) -> Body:
    return _recoded(body, _deflated(body.pieces()), "gzip")


def _gzip_truncated(response: Response, body: Body) -> Body:
    content = _deflated(body.pieces())
    missing = len(content) // 2 if response.gzip_truncated is True else response.gzip_truncated
    return _recoded(body, content[: len(content) - missing], "gzip")


def _gzip_corrupt(_: Response, body: Body) -> Body:
    content = _deflated(body.pieces())
    checksum = bytes(byte ^ 0xFF for byte in content[-8:-4])
    return _recoded(body, content[:-8] + checksum + content[-4:], "gzip")


def _gzip_nested(_: Response, body: Body) -> Body:
    """Add layers up to two, so that a bomb gets one more."""
    while len(body.codings) < 2:
        body = _recoded(body, _deflated(body.pieces()), "gzip")
    return body


def _deflate(response: Response, body: Body) -> Body:
    wbits = -15 if response.deflate == "raw" else 15
    return _recoded(body, _deflated(body.pieces(), wbits), "deflate")


def _gzip_label(_: Response, body: Body) -> Body:
    return replace(body, codings=(*body.codings, "gzip"))


def _encoding(response: Response, body: Body) -> Body:
    return replace(body, codings=(*body.codings, response.encoding or ""))


_CODINGS: Final[dict[str, Callable[[Response, Body], Body]]] = {
    "gzip": _gzip,
    "gzip_truncated": _gzip_truncated,
    "gzip_corrupt": _gzip_corrupt,
    "deflate": _deflate,
    "gzip_nested": _gzip_nested,
    "gzip_label": _gzip_label,
    "encoding": _encoding,
}
