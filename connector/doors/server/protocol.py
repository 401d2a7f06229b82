"""HTTP/1.1 on one socket: the limits that uvicorn does not set.

uvicorn waits for ever for the rest of a head and for clients that do not read, takes heads and
trailers of any size, and does not notice that a client went away while it holds back a pipelined
request.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from connector.doors.server.peer import peer_of
from connector.doors.server.responses import error_response
from connector.errors import ConnectorError

_VERSIONS = ("1.0", "1.1")

_BODY_CREDIT = 8
"""A body of chunks this many times smaller than their framing is still read."""


class Protocol(HttpToolsProtocol):
    """One connection. Times are in seconds; subclasses may set others."""

    head_seconds = 20.0
    """For a head, and for the rest of a body that was refused."""

    head_bytes = 64 << 10
    """For what is not body: a head, the framing of chunks, trailers."""

    stall_seconds = 60.0
    """For a client that reads nothing of its response."""

    grace_seconds = 20.0
    """For calls under way when the server stops."""

    linger_seconds = 2.0
    """For a client to read why it is refused, while it still sends."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._credit = self.head_bytes
        self._is_deaf = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._arm("head", self.head_seconds, self._abort)

    def connection_lost(self, exc: Exception | None) -> None:
        for name in list(self._timers):
            self._disarm(name)
        if self._is_busy():
            peer_of(self.cycle.scope).leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._credit -= len(data)
        super().data_received(data)
        if self._is_deaf or self.transport.is_closing():
            return
        if self._credit < 0:
            self._refuse(431, "The head of the request is too large.")
        elif not self._is_busy():
            self._arm("head", self.head_seconds, self._abort)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._credit = self.head_bytes
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._is_deaf:
            return
        if self.parser.get_http_version() not in _VERSIONS:
            raise ValueError("unknown version")  # which becomes a 400
        if self._is_busy():
            # Pipelined. To hold it back would mean to stop reading, and then nothing tells that the
            # client went away. It has to send it again on another connection.
            self._is_deaf = True
            self.cycle.keep_alive = False
            return
        self._disarm("head")
        super().on_headers_complete()
        self.headers = []  # of trailers, which must not pass for headers

    def on_body(self, body: bytes) -> None:
        self._credit += _BODY_CREDIT * len(body)
        if not self._is_deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_deaf:
            super().on_message_complete()
            self.flow.resume_reading()  # or a client that goes away is not noticed

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    # Writing

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._disarm("stall")

    def _watch_reader(self) -> None:
        size = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < size:
                self._watch_reader()
            else:
                self._abort()

        self._disarm("stall")
        self._arm("stall", self.stall_seconds, check)

    def timeout_keep_alive_handler(self) -> None:
        if self.flow.write_paused:  # its client still reads the response
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self._abort()

    # The end

    def shutdown(self) -> None:
        super().shutdown()
        if self._is_busy():
            self._arm("grace", self.grace_seconds, self._end_call)

    def _end_call(self) -> None:
        if self._is_busy() and not peer_of(self.cycle.scope).end_call():
            self._abort()  # its body is still on the way

    def _abort(self) -> None:
        self.transport.abort()

    def _refuse(self, status: int, message: str) -> None:
        """Answer what is not an acceptable request, and read no more of it."""
        self._is_deaf = True
        if self._is_busy():
            if self.cycle.response_started:
                self._abort()
                return
            peer_of(self.cycle.scope).leave()
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._disarm("head")
        response = error_response(ConnectorError("invalid_payload", message), status)
        lines = [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
        head = b"".join([STATUS_LINE[status], *lines, b"connection: close\r\n\r\n"])
        self.transport.write(head + bytes(response.body))
        # Closing at once would reset the connection, and with it the answer.
        self.transport.write_eof()
        self._arm("linger", self.linger_seconds, self._abort)

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _arm(self, name: str, seconds: float, action: Any) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, action)

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
