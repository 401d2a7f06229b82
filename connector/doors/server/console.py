"""The builder's console: a page that draws a form for each action. It is built from `console/`."""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.doors.server.responses import data_response
from connector.doors.server.settings import Settings

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE = "index.html"
_FILES = {"app.js": "text/javascript", "style.css": "text/css", "licences.txt": "text/plain"}

OPEN = frozenset({"/", "/v1/icon", *(f"/console/{name}" for name in _FILES)})
"""The paths that need no token: what lies there is the same for everyone, and holds no secret."""


def routes(settings: Settings) -> list[Route]:
    """Return the routes of the console."""
    sandbox = {"name": "sandbox", "kind": settings.sandbox_kind} if settings.sandbox else None
    setup = {"inlineConnections": settings.inline, "sandbox": sandbox}
    found = [_static("/", _PAGE, "text/html")]
    found += [_static(f"/console/{name}", name, kind) for name, kind in _FILES.items()]

    async def console(_: Request) -> Response:
        return data_response(setup)

    return [*found, Route("/v1/console", console)]


def _static(path: str, name: str, kind: str) -> Route:
    body = resources.files("connector.doors.server").joinpath("console", name).read_bytes()

    async def file(_: Request) -> Response:
        return Response(body, headers={"Content-Security-Policy": _POLICY}, media_type=kind)

    return Route(path, file)
