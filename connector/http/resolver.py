"""Looks up the addresses of a host, so that a resolver that hangs blocks no invocation."""

from __future__ import annotations

import socket
import time
from typing import Any

from connector.errors import ConnectorError
from connector.http import addresses
from connector.policy.deadline import Deadline
from connector.runtime import forks, threads
from connector.runtime.flag import Flag
from connector.runtime.interruptions import is_external

SECONDS = 15.0
"""How long to try a host that does not respond; much shorter than an action's deadline."""

_MOST_PENDING = 32
"""The most concurrent lookups of a process, because a thread whose lookup hangs cannot be ended."""


class _Lookup:
    """One lookup in its own thread, shared by all invocations that wait for it."""

    def __init__(self, host: str, port: int) -> None:
        self._name = host, port
        self._found: list[Any] | str = "no answer in time"
        self._done = Flag()
        self._alive: object = None

    def begin(self, deadline: Deadline) -> _Lookup:
        """Start this lookup, or return one of the same name that has already started."""
        if len(_pending) >= _MOST_PENDING:
            raise _unknown(self._name[0], "too many other lookups hang")
        try:
            other = _pending.setdefault(self._name, self)
            if other is self:
                self._alive = threads.start(self._run, self._end, stray=deadline.end)
            return other
        except RuntimeError:  # no more threads: look up in this one
            self._run()
            self._end()
            return self
        except BaseException:
            self._end()
            raise

    def _run(self) -> None:
        self._found = _look_up(*self._name)

    def _end(self, _: object = None) -> None:
        if _pending.get(self._name) is self:
            del _pending[self._name]
        self._done.set()

    def wait(self, deadline: Deadline) -> list[Any]:
        """Return the addresses; see `resolve`."""
        until = time.monotonic() + min(deadline.remaining(), SECONDS)
        while not self._done.is_set() and (left := until - time.monotonic()) > 0:
            self._done.wait(min(left, threads.TURN_SECONDS))
            deadline.check("while connecting")
        deadline.check("while connecting")
        if isinstance(self._found, str):
            raise _unknown(self._name[0], self._found)
        return self._found


_pending: dict[tuple[str, int], _Lookup] = {}


def resolve(host: str, port: int, deadline: Deadline) -> list[Any]:
    """Return the addresses of `host` as `socket.getaddrinfo` does.

    Raises ConnectorError `connect_failed`, `deadline_exceeded` or `cancelled`.
    """
    host = host.strip("[]")
    if addresses.literal(host) is None and host != "localhost":
        lookup = _pending.get((host, port)) or _Lookup(host, port).begin(deadline)
        return lookup.wait(deadline)
    found = _look_up(host, port)
    if isinstance(found, str):
        raise _unknown(host, found)
    return found


def _look_up(host: str, port: int) -> list[Any] | str:
    """Return the addresses, or the reason why there are none."""
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError:
        return "not a host name"
    except OSError as error:
        if is_external(error):
            raise
        return error.strerror or type(error).__name__


def _unknown(host: str, reason: str) -> ConnectorError:
    return ConnectorError(
        "connect_failed",
        f"The host {host} could not be found ({reason}).",
        hint="Check the endpoint (or the name of the resource) and DNS.",
    )


forks.in_child(_pending.clear)
