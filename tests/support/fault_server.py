"""A loopback HTTP/1.1 server that plays scripted faults, which no HTTP library will send.

The vocabulary of a response is in `fault_responses`, the certificates are in `tls`. Here are the
listener, its threads and the order of the responses; `silent_listener` has ports that never answer.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Condition, Lock, Thread
from types import TracebackType
from typing import Any, Final

from .fault_peer import HangUp, MalformedRequest, Peer, PeerGone
from .fault_player import leave, play
from .fault_responses import (
    Received,
    Response,
    ResponseData,
    chat_completion,
    completion,
    response_from,
)
from .silent_listener import SilentListener, listening_socket, port_of, refused_port
from .tls import BROKEN_HANDSHAKES, CERTIFICATES, ca_file, certificate_authority, server_context

__all__ = [
    "FaultServer",
    "Received",
    "Response",
    "SilentListener",
    "ca_file",
    "certificate_authority",
    "chat_completion",
    "completion",
    "refused_port",
    "response_from",
    "server_context",
]

# `Any` in the list: mappings of unlike values would otherwise need an annotation in every test.
Script = ResponseData | list[Any] | Callable[[Received, int], ResponseData]

_NOT_HTTP: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_PATIENCE: Final = 60.0
"""Seconds that a stopping server waits for a thread, or a test for a request."""


class FaultServer:
    """Serve scripted responses on a free port of 127.0.0.1, for as long as the `with` block.

    `responses`: one response, a list of them (the k-th request gets the k-th, the last one repeats
    forever) or a function of the request and its index, from 0. A response is a `Response` or the
    mapping that describes one. `tls`: None, or a name in `tls.CERTIFICATES` or
    `tls.BROKEN_HANDSHAKES`. What the function raises is raised when the block ends.
    """

    def __init__(self, responses: Script, tls: str | None = None) -> None:
        self._choose = _chooser(responses)
        self._early = not callable(responses)
        self._tls = tls
        self._context = _context(tls)
        self._arrival = Condition(Lock())
        self._index = 0
        self._sockets: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._failures: list[Exception] = []
        self.requests: list[Received] = []
        self.connections = 0

    def __enter__(self) -> FaultServer:
        self._listener = listening_socket()
        self._wake, self._woken = socket.socketpair()
        self._accepting = Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wake.close()  # ends the accepting thread, so that no connection is added
        self._accepting.join(_PATIENCE)
        self._listener.close()
        self._woken.close()
        with self._arrival:
            for sock in self._sockets:
                _disconnect(sock)
        for thread in self._threads:
            thread.join(_PATIENCE)
        if any(thread.is_alive() for thread in self._threads):
            self._failures.append(TimeoutError("a connection does not end"))
        if self._failures and error is None:
            raise RuntimeError("the fault server failed") from self._failures[0]

    @property
    def port(self) -> int:
        return port_of(self._listener)

    @property
    def url(self) -> str:
        """The base address, without a trailing slash."""
        scheme_and_host = "http://127.0.0.1" if self._tls is None else "https://localhost"
        return f"{scheme_and_host}:{self.port}"

    def wait_for_requests(self, count: int, timeout: float = _PATIENCE) -> bool:
        """Wait until `count` requests have arrived; False after `timeout` seconds."""
        with self._arrival:
            return self._arrival.wait_for(lambda: len(self.requests) >= count, timeout)

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while self._woken.fileno() not in dict(poll.poll()):
            sock, _ = self._listener.accept()
            self.connections += 1
            try:
                self._open(sock)
            except OSError:  # the client has closed already, so TLS cannot start
                sock.close()

    def _open(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context:
            sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with self._arrival:
            self._sockets.add(sock)
        thread = Thread(target=self._run, args=(sock,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, sock: socket.socket) -> None:
        peer = Peer(sock)
        try:
            self._converse(peer)
        except HangUp as end:
            peer.reset() if end.reset else peer.finish()
        except (PeerGone, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - raised again when the block ends
            self._failures.append(error)
        finally:
            peer.close_reader()
            with self._arrival:  # so that a stopping server never uses a reused file number
                self._sockets.discard(sock)
                sock.close()

    def _converse(self, peer: Peer) -> None:
        if self._tls in BROKEN_HANDSHAKES:
            BROKEN_HANDSHAKES[self._tls](peer)
        peer.handshake()
        while True:
            peer.await_bytes()
            self._leave_unread()
            try:
                received = peer.read_request()
            except MalformedRequest:
                peer.send(_NOT_HTTP)
                raise HangUp from None
            play(peer, self._respond(received), received)

    def _leave_unread(self) -> None:
        """End the connection now if the next response ends it before the request is read."""
        if not self._early:
            return
        with self._arrival:
            response = self._choose(None, self._index)
            if response.leaves_at("before_read"):
                self._index += 1
                leave(response, "before_read")

    def _respond(self, received: Received) -> Response:
        with self._arrival:
            index, self._index = self._index, self._index + 1
            self.requests.append(received)
            self._arrival.notify_all()
        return self._choose(received, index)


def _chooser(responses: Script) -> Callable[[Received | None, int], Response]:
    """Return a function that chooses a response; its request is None if it is not read yet."""
    if isinstance(responses, (Response, Mapping)):
        responses = [responses]
    if isinstance(responses, list):
        script = response_from(responses)
        if not script:
            raise ValueError("a server needs a response")
        return lambda _, index: script[min(index, len(script) - 1)]
    function = responses
    return lambda received, index: response_from(function(_present(received), index))


def _present(received: Received | None) -> Received:
    assert received is not None, "a function chooses only after the request is read"
    return received


def _context(tls: str | None) -> ssl.SSLContext | None:
    if tls is None or tls in BROKEN_HANDSHAKES:
        return None
    if tls not in CERTIFICATES:
        raise ValueError(f"tls is one of {', '.join([*CERTIFICATES, *BROKEN_HANDSHAKES])}")
    return server_context(tls)


def _disconnect(sock: socket.socket) -> None:
    """Wake every thread that uses the socket; bypass TLS, whose state is another thread's."""
    with suppress(OSError):  # it may already be disconnected
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
