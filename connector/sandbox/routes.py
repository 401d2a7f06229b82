"""From a request that has been read to its answer: fault, key, version, model, handler.

This is the order in which the real services look at a request. No HTTP server in here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connector.sandbox import chat, completions, embeddings, faults, images, listing, paths
from connector.sandbox.answers import Answer, Refusal, Surface, missing, openai_error
from connector.sandbox.bodies import read_json
from connector.sandbox.call import Call
from connector.sandbox.checks import string
from connector.sandbox.keys import admit
from connector.sandbox.received import Received
from connector.sandbox.world import World

_HANDLERS: Mapping[str, Callable[[Call], Answer]] = {
    "chat": chat.answer,
    "completions": completions.answer,
    "images": images.answer,
    "embeddings": embeddings.answer,
}
_PICTURE = re.compile(r"/images/([0-9a-f]{8,64})\.png", re.ASCII)


class Router:
    """Answers requests from the facts of one world; it counts faults and keeps nothing else."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._counts = faults.Counts()

    async def answer(self, request: Received, base: str) -> tuple[Surface, Answer]:
        """Answer a request; `base` is the sandbox's own address, for links to pictures."""
        prefix, path = faults.split_path(request.path)
        surface = paths.surface_of(path)
        try:
            picture = _PICTURE.fullmatch(path)
            if picture is not None and request.method in ("GET", "HEAD"):
                return surface, _served(images.file(picture[1], request.query), path)
            target = paths.find(request.method, path)
            surface = target.surface
            admit(surface, target.method, request.headers)
            paths.check_version(target, request.query)
            content_type = request.headers.get("content-type", "")
            body: dict[str, Any] = {}
            if target.operation in _HANDLERS:
                body = read_json(surface, content_type, request.body)
            fault = self._counts.pick(_named(request, prefix, body))

            def produce(filtered: bool) -> Answer:
                try:
                    return self._produce(request, target, body, base, filtered)
                except Refusal as refusal:
                    return refusal.answer

            return surface, await fault(surface, produce)
        except Refusal as refusal:
            return surface, refusal.answer

    def _produce(
        self, request: Received, target: paths.Target, body: dict[str, Any], base: str,
        filtered: bool,
    ) -> Answer:  # fmt: skip
        surface, world = target.surface, self._world
        handler = _HANDLERS.get(target.operation)
        if handler is not None:
            name = target.name or _model_in(body)
            world.find(surface, name)
            world.serve(surface, name, target.operation)
            return handler(Call(surface, name, body, request.body, world, base, filtered))
        others: Mapping[str, Callable[[], Answer]] = {
            "models": lambda: listing.models(surface, world),
            "model": lambda: listing.model(surface, world, target.name),
            "upload": lambda: listing.upload(request.headers.get("content-type", ""), request.body),
            "download": lambda: listing.download(target.name),
        }
        return others[target.operation]()


def _named(request: Received, prefix: str | None, body: Mapping[str, Any]) -> faults.Named | None:
    header = request.headers.get(faults.HEADER)
    if header is not None:
        return faults.named(header, "header")
    if prefix is not None:
        return faults.named(prefix.replace("%3A", ":").replace("%3a", ":"), "path")
    return faults.in_body(body)


def _model_in(body: Mapping[str, Any]) -> str:
    if "model" not in body:
        raise missing("model")
    string(1)("model", body["model"])
    return str(body["model"])


def _served(picture: Answer | None, path: str) -> Answer:
    if picture is None:
        raise openai_error(404, f"Invalid URL (GET {path})")
    return picture
