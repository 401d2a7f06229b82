"""A request to a model as its handler sees it: parsed, authenticated and routed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from connector.sandbox.catalog import Catalog
from connector.sandbox.responses import Surface
from connector.sandbox.text import digest


@dataclass(frozen=True)
class Request:
    """What a handler needs to make a response."""

    surface: Surface
    model: str
    body: dict[str, Any]
    raw: bytes
    catalog: Catalog
    # The sandbox's own address, for the URLs of images.
    base: str
    # Whether the content filter stops this request.
    filtered: bool

    @property
    def azure(self) -> bool:
        """Whether the response has Azure's additional fields."""
        return self.surface != "openai"

    @property
    def digest(self) -> str:
        """Hash of the request, from which the ids in the response are made; the same with and
        without a stream."""
        if "stream" not in self.body:
            return digest(self.raw)
        rest = {k: v for k, v in self.body.items() if k not in ("stream", "stream_options")}
        return digest(json.dumps(rest, ensure_ascii=False, separators=(",", ":")))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter of the request, or the default if it is absent."""
        return self.body.get(name, default)
