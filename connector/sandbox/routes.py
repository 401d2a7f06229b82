"""Routes: the surface and operation of each path, and the API versions of each surface."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from connector.sandbox.responses import (
    ErrorResponse,
    Surface,
    azure_error,
    openai_error,
    resource_not_found,
)

_DATED = re.compile(r"\d{4}-\d\d-\d\d.*", re.ASCII)
_PREVIEW = re.compile(r"\d{4}-\d\d-\d\d-preview", re.ASCII)
_GENERAL = frozenset(("2022-12-01", "2023-05-15", "2024-02-01", "2024-06-01", "2024-10-21"))
_V1 = frozenset(("v1", "latest", "preview"))

_MODEL_OPERATIONS = {
    "chat/completions": "chat",
    "completions": "completions",
    "images/generations": "images",
    "images/edits": "edits",
    "embeddings": "embeddings",
    "audio/speech": "speech",
    "audio/transcriptions": "transcriptions",
}
_OPENAI_ONLY = {"moderations": "moderations"}
_PREVIEW_ON_V1 = ("images", "edits", "speech", "transcriptions")
_PREVIEW_ON_DATED = ("edits", "speech")


@dataclass(frozen=True)
class Route:
    """The operation that a method and path lead to."""

    surface: Surface
    method: str
    operation: str
    # The deployment, model or file in the path, decoded.
    name: str = ""


def _operations(surface: Surface) -> dict[str, str]:
    if surface == "openai":
        return _MODEL_OPERATIONS | _OPENAI_ONLY
    return {path: name for path, name in _MODEL_OPERATIONS.items() if name != "completions"}


def _v1_table(surface: Surface, prefix: str) -> list[tuple[str, Surface, str, str]]:
    return [
        *(
            (f"{prefix}/{path}", surface, "POST", operation)
            for path, operation in _operations(surface).items()
        ),
        (f"{prefix}/responses", surface, "POST", "responses"),
        (f"{prefix}/responses/([^/]+)", surface, "GET", "response"),
        (f"{prefix}/responses/([^/]+)/cancel", surface, "POST", "cancel"),
        (f"{prefix}/models", surface, "GET", "models"),
        (f"{prefix}/models/([^/]+)", surface, "GET", "model"),
        (f"{prefix}/files", surface, "POST", "upload"),
        (f"{prefix}/files/([^/]+)/content", surface, "GET", "download"),
    ]


def _dated_table() -> list[tuple[str, Surface, str, str]]:
    return [
        *(
            (f"/openai/deployments/([^/]+)/{path}", "azure-dated", "POST", operation)
            for path, operation in _MODEL_OPERATIONS.items()
        ),
        ("/openai/models", "azure-dated", "GET", "models"),
        ("/openai/models/([^/]+)", "azure-dated", "GET", "model"),
    ]


_TABLE: list[tuple[re.Pattern[str], Surface, str, str]] = [
    (re.compile(pattern), surface, method, operation)
    for pattern, surface, method, operation in (
        *_v1_table("openai", "/v1"),
        *_v1_table("azure", "/openai/v1"),
        *_dated_table(),
    )
]


def surface_of(path: str) -> Surface:
    """Return the surface whose error format a path gets, whether or not the path exists."""
    return "azure" if path == "/openai" or path.startswith("/openai/") else "openai"


def find(method: str, path: str) -> Route:
    """Find the route of a raw (percent-encoded) path; HEAD is treated as GET."""
    for pattern, surface, wanted, operation in _TABLE:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if wanted != ("GET" if method == "HEAD" else method):
            raise _wrong_method(surface, method, path)
        return Route(surface, wanted, operation, unquote("".join(match.groups())))
    if surface_of(path) == "azure":
        raise resource_not_found()
    raise openai_error(404, f"Invalid URL ({method} {path[:200]})")


def _wrong_method(surface: Surface, method: str, path: str) -> ErrorResponse:
    if surface != "openai":
        return resource_not_found()
    message = f"Not allowed to {method} on {path[:200]}."
    message += " (HINT: Perhaps you meant to use a different HTTP method?)"
    return openai_error(405, message, code="method_not_supported")


def check_version(route: Route, query: Mapping[str, str]) -> None:
    """Raise the error for an api-version that the route's surface does not support."""
    version = query.get("api-version")
    if route.surface == "azure-dated":
        if version is None or not (version in _GENERAL or _PREVIEW.fullmatch(version)):
            raise resource_not_found()
        if route.operation in _PREVIEW_ON_DATED and not _PREVIEW.fullmatch(version):
            raise resource_not_found()
    elif route.surface == "azure":
        if version is not None and (_DATED.fullmatch(version) or version not in _V1):
            raise azure_error(400, "API version not supported", "BadRequest")
        if route.operation in _PREVIEW_ON_V1 and version != "preview":
            raise resource_not_found()
