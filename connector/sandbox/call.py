"""One request to a model, as the handlers see it: read, authenticated and routed.

Nothing here knows HTTP beyond the surface that the request came in by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.sandbox.answers import Surface
from connector.sandbox.text import digest
from connector.sandbox.world import World


@dataclass(frozen=True)
class Call:
    """What a handler needs to answer."""

    surface: Surface
    model: str
    body: dict[str, Any]
    raw: bytes
    world: World
    # Where this sandbox is reached, for the addresses of images.
    base: str
    # Whether the content filter stops this request.
    filtered: bool

    @property
    def azure(self) -> bool:
        """Whether the answer carries Azure's additions."""
        return self.surface != "openai"

    @property
    def digest(self) -> str:
        """Hash of the request body, from which the ids of the answer are cut."""
        return digest(self.raw)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter of the request."""
        return self.body.get(name, default)
