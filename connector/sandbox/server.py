"""The sandbox's HTTP server: aiohttp on loopback, in a background thread of its own.

It reads, records and sends; what a request means and what it gets is decided in `routes`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from connector.sandbox import hosts
from connector.sandbox.answers import KINDS, Answer, Surface, surface_error
from connector.sandbox.keys import AZURE_KEY, OPENAI_KEY
from connector.sandbox.paths import surface_of
from connector.sandbox.received import Memory, Received
from connector.sandbox.routes import Router
from connector.sandbox.text import digest
from connector.sandbox.world import Facts, World

BODY_LIMIT = 64 * 1024 * 1024
# Requests that are still being answered when the sandbox stops get this long (seconds).
_GRACE = 0.05

_RATE_LIMITS: Mapping[str, str] = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "199000",
}


# aiohttp's own would quote the headers of a request that it cannot read, and so a real key.
_SILENT = logging.Logger("connector.sandbox")
_SILENT.addHandler(logging.NullHandler())


class Sandbox:
    """An offline provider on 127.0.0.1; a context manager, or `start` and `stop`.

    Args:
        facts: the `models` of the manifest, by model id; every fact is optional.
        port: 0 lets the system choose a free one.
        on_request: called in the server's thread with method, path and status of each answer.
        keep: how many of the latest requests `requests` remembers, of 64 MiB in all at most.
    """

    def __init__(
        self,
        facts: Facts,
        port: int = 0,
        on_request: Callable[[str, str, int], None] | None = None,
        keep: int = 10_000,
    ) -> None:
        self._world = World(facts)
        self._port = port
        self._on_request = on_request
        self._memory = Memory(keep)
        # Held while starting or stopping: serve_forever and a stop elsewhere both stop.
        self._lifecycle = threading.RLock()
        self._router = Router(self._world)
        self._answered = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._bound: int | None = None
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of a sandbox that has been started."""
        if self._bound is None:
            raise RuntimeError("the sandbox has not been started")
        return f"http://127.0.0.1:{self._bound}"

    @property
    def requests(self) -> list[Received]:
        """The latest requests, oldest first, as they were when asked.

        Those whose Host was refused are not among them.
        """
        return self._memory.all()

    def reset(self) -> None:
        """Forget the requests so far and how often each fault has struck."""
        self._memory.clear()
        self._router = Router(self._world)

    kinds = KINDS

    def connection(self, kind: str) -> dict[str, Any]:
        """Return a connection to this sandbox of one of the `KINDS`."""
        if kind not in KINDS:
            raise ValueError(f"no such kind of connection; there are {', '.join(KINDS)}")
        openai = kind == "openai"
        fields: dict[str, Any] = {
            "apiKey": OPENAI_KEY if openai else AZURE_KEY,
            "isOpenAIKey": openai,
            "endpoint": self.url,
        }
        if kind == "azure-dated":
            fields["apiVersion"] = "2024-10-21"
        return {"key": "apiKey", "fields": fields}

    def start(self) -> None:
        """Start serving; returns once the port is bound.

        Raises:
            OSError: the port cannot be bound.
            RuntimeError: it is already running.
        """
        with self._lifecycle:
            if self._thread is not None:
                raise RuntimeError("the sandbox is already running")
            ready = threading.Event()
            self._failure = None
            self._thread = threading.Thread(
                target=self._run, args=(ready,), name="connector-sandbox", daemon=True
            )
            self._thread.start()
            ready.wait()
            if self._failure is not None:
                failure = self._failure
                self.stop()
                raise failure

    def stop(self) -> None:
        """Stop serving and close everything; harmless when it is not running."""
        with self._lifecycle:
            if self._thread is None:
                return
            if self._failure is None and self._loop is not None and self._stopping is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = self._loop = self._stopping = None

    def serve_forever(self) -> None:
        """Serve until interrupted (the KeyboardInterrupt is passed on) or stopped elsewhere."""
        if self._thread is None:
            self.start()
        try:
            thread = self._thread
            # With a timeout, because on Windows an endless join ignores Ctrl-C.
            while thread is not None and thread.is_alive():
                thread.join(0.2)
        finally:
            self.stop()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001 - raised again where start() was called
            # Raised again in the thread that called start.
            self._failure = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            logger=_SILENT,
            handler_cancellation=True,
            shutdown_timeout=_GRACE,
        )
        try:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            if not runner.addresses:  # asyncio passes over a socket that it cannot make
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self._bound = runner.addresses[0][1]
            self._loop = asyncio.get_running_loop()
            self._stopping = asyncio.Event()
            ready.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        surface = surface_of(path)
        refused = hosts.refuse(surface, request.headers.getall("Host", []))
        surface, answer = (surface, refused) if refused else await self._answer(request, path)
        if self._on_request is not None:
            self._on_request(request.method, path, answer.status)
        return await self._send(request, surface, answer)

    async def _answer(self, request: web.Request, path: str) -> tuple[Surface, Answer]:
        body = await _body(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, path, dict(request.query), headers, body or b"")
        self._memory.add(received)
        if body is None:
            return _too_large(path)
        return await self._router.answer(received, self.url)

    async def _send(
        self, request: web.Request, surface: Surface, answer: Answer
    ) -> web.StreamResponse:
        self._answered += 1
        headers = {**_service_headers(surface, self._answered), **answer.headers}
        headers["Content-Type"] = answer.content_type
        if answer.cut:
            return await _send_half(request, answer, headers)
        if not answer.events:
            return web.Response(status=answer.status, body=answer.body, headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        for event in answer.events:
            await response.write(event)
        await response.write_eof()
        return response


async def _body(request: web.Request) -> bytes | None:
    """Read a request's body, None where it is too large."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return None


async def _send_half(
    request: web.Request, answer: Answer, headers: Mapping[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    body = answer.body or b"".join(answer.events)
    if not answer.events:
        response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        # Closing flushes what was written: the client gets its half, then the end.
        request.transport.close()
    return response


def _too_large(path: str) -> tuple[Surface, Answer]:
    surface: Surface = "azure" if "/openai/" in path else "openai"
    message = f"The request body is larger than {BODY_LIMIT} bytes."
    kind = "invalid_request_error"
    return surface, surface_error(surface, 413, message, code=None, kind=kind).answer


def _service_headers(surface: Surface, number: int) -> dict[str, str]:
    unique = digest(str(number))
    headers = {"Server": "connector-sandbox", **_RATE_LIMITS}
    if surface == "openai":
        headers |= {
            "x-request-id": f"req_{unique[:32]}",
            "openai-processing-ms": "1",
            "openai-version": "2020-10-01",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-reset-tokens": "120ms",
        }
        return headers
    uuid = "-".join((unique[:8], unique[8:12], unique[12:16], unique[16:20], unique[20:32]))
    return headers | {
        "apim-request-id": uuid,
        "x-request-id": uuid,
        "x-ms-region": "Sandbox",
        "x-ratelimit-reset-requests": "1",
        "x-ratelimit-reset-tokens": "1",
    }
