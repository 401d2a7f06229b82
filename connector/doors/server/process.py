"""Runs the application in uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from connector.connections import configured
from connector.connector import Connector
from connector.doors.server.app import create_app
from connector.doors.server.settings import Settings
from connector.http.reach import Reach

_SETTINGS = "CONNECTOR_SERVE_SETTINGS"
TOKEN = "CONNECTOR_TOKEN"  # noqa: S105 - the name of a variable
_HEAD_SECONDS = 20.0
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 30


class Protocol(HttpToolsProtocol):
    """Hangs up on a client whose request head does not arrive in time, for which uvicorn waits."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arm()

    def on_headers_complete(self) -> None:
        self._disarm()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def load(settings: Settings) -> tuple[Connector, Connector | None]:
    """Return the connector of configured connections, and the one of connections in payloads.

    The first one reaches what its operator has configured. The second one reaches public hosts,
    and those that the operator lists.
    """
    path = settings.manifest or None
    handlers = settings.handlers or None
    connections: Any = settings.connections or None
    if settings.sandbox:
        connections = {**_configured(settings.connections), **_sandbox(settings.sandbox)}
    named = Connector.load(path, handlers=handlers, connections=connections)
    if not settings.inline:
        return named, None
    reach = Reach(public=True, allow=settings.reach)
    return named, Connector.load(path, handlers=handlers, connections={}, reach=reach)


def _configured(file: str) -> Mapping[str, Any]:
    name = file or os.environ.get("CONNECTOR_CONNECTIONS")
    return configured.read(Path(name)).connections if name else {}


def _sandbox(connection: str) -> dict[str, Any]:
    return {"sandbox": json.loads(connection)}


def application() -> ASGIApp:
    """Return the application of a worker process."""
    settings = Settings.from_json(os.environ[_SETTINGS])
    _log_accesses()
    return create_app(*load(settings), settings, os.environ.get(TOKEN, ""))


def _log_accesses() -> None:
    log = logging.getLogger("connector.access")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def serve(listener: socket.socket, settings: Settings, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM; calls under way get time to end."""
    os.environ[_SETTINGS] = settings.to_json()
    config = uvicorn.Config(
        "connector.doors.server.process:application",
        factory=True,
        http=Protocol,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        workers=workers,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    if workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
        return
    with tempfile.TemporaryDirectory(prefix="connector-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        Multiprocess(config, [listener]).run()
