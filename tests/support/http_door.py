"""Runs the HTTP door in this process, on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import requests
import uvicorn

from connector import Connector, Reach
from connector.doors.server.app import create_app
from connector.doors.server.process import listen
from connector.doors.server.protocol import Protocol
from connector.doors.server.settings import Settings


class RunningDoor:
    """A door that serves; `request` sends one request to it."""

    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port = port
        self.server = server
        self.url = f"http://127.0.0.1:{port}"

    @property
    def sockets(self) -> int:
        """How many clients are connected."""
        return len(self.server.server_state.connections)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=30, **options)

    def post(self, path: str, payload: Any, **options: Any) -> requests.Response:
        return self.request("POST", path, json=payload, **options)


@contextlib.contextmanager
def running_door(
    connections: Mapping[str, Any],
    settings: Settings = Settings(),  # noqa: B008 - immutable
    token: str = "",
    protocol: type[Protocol] = Protocol,
) -> Iterator[RunningDoor]:
    named = Connector.load(connections=connections)
    inline = None
    if settings.inline:
        inline = Connector.load(connections={}, reach=Reach(allow=settings.reach))
    listener = listen("127.0.0.1", 0)
    app = create_app(named, inline, settings, token)
    config = uvicorn.Config(
        app, http=protocol, ws="none", access_log=False, log_level="critical", timeout_keep_alive=75
    )
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve([listener]))

    thread = threading.Thread(target=run, name="door")
    thread.start()
    try:
        yield RunningDoor(listener.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join(30)
        loop.close()
        assert not thread.is_alive()
