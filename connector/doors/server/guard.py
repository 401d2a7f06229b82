"""What comes before every route: host, origin and token, request ids, the access log."""

from __future__ import annotations

import hmac
import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.doors.server.peer import peer_of
from connector.doors.server.responses import error_response
from connector.doors.server.settings import Settings
from connector.errors import ConnectorError

LOG = logging.getLogger("connector.access")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHOWN = "connector.shown"

_SINGLE = frozenset(
    {b"host", b"origin", b"authorization", b"content-type", b"content-encoding", b"x-request-id"}
)
"""Headers that must not be repeated: two parties might each read another one."""

_SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


def show_in_log(scope: Scope, **known: str) -> None:
    """Let the access log show these parameters of the route, which are known to be harmless."""
    scope[_SHOWN] = known


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
        headers: dict[bytes, bytes] = {}
        repeated = False
        for name, value in scope["headers"]:
            repeated = repeated or (name in headers and name in _SINGLE)
            headers[name] = value
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        origin = headers.get(b"origin", b"").decode("latin-1")
        status = 0

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = dict(message["headers"])
                added = [item for item in _SECURITY.items() if item[0] not in own]
                added.append((b"x-request-id", request_id.encode()))
                if origin in self._origins:
                    added.append((b"access-control-allow-origin", origin.encode("latin-1")))
                    added.append((b"access-control-expose-headers", b"retry-after, x-request-id"))
                    added.append((b"vary", b"Origin"))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            if repeated:
                refusal: Response | None = _refused(
                    400, "invalid_payload", "A header of the request is repeated."
                )
            else:
                refusal = self._refusal(scope, headers, origin)
            await (refusal or self._app)(scope, receive, respond)
        finally:
            shown = "-" if peer_of(scope).is_gone or not status else str(status)
            took = (time.monotonic() - start) * 1000
            LOG.info("%s %s %s %.0fms %s", shown, scope["method"], _route(scope), took, request_id)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes], origin: str) -> Response | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_known(host):
            return _refused(403, "permission_denied", "This host name is not served here.")
        if origin and origin not in self._origins and not _is_same(origin, host):
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
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        if found[1] in _LOOPBACK or found[1] in self._hosts:
            return True
        # A page of another site can point its own name at this address, but it knows no token.
        return bool(self._token) and not self._hosts

    def _has_token(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        is_same = hmac.compare_digest(given.strip(), self._token)
        return scheme.lower() == b"bearer" and is_same


def _route(scope: Scope) -> str:
    """Return the route's pattern, because the path may hold anything."""
    pattern: str = getattr(scope.get("route"), "path", "-")
    for name, value in scope.get(_SHOWN, {}).items():
        pattern = pattern.replace("{" + name + "}", value)
    return pattern


def _is_same(origin: str, host: str) -> bool:
    return origin.lower().partition("://")[2] == host


def _refused(
    status: int, code: Any, message: str, headers: dict[str, str] | None = None
) -> Response:
    return error_response(ConnectorError(code, message), status, headers)
