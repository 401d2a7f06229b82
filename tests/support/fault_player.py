"""Play a response on a connection: its head, its framing, its timing and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Final

from .fault_bodies import PIECE, Body, body_of
from .fault_peer import HangUp, Peer
from .fault_responses import Received, Response, Stage, header_pairs


def play(peer: Peer, response: Response, received: Received) -> None:
    """Send a response to a request; raises `HangUp` when the connection ends with it."""
    leave(response, "before_read")  # a response that was chosen by a function comes too late for it
    leave(response, "after_request")
    if response.hang:
        peer.hang()
    body = body_of(response, received)
    if response.raw is None:
        _play_head(peer, response, body)
    else:
        peer.wait(response.delay_headers)
        content = response.raw.encode("latin-1")
        body = Body(len(content), lambda: [content])
    if received.method != "HEAD":
        peer.send_slowly(_on_the_wire(response, body), response.drip)
    leave(response, "mid_body")
    if response.hang_after_body:
        peer.hang()
    if not _stays_open(response, received):
        raise HangUp


def leave(response: Response, stage: Stage) -> None:
    """Raise `HangUp` when the response ends at this stage."""
    if response.leaves_at(stage):
        raise HangUp(reset=response.reset is not None)


def _play_head(peer: Peer, response: Response, body: Body) -> None:
    peer.send_slowly(_interim(response), response.drip_headers)
    peer.wait(response.delay_headers)
    head = (
        "".join(f"{line}\r\n" for line in _head_lines(response, body)).encode("latin-1") + b"\r\n"
    )
    if response.leaves_at("mid_headers"):
        head = head[: len(head) // 2]
    peer.send_slowly([head], response.drip_headers)
    leave(response, "mid_headers")
    if response.hang_after_headers:
        peer.hang()


def _interim(response: Response) -> Iterator[bytes]:
    for status in [*response.interim, *[103] * response.interim_flood]:
        yield f"HTTP/1.1 {status} {_phrase(status)}\r\nx-interim: yes\r\n\r\n".encode()


def _head_lines(response: Response, body: Body) -> Iterator[str]:
    yield _status_line(response)
    given = header_pairs(response.headers)
    replaced = {name.lower() for name, _ in given}
    own = [line for line in _own_headers(response, body) if line[0] not in replaced]
    yield from (f"{name}: {value}" for name, value in [*own, *given] if value is not None)
    yield from (f"x-flood-{number}: {number}" for number in range(response.header_flood))
    if response.header_long:
        yield f"x-long: {'a' * response.header_long}"
    if response.bad_header:
        yield _BAD_HEADERS[str(response.bad_header)]


def _status_line(response: Response) -> str:
    if response.status_line is not None:
        return response.status_line
    reason = _phrase(response.code) if response.reason is None else response.reason
    return f"HTTP/1.1 {response.code} {reason}"


def _own_headers(response: Response, body: Body) -> Iterator[tuple[str, str]]:
    """The headers that the response implies: its own `headers` replace those of the same name."""
    if body.content_type:
        yield "content-type", body.content_type
    if body.codings:
        yield "content-encoding", ", ".join(body.codings)
    if _framing(response):
        yield "transfer-encoding", "chunked"
    for length in _lengths(response, body):
        yield "content-length", str(length)
    if response.redirect is not None:
        yield "location", response.redirect
    cookies = (
        response.set_cookie if isinstance(response.set_cookie, list) else [response.set_cookie]
    )
    yield from (("set-cookie", str(cookie)) for cookie in cookies if cookie is not None)
    if response.connection_close:
        yield "connection", "close"


def _lengths(response: Response, body: Body) -> list[int]:
    if response.content_lengths:
        return response.content_lengths
    if response.content_length is not None:
        return [response.content_length]
    bodiless = response.code in (204, 304) and not body.size
    return [] if response.no_length or bodiless or _framing(response) else [body.size]


def _on_the_wire(response: Response, body: Body) -> Iterable[bytes]:
    pieces = body.pieces()
    if response.leaves_at("mid_body"):
        pieces = _first(pieces, body.size // 2)
    framing = _framing(response)
    if framing is None or response.raw is not None:
        return pieces
    return framing(_split(pieces, min(PIECE, body.size // 3 + 1)), response)


def _first(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return


def _split(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Small enough that even a short body comes in several chunks."""
    for piece in pieces:
        yield from (piece[at : at + size] for at in range(0, len(piece), size))


def _chunked(pieces: Iterable[bytes], response: Response) -> Iterator[bytes]:
    yield from _chunked_truncated(pieces, response)
    if not response.leaves_at("mid_body"):
        yield b"0\r\n\r\n"


def _chunked_truncated(pieces: Iterable[bytes], _: Response) -> Iterator[bytes]:
    return (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def _chunk_size_garbage(pieces: Iterable[bytes], _: Response) -> Iterator[bytes]:
    return (b"zz\r\n%s\r\n" % piece for piece in pieces)


_Framing = Callable[[Iterable[bytes], Response], Iterator[bytes]]
_FRAMINGS: Final[dict[str, _Framing]] = {
    "chunk_size_garbage": _chunk_size_garbage,
    "chunked_truncated": _chunked_truncated,
    "chunked": _chunked,
}
_BAD_HEADERS: Final = {
    "True": "this line has no colon",
    "no_colon": "this line has no colon",
    "nul": "x-bad: a\0b",
    "fold": "x-bad: a\r\n folded",
    "space": "x-bad : a",
}


def _framing(response: Response) -> _Framing | None:
    return next((frame for key, frame in _FRAMINGS.items() if getattr(response, key)), None)


def _stays_open(response: Response, received: Received) -> bool:
    """Whether the client can send another request: not after what it cannot delimit."""
    ends = (
        response.raw is not None,
        response.status_line is not None,
        response.content_length is not None,
        bool(response.content_lengths),
        response.no_length,
        response.chunked_truncated,
        response.chunk_size_garbage,
        response.close_after,
        response.connection_close,
        received.version == "HTTP/1.0",
        (received.header("connection") or "").lower() == "close",
    )
    return not any(ends)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
