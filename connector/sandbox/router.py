"""Turns a received request into a response: key, version, fault, model, handler.

This is the order in which the real services check a request. No HTTP server here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connector.sandbox import (
    audio,
    chat,
    completions,
    echo,
    embeddings,
    faults,
    files,
    images,
    listing,
    model_responses,
    moderations,
    routes,
)
from connector.sandbox.bodies import read_fields, read_json
from connector.sandbox.catalog import Catalog
from connector.sandbox.checks import string
from connector.sandbox.keys import authenticate
from connector.sandbox.rate_limits import RateLimits
from connector.sandbox.request import Request
from connector.sandbox.request_log import Received
from connector.sandbox.responses import ErrorResponse, Response, Surface, missing, openai_error

_HANDLERS: Mapping[str, Callable[[Request], Response]] = {
    "chat": chat.respond,
    "completions": completions.respond,
    "images": images.respond,
    "edits": images.edit,
    "embeddings": embeddings.respond,
    "moderations": moderations.respond,
    "responses": model_responses.respond,
    "speech": audio.speech,
    "transcriptions": audio.transcription,
}
_FORMS = ("edits", "transcriptions")
"""Operations whose requests are multipart forms."""
_APIS = {"edits": "images"}
"""The APIs of operations with another name, as in a model's facts."""

_PICTURE = re.compile(r"/images/([0-9a-f]{8,64})\.png", re.ASCII)


class Router:
    """Responds to requests for the models of a catalog; its state is the count of faults,
    and what is left of the limits."""

    def __init__(self, catalog: Catalog, limits: RateLimits) -> None:
        self._catalog = catalog
        self._limits = limits
        self._counts = faults.FaultCounts()

    async def respond(self, received: Received, base: str) -> tuple[Surface, Response]:
        """Return the surface and the response; `base` is the sandbox's address, for image URLs."""
        prefix, path = faults.split_path(received.path)
        surface = routes.surface_of(path)
        try:
            picture = _PICTURE.fullmatch(path)
            if picture is not None and received.method in ("GET", "HEAD"):
                return surface, _found(images.file(picture[1], received.query), path)
            if echo.is_echo(path):
                echo.authenticate(received.headers)
                fault = self._counts.pick(_named_fault(received, prefix, {}))
                return surface, await fault(surface, lambda _: echo.respond(received, path))
            route = routes.find(received.method, path)
            surface = route.surface
            authenticate(surface, route.method, received.headers)
            routes.check_version(route, received.query)
            content_type = received.headers.get("content-type", "")
            body: dict[str, Any] = {}
            if route.operation in _HANDLERS or route.operation in _FORMS:
                self._limits.check(surface)
            if route.operation in _FORMS:
                body = read_fields(content_type, received.body)
            elif route.operation in _HANDLERS:
                body = read_json(surface, content_type, received.body)
            fault = self._counts.pick(_named_fault(received, prefix, body))

            def respond(filtered: bool) -> Response:
                try:
                    return self._handle(received, route, body, base, filtered)
                except ErrorResponse as error:
                    return error.response

            response = await fault(surface, respond)
            if route.operation in _HANDLERS:
                self._limits.settle(response)
            return surface, response
        except ErrorResponse as error:
            return surface, error.response

    def _handle(
        self, received: Received, route: routes.Route, body: dict[str, Any], base: str,
        filtered: bool,
    ) -> Response:  # fmt: skip
        surface, catalog = route.surface, self._catalog
        handler = _HANDLERS.get(route.operation)
        if handler is not None:
            name = route.name or _model_in(body)
            catalog.check_exists(surface, name)
            catalog.check_api(surface, name, _APIS.get(route.operation, route.operation))
            return handler(Request(surface, name, body, received.body, catalog, base, filtered))
        others: Mapping[str, Callable[[], Response]] = {
            "models": lambda: listing.models(surface, catalog),
            "response": lambda: model_responses.found(route.name),
            "cancel": lambda: model_responses.cancelled(route.name),
            "model": lambda: listing.model(surface, catalog, route.name),
            "upload": lambda: files.upload(received.headers.get("content-type", ""), received.body),
            "download": lambda: files.download(route.name),
        }
        return others[route.operation]()


def _named_fault(
    received: Received, prefix: str | None, body: Mapping[str, Any]
) -> faults.NamedFault | None:
    header = received.headers.get(faults.HEADER)
    if header is not None:
        return faults.parse(header, "header")
    if prefix is not None:
        return faults.parse(prefix.replace("%3A", ":").replace("%3a", ":"), "path")
    return faults.find_in_body(body)


def _model_in(body: Mapping[str, Any]) -> str:
    if "model" not in body:
        raise missing("model")
    string(1)("model", body["model"])
    return str(body["model"])


def _found(picture: Response | None, path: str) -> Response:
    if picture is None:
        raise openai_error(404, f"Invalid URL (GET {path})")
    return picture
