"""A server that streams events piece by piece, as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Step = bytes | Callable[[], object]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: req-1\r\n"


def chunk(text: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a chunk of a chat completion with one choice."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "some-model",
        "choices": [choice],
    }


def usage(**counts: int) -> dict[str, Any]:
    """Return the last chunk, which has the usage and no choice."""
    return {**chunk(), "choices": [], "usage": counts}


def event(data: Any) -> bytes:
    """Return an event with JSON data."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
STOP: dict[str, Any] = {"finish_reason": "stop"}


def whole(*texts: str) -> list[bytes]:
    """Return the events of a complete stream."""
    first = chunk("", delta={"role": "assistant", "content": "", "refusal": None})
    return [
        event(first),
        *(event(chunk(text)) for text in texts),
        event(chunk(**STOP)),
        event(usage(prompt_tokens=9, completion_tokens=len(texts), total_tokens=9 + len(texts))),
        DONE,
    ]


class EventPeer:
    """Answers each request with the next of `streams`; a step of one is sent, or called.

    `ends` says how a stream ends: `whole`, `cut` (without the end of the chunks), `reset`.
    """

    def __init__(self, *streams: Iterable[Step], ends: str = "whole", head: bytes = HEAD) -> None:
        self._streams = list(streams)
        self._ends = ends
        self._head = head
        self.requests: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.connections = 0

    def __enter__(self) -> EventPeer:
        self._sock = self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._streams.clear()
        for sock in (self._sock, self._listener):
            with contextlib.suppress(OSError):  # closed already
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while self._streams:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sock = sock
            with sock:
                sock.settimeout(60)
                self._converse(sock)

    def _converse(self, sock: socket.socket) -> None:
        try:
            reader = sock.makefile("rb")
            while (body := self._request(reader)) is not None and self._streams:
                self.requests.append(json.loads(body))
                self._send(sock, self._streams.pop(0))
                if self._ends != "whole":
                    break
        except OSError:  # the client hung up
            return
        if self._ends == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _request(self, reader: Any) -> bytes | None:
        length = 0
        lines = []
        while (line := reader.readline()) not in (b"\r\n", b""):
            lines.append(line.decode())
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not lines:
            return None
        self.heads.append("".join(lines))
        body: bytes = reader.read(length)
        return body

    def _send(self, sock: socket.socket, steps: Iterable[Step]) -> None:
        sock.sendall(self._head + b"Transfer-Encoding: chunked\r\n\r\n")
        for step in steps:
            if callable(step):
                step()
            else:
                sock.sendall(b"%x\r\n%s\r\n" % (len(step), step))
        if self._ends == "whole":
            sock.sendall(b"0\r\n\r\n")


def texts(events: Sequence[dict[str, Any]], index: int = 0) -> str:
    """Return the text of a choice, put together from its events."""
    return "".join(e["text"] for e in events if e["type"] == "text" and e["index"] == index)
