"""Facts about models, from the manifest."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Model(NamedTuple):
    """What the manifest knows about a model; the defaults are those of an unknown model.

    `retires` maps the name of a provider to the ISO date from which it no longer serves the model.
    `successor` is the model to use from then on.
    """

    api: str = "chat"
    context_tokens: int | None = None
    images_per_call: int | None = None
    reasoning: bool = False
    retires: Mapping[str, str] = {}
    successor: str | None = None


def model(raw: Mapping[str, Any]) -> Model:
    """Return the facts in one entry of the manifest's `models`."""
    return Model(
        api=raw.get("api", "chat"),
        context_tokens=raw.get("contextTokens"),
        images_per_call=raw.get("imagesPerCall"),
        reasoning=raw.get("reasoning", False),
        retires=dict(raw.get("retires", {})),
        successor=raw.get("successor"),
    )
