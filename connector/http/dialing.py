"""Opens a TCP connection to the address of a host that responds first."""

from __future__ import annotations

import errno
import itertools
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from connector.errors import ConnectorError
from connector.http import resolver
from connector.http.addresses import check_address, check_reach
from connector.http.reach import Reach
from connector.policy.deadline import Deadline
from connector.runtime import threads
from connector.runtime.interruptions import is_external

_HEAD_START_SECONDS = 0.25
"""How long an address is tried before the next one is tried as well (RFC 8305)."""

_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK)

_Address = tuple[Any, ...]
"""An item of `socket.getaddrinfo`: family, kind, protocol, name, address."""


class Dialled(socket.socket):
    """A socket that can carry the exchange it was opened for, to guard its TLS handshake."""

    __slots__ = ("exchange",)
    exchange: Any


def dial(
    host: str,
    port: int,
    plain: bool,
    deadline: Deadline,
    guard: Callable[[Any], None],
    reach: Reach | None = None,
) -> Dialled:
    """Return a socket connected to the address of `host` that responds first.

    `guard` is called with the socket, so that the deadline can close it. Every address is checked
    before it is used, because a name may resolve to different addresses each time (DNS rebinding).
    Raises ConnectorError `connect_failed`, `blocked_target`, `deadline_exceeded` or `cancelled`;
    nothing was sent then.
    """
    addresses = resolver.resolve(host, port, deadline)
    for *_, address in addresses:
        check_address(str(address[0]), plain=plain)
        if reach is not None:
            check_reach(host, str(address[0]), reach)
    race = _Race(addresses)
    try:
        sock = race.winner(deadline)
        if sock is not None:
            guard(sock)
            deadline.check("while connecting")
            sock.settimeout(max(deadline.remaining(), 0.001))
            race.sockets.remove(sock)
            return sock
    finally:
        for other in race.sockets:
            other.close()
    raise ConnectorError(
        "connect_failed",
        f"No connection to {host}:{port} ({race.failure}).",
        hint="Check the endpoint, DNS, firewall and private network.",
    )


def _interleaved(addresses: list[_Address]) -> Iterator[_Address]:
    """Yield the addresses alternating by family, so that a missing one delays only once."""
    families = dict.fromkeys(item[0] for item in addresses)
    rows = ([item for item in addresses if item[0] == family] for family in families)
    for turn in itertools.zip_longest(*rows):
        yield from (item for item in turn if item is not None)


class _Race:
    """Concurrent attempts to connect, each with a head start over the next."""

    def __init__(self, addresses: list[_Address]) -> None:
        self._addresses = list(_interleaved(addresses))
        self.sockets: list[Dialled] = []
        self.failure = "no address"

    def winner(self, deadline: Deadline) -> Dialled | None:
        """Return the socket that connects first, None if none does in time."""
        with selectors.DefaultSelector() as selector:
            now = time.monotonic()
            until, next_start = now + resolver.SECONDS, now
            while self._addresses or selector.get_map():
                if self._addresses and (next_start <= now or not selector.get_map()):
                    self._start(selector)
                    next_start = now + _HEAD_START_SECONDS
                    continue
                wait = min(until - now, threads.TURN_SECONDS, max(deadline.remaining(), 0))
                if self._addresses:
                    wait = min(wait, next_start - now)
                for key, _ in selector.select(wait):
                    sock: Any = key.fileobj
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return sock  # type: ignore[no-any-return] # it is one of ours
                    selector.unregister(sock)
                    self._fail(sock, os.strerror(code))
                    next_start = now
                deadline.check("while connecting")
                now = time.monotonic()
                if now >= until:
                    self.failure = "no answer in time"
                    return None
        return None

    def _start(self, selector: selectors.BaseSelector) -> None:
        """Start to connect to the next address."""
        family, kind, protocol, _, address = self._addresses.pop(0)
        try:
            sock = Dialled(family, kind, protocol)
            self.sockets.append(sock)
            sock.setblocking(False)
            code = sock.connect_ex(address)
        except OSError as error:  # for example, the process has too many open files
            if is_external(error):
                raise
            self.failure = error.strerror or type(error).__name__
            return
        if code == 0 or code in _IN_PROGRESS:
            selector.register(sock, selectors.EVENT_WRITE)
        else:
            self._fail(sock, os.strerror(code))

    def _fail(self, sock: Dialled, reason: str) -> None:
        self.failure = reason
        self.sockets.remove(sock)
        sock.close()
