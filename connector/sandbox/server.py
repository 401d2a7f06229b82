"""The sandbox's HTTP server: aiohttp on loopback, in its own background thread.

It receives and logs requests and sends responses; `router` decides what the response is.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from connector.sandbox import echo, hosts
from connector.sandbox.catalog import Catalog, Facts
from connector.sandbox.keys import AZURE_KEY, OPENAI_KEY
from connector.sandbox.rate_limits import RateLimits
from connector.sandbox.request_log import Received, RequestLog
from connector.sandbox.responses import KINDS, Response, Surface, surface_error
from connector.sandbox.router import Router
from connector.sandbox.routes import surface_of
from connector.sandbox.text import digest

BODY_LIMIT = 64 * 1024 * 1024
# Seconds that requests in progress get when the sandbox stops.
_GRACE = 0.05

# Nothing enforces these; a client that follows them is not slowed down.
_RATE_LIMITS: Mapping[str, str] = {
    "x-ratelimit-limit-requests": "1000000",
    "x-ratelimit-limit-tokens": "1000000000",
    "x-ratelimit-remaining-requests": "999999",
    "x-ratelimit-remaining-tokens": "999990000",
}


# aiohttp's own logger would quote the headers of a malformed request, and with them a real key.
_SILENT = logging.Logger("connector.sandbox")
_SILENT.addHandler(logging.NullHandler())


class Sandbox:
    """An offline provider on 127.0.0.1; use it as a context manager, or call `start` and `stop`.

    Args:
        facts: the `models` of the manifest, by model id; every fact is optional.
        port: 0 lets the system choose a free port.
        on_request: called in the server's thread with method, path and status of each response.
        keep: how many of the latest requests `requests` returns, up to 64 MiB in total.
        requests_per_minute, tokens_per_minute: the limits that it enforces; None is no limit.
        minute: the seconds of a minute of these limits; a shorter one makes time pass faster.
    """

    def __init__(
        self,
        facts: Facts,
        port: int = 0,
        on_request: Callable[[str, str, int], None] | None = None,
        keep: int = 10_000,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        minute: float = 60.0,
    ) -> None:
        self._make_limits = partial(RateLimits, requests_per_minute, tokens_per_minute, minute)
        self._catalog = Catalog(facts)
        self._port = port
        self._on_request = on_request
        self._log = RequestLog(keep)
        # Held while starting or stopping: serve_forever and another thread may both stop it.
        self._lifecycle = threading.RLock()
        self._sent = 0
        self.reset()
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
        """The base address; raises RuntimeError if the sandbox has not been started."""
        if self._bound is None:
            raise RuntimeError("the sandbox has not been started")
        return f"http://127.0.0.1:{self._bound}"

    @property
    def requests(self) -> list[Received]:
        """A copy of the latest requests, oldest first.

        Requests with a Host that is not accepted are left out.
        """
        return self._log.all()

    def reset(self) -> None:
        """Forget the requests so far, the counts of faults and what is used up of the limits."""
        self._log.clear()
        self._rate_limits = self._make_limits()
        self._router = Router(self._catalog, self._rate_limits)

    kinds = (*KINDS, echo.KIND)

    def connection(self, kind: str) -> dict[str, Any]:
        """Return a connection to this sandbox; `kind` is one of `kinds`."""
        if kind not in self.kinds:
            raise ValueError(f"no such kind of connection; there are {', '.join(self.kinds)}")
        openai = kind in ("openai", echo.KIND)
        fields: dict[str, Any] = {
            "apiKey": OPENAI_KEY if openai else AZURE_KEY,
            "isOpenAIKey": openai,
            "endpoint": self.url + (echo.PREFIX if kind == echo.KIND else ""),
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
        """Stop serving and close everything; does nothing if it is not running."""
        with self._lifecycle:
            if self._thread is None:
                return
            if self._failure is None and self._loop is not None and self._stopping is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = self._loop = self._stopping = None

    def serve_forever(self) -> None:
        """Serve until KeyboardInterrupt, which is raised again, or a stop in another thread."""
        if self._thread is None:
            self.start()
        try:
            thread = self._thread
            # With a timeout, because on Windows a join without one ignores Ctrl-C.
            while thread is not None and thread.is_alive():
                thread.join(0.2)
        finally:
            self.stop()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001 - start() raises it in its own thread
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
            if not runner.addresses:  # asyncio skips a socket that it cannot create
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
        error = hosts.error_response(surface, request.headers.getall("Host", []))
        if error is not None:
            response = error
        else:
            surface, response = await self._respond(request, path)
        if self._on_request is not None:
            self._on_request(request.method, path, response.status)
        return await self._send(request, surface, response)

    async def _respond(self, request: web.Request, path: str) -> tuple[Surface, Response]:
        body = await _body(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, path, dict(request.query), headers, body or b"")
        self._log.add(received)
        if body is None:
            return _too_large(path)
        return await self._router.respond(received, self.url)

    async def _send(
        self, request: web.Request, surface: Surface, response: Response
    ) -> web.StreamResponse:
        self._sent += 1
        limits = self._rate_limits.headers()
        headers = {**_service_headers(surface, self._sent), **limits, **response.headers}
        headers["Content-Type"] = response.content_type
        if response.cut:
            return await _send_half(request, response, headers)
        if not response.events:
            return web.Response(status=response.status, body=response.body, headers=headers)
        stream = web.StreamResponse(status=response.status, headers=headers)
        await stream.prepare(request)
        for event in response.events:
            await stream.write(event)
        await stream.write_eof()
        return stream


async def _body(request: web.Request) -> bytes | None:
    """Return a request's body, None if it is too large."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return None


async def _send_half(
    request: web.Request, response: Response, headers: Mapping[str, str]
) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=headers)
    body = response.body or b"".join(response.events)
    if not response.events:
        stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        # close() flushes what was written: the client gets the first half, then the end.
        request.transport.close()
    return stream


def _too_large(path: str) -> tuple[Surface, Response]:
    surface: Surface = "azure" if "/openai/" in path else "openai"
    message = f"The request body is larger than {BODY_LIMIT} bytes."
    kind = "invalid_request_error"
    return surface, surface_error(surface, 413, message, code=None, kind=kind).response


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
