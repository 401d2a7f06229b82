"""What comes before every route: host, origin, token and size, request ids, the access log."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.doors.server.responses import error_response
from connector.doors.server.settings import Settings
from connector.errors import ConnectorError

LOG = logging.getLogger("connector.access")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_BODY_SECONDS = 30.0
"""A body that takes longer than this between two pieces is not waited for."""

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware around the routes. `is_open` tells which paths need no token."""

    def __init__(
        self, app: ASGIApp, settings: Settings, token: str, is_open: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in settings.hosts)
        self._origins = frozenset(settings.origins)
        self._token = token.encode()
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else uuid.uuid4().hex
        origin = headers.get("origin", "")
        status = 0

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = MutableHeaders(scope=message)
                added["X-Request-Id"] = request_id
                for name, value in _SECURITY.items():
                    added.setdefault(name, value)
                if origin in self._origins:
                    added["Access-Control-Allow-Origin"] = origin
                    added["Vary"] = "Origin"
            await send(message)

        try:
            refusal = self._refusal(scope, headers, origin)
            if refusal is not None:
                await refusal(scope, receive, respond)
            else:
                await self._app(scope, receive, respond)
        finally:
            # The route's pattern and not the path, which may hold anything.
            route = getattr(scope.get("route"), "path", "-")
            took = (time.monotonic() - start) * 1000
            LOG.info("%s %s %s %.0fms %s", status or "-", scope["method"], route, took, request_id)

    def _refusal(self, scope: Scope, headers: Headers, origin: str) -> Response | None:
        host = _host_name(headers.get("host", ""))
        if not self._is_known(host):
            return _refused(403, "permission_denied", "This host name is not served here.")
        if origin and origin not in self._origins and not _is_same(origin, headers):
            return _refused(403, "permission_denied", "This web origin may not call the connector.")
        if origin in self._origins and scope["method"] == "OPTIONS":
            return Response(
                status_code=204,
                headers={
                    "Access-Control-Allow-Methods": "GET, POST",
                    "Access-Control-Allow-Headers": "authorization, content-type, x-request-id",
                    "Access-Control-Max-Age": "600",
                },
            )
        if self._token and not self._is_open(scope["path"]) and not self._has_token(headers):
            return _refused(
                401,
                "authentication_failed",
                "The connector's own token is missing or wrong.",
                {"WWW-Authenticate": "Bearer"},
            )
        return None

    def _is_known(self, host: str) -> bool:
        if host in _LOOPBACK or host in self._hosts:
            return True
        # A page of another site can point its own name at this address, but it knows no token.
        return bool(self._token) and not self._hosts

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        is_same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token)
        return scheme.lower() == "bearer" and is_same


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_same(origin: str, headers: Headers) -> bool:
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


def _refused(
    status: int, code: Any, message: str, headers: dict[str, str] | None = None
) -> Response:
    return error_response(ConnectorError(code, message), status, headers)


class BodyError(Exception):
    """The body cannot be read; carries the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        # The rest of the body is not read, so the connection cannot be used again.
        self.response = _refused(status, "invalid_payload", message, {"Connection": "close"})


async def read_json_body(request: Request, most: int) -> bytes:
    """Return the body of a request, at most `most` bytes. Raises BodyError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BodyError(415, "The body must be JSON: send Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BodyError(415, "The body must not be compressed.")
    length = request.headers.get("content-length", "0")
    too_large = f"The body is larger than {most} bytes."
    if not length.isdigit() or int(length) > most:
        raise BodyError(413, too_large)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await _within(request.receive(), _BODY_SECONDS)
        if message["type"] != "http.request":
            raise BodyError(400, "The client went away before its body was complete.")
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise BodyError(413, too_large)
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)


async def _within(reading: Awaitable[Message], seconds: float) -> Message:
    try:
        return await asyncio.wait_for(reading, seconds)
    except TimeoutError:
        raise BodyError(408, "The body did not arrive in time.") from None
