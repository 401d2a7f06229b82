"""A network in which names have addresses but no connection is made: no packet leaves."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import pytest


class NameOnlyNetwork:
    """Replaces the resolver and the connect methods of sockets, for one test.

    `names` maps a host name to its addresses; an address is its own. `dialled` are the addresses
    that something tried to connect to, all refused; `asked` are the hosts that were looked up.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: Mapping[str, Sequence[str]] = {}
        self.asked: list[str] = []
        self.dialled: list[str] = []

        def connect(_: socket.socket, address: Any) -> None:
            self.dialled.append(str(address[0]))
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

        def connect_ex(_: socket.socket, address: Any) -> int:
            self.dialled.append(str(address[0]))
            return errno.ECONNREFUSED

        monkeypatch.setattr(socket, "getaddrinfo", self._addresses)
        monkeypatch.setattr(socket.socket, "connect", connect)
        monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)

    def _addresses(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        return [_row(text, port) for text in self.names.get(host, [host])]


def _row(text: str, port: int) -> Any:
    if ipaddress.ip_address(text.partition("%")[0]).version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (text, port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (text, port, 0, 0)
