"""Runs the application in uvicorn, in one process or several."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from connector.connections import configured
from connector.connector import Connector
from connector.doors.server.app import create_app
from connector.doors.server.protocol import Protocol
from connector.doors.server.settings import Settings
from connector.http.reach import Reach

_SETTINGS = "CONNECTOR_SERVE_SETTINGS"
TOKEN = "CONNECTOR_TOKEN"  # noqa: S105 - the name of a variable
_KEEP_ALIVE_SECONDS = 75
_MOST_FILES = 65_536


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


def token() -> str:
    """Return the token that clients must send; empty if none is set."""
    return os.environ.get(TOKEN, "").strip()


def application() -> ASGIApp:
    """Return the application of a serving process."""
    settings = Settings.from_json(os.environ[_SETTINGS])
    _log_accesses()
    _end_with_parent()
    return create_app(*load(settings), settings, token())


def _end_with_parent() -> None:
    """Stop a worker whose parent was killed; otherwise it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class _AccessFormatter(logging.Formatter):
    """Formats the time once a second, not once a line."""

    _last = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        last, text = self._last
        if last != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(second))
            self._last = (second, text)
        return f"{text} {record.getMessage()}"


def _log_accesses() -> None:
    log = logging.getLogger("connector.access")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_AccessFormatter())
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Its sockets inherit it. Unlike uvloop, asyncio does not set it on those of such a listener,
    # and a response in two pieces would take 40 ms more.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Workers(Multiprocess):
    """Starts another worker for one that dies."""

    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call] # its calls have ended with it

    def terminate_all(self) -> None:
        for sock in self.sockets:  # or clients that come now would wait for an answer
            sock.close()
        super().terminate_all()


def serve(listener: socket.socket, settings: Settings, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM.

    Calls under way get some seconds to end; then they are cancelled, and their clients learn so.
    """
    os.environ[_SETTINGS] = settings.to_json()
    _allow_many_sockets()
    config = uvicorn.Config(
        "connector.doors.server.process:application",
        factory=True,
        http=Protocol,
        ws="none",
        access_log=False,
        log_level="error",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        workers=workers,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(Protocol.grace_seconds) + 10,
    )
    if workers == 1:
        # Once it has stopped, uvicorn raises the signal again, which would end the process.
        signal.signal(signal.SIGTERM, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])
        return
    with tempfile.TemporaryDirectory(prefix="connector-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _Workers(config, [listener]).run()


def _allow_many_sockets() -> None:
    """Raise this process's limit of open files as far as it may: each socket is one."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
