"""Play an answer on a connection: its head, its framing, its timing and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Final

from .fault_answers import Answer, Received, Stage, header_pairs
from .fault_bodies import PIECE, Body, body_of
from .fault_peer import HangUp, Peer


def play(peer: Peer, answer: Answer, received: Received) -> None:
    """Send an answer to a request; raises `HangUp` when the connection ends with it."""
    leave(answer, "before_read")  # an answer that was chosen by a function comes too late for it
    leave(answer, "after_request")
    if answer.hang:
        peer.hang()
    body = body_of(answer, received)
    if answer.raw is None:
        _play_head(peer, answer, body)
    else:
        peer.wait(answer.delay_headers)
        content = answer.raw.encode("latin-1")
        body = Body(len(content), lambda: [content])
    if received.method != "HEAD":
        peer.send_slowly(_on_the_wire(answer, body), answer.drip)
    leave(answer, "mid_body")
    if answer.hang_after_body:
        peer.hang()
    if not _stays_open(answer, received):
        raise HangUp


def leave(answer: Answer, stage: Stage) -> None:
    """Raise `HangUp` when the answer ends at this stage."""
    if answer.leaves_at(stage):
        raise HangUp(reset=answer.reset is not None)


def _play_head(peer: Peer, answer: Answer, body: Body) -> None:
    peer.send_slowly(_interim(answer), answer.drip_headers)
    peer.wait(answer.delay_headers)
    head = "".join(f"{line}\r\n" for line in _head_lines(answer, body)).encode("latin-1") + b"\r\n"
    if answer.leaves_at("mid_headers"):
        head = head[: len(head) // 2]
    peer.send_slowly([head], answer.drip_headers)
    leave(answer, "mid_headers")
    if answer.hang_after_headers:
        peer.hang()


def _interim(answer: Answer) -> Iterator[bytes]:
    for status in [*answer.interim, *[103] * answer.interim_flood]:
        yield f"HTTP/1.1 {status} {_phrase(status)}\r\nx-interim: yes\r\n\r\n".encode()


def _head_lines(answer: Answer, body: Body) -> Iterator[str]:
    yield _status_line(answer)
    given = header_pairs(answer.headers)
    replaced = {name.lower() for name, _ in given}
    own = [line for line in _own_headers(answer, body) if line[0] not in replaced]
    yield from (f"{name}: {value}" for name, value in [*own, *given] if value is not None)
    yield from (f"x-flood-{number}: {number}" for number in range(answer.header_flood))
    if answer.header_long:
        yield f"x-long: {'a' * answer.header_long}"
    if answer.bad_header:
        yield _BAD_HEADERS[str(answer.bad_header)]


def _status_line(answer: Answer) -> str:
    if answer.status_line is not None:
        return answer.status_line
    reason = _phrase(answer.code) if answer.reason is None else answer.reason
    return f"HTTP/1.1 {answer.code} {reason}"


def _own_headers(answer: Answer, body: Body) -> Iterator[tuple[str, str]]:
    """The headers that the answer implies: its own `headers` replace those of the same name."""
    if body.content_type:
        yield "content-type", body.content_type
    if body.codings:
        yield "content-encoding", ", ".join(body.codings)
    if _framing(answer):
        yield "transfer-encoding", "chunked"
    for length in _lengths(answer, body):
        yield "content-length", str(length)
    if answer.redirect is not None:
        yield "location", answer.redirect
    cookies = answer.set_cookie if isinstance(answer.set_cookie, list) else [answer.set_cookie]
    yield from (("set-cookie", str(cookie)) for cookie in cookies if cookie is not None)
    if answer.connection_close:
        yield "connection", "close"


def _lengths(answer: Answer, body: Body) -> list[int]:
    if answer.content_lengths:
        return answer.content_lengths
    if answer.content_length is not None:
        return [answer.content_length]
    bodiless = answer.code in (204, 304) and not body.size
    return [] if answer.no_length or bodiless or _framing(answer) else [body.size]


def _on_the_wire(answer: Answer, body: Body) -> Iterable[bytes]:
    pieces = body.pieces()
    if answer.leaves_at("mid_body"):
        pieces = _first(pieces, body.size // 2)
    framing = _framing(answer)
    if framing is None or answer.raw is not None:
        return pieces
    return framing(_split(pieces, min(PIECE, body.size // 3 + 1)), answer)


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


def _chunked(pieces: Iterable[bytes], answer: Answer) -> Iterator[bytes]:
    yield from _chunked_truncated(pieces, answer)
    if not answer.leaves_at("mid_body"):
        yield b"0\r\n\r\n"


def _chunked_truncated(pieces: Iterable[bytes], _: Answer) -> Iterator[bytes]:
    return (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def _chunk_size_garbage(pieces: Iterable[bytes], _: Answer) -> Iterator[bytes]:
    return (b"zz\r\n%s\r\n" % piece for piece in pieces)


_Framing = Callable[[Iterable[bytes], Answer], Iterator[bytes]]
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


def _framing(answer: Answer) -> _Framing | None:
    return next((frame for key, frame in _FRAMINGS.items() if getattr(answer, key)), None)


def _stays_open(answer: Answer, received: Received) -> bool:
    """Whether the client can send another request: not after what it cannot delimit."""
    ends = (
        answer.raw is not None,
        answer.status_line is not None,
        answer.content_length is not None,
        bool(answer.content_lengths),
        answer.no_length,
        answer.chunked_truncated,
        answer.chunk_size_garbage,
        answer.close_after,
        answer.connection_close,
        received.version == "HTTP/1.0",
        (received.header("connection") or "").lower() == "close",
    )
    return not any(ends)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
