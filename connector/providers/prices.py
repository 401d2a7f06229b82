"""What tokens cost: dated prices from the manifest, or from the operator. Never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from connector.providers.provider import Provider

_UNIT = 1_000_000
"""Prices are for so many tokens."""

_SNAPSHOT = re.compile(r"-20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")
_TIERS = (None, "default")
"""The values of `service_tier` in a response that was billed at the usual prices."""

_PROMPT = ("prompt_tokens", "input_tokens")
_ANSWER = ("completion_tokens", "output_tokens")
_DETAILS = ("prompt_tokens_details", "input_tokens_details")


class Price(NamedTuple):
    """The prices of one model, in US dollars for a million tokens; None is unknown.

    `day` is the day on which they were read, as an ISO date; None if nobody noted it.
    """

    input: float
    cached_input: float | None
    output: float | None
    day: str | None


class Prices(NamedTuple):
    """Prices by provider and model: `listed` are those of the manifest, `own` the operator's.

    The listed ones are those of the service itself, so they do not apply to a gateway or a
    compatible server. The operator's models may be the names of deployments.
    """

    listed: Mapping[str, Mapping[str, Price]] = {}
    own: Mapping[str, Mapping[str, Price]] = {}

    def cost(
        self, provider: Provider, response: Mapping[str, Any], asked: str | None
    ) -> tuple[float, str | None] | None:
        """Return what a response cost, and the day of its price; None if that is unknown."""
        price = self.of(provider, response, asked)
        amount = None if price is None else _cost(price, response)
        return None if price is None or amount is None else (amount, price.day)

    def of(
        self, provider: Provider, response: Mapping[str, Any], asked: str | None
    ) -> Price | None:
        """Return the price of the model that sent a response, `asked` by this name, if known."""
        tables = [self.own]
        if provider.is_service_itself:
            tables.append(self.listed)
        for table in tables:
            known = table.get(provider.name, {})
            for name in _names(response.get("model"), asked):
                if name in known:
                    return known[name]
        return None


def told(amount: float, day: str | None) -> dict[str, Any]:
    """Return a cost as a result tells it; `day` is that of the oldest price."""
    return {"amount": round(amount, 12), "currency": "USD", "pricesOf": day}


def _names(answered: Any, asked: str | None) -> Iterator[str]:
    if isinstance(answered, str):
        yield answered
        yield _SNAPSHOT.sub("", answered)
    if asked is not None:
        yield asked


def _cost(price: Price, response: Mapping[str, Any]) -> float | None:
    """Return what a response cost, None if its usage does not say all that is billed."""
    usage = response.get("usage")
    if not isinstance(usage, Mapping) or response.get("service_tier") not in _TIERS:
        return None
    details = [value for value in usage.values() if isinstance(value, Mapping)]
    if any(item.get(key) for item in details for key in ("audio_tokens", "image_tokens")):
        return None  # billed at prices of their own
    read, cached, written = _count(usage, _PROMPT), _cached(usage), _count(usage, _ANSWER)
    if read is None or cached is None or written is None or cached > read:
        return None
    parts = ((read - cached, price.input), (cached, price.cached_input), (written, price.output))
    total = 0.0
    for count, each in parts:
        if count and each is None:
            return None
        total += count * (each or 0)
    return total / _UNIT


def _count(usage: Mapping[str, Any], names: tuple[str, str]) -> int | None:
    """Return a number of tokens: 0 if the usage has none, None if it is no number."""
    return _whole(next((usage[name] for name in names if name in usage), 0))


def _cached(usage: Mapping[str, Any]) -> int | None:
    """Return how many tokens of the prompt were cached, None if that cannot be read."""
    details = next((usage[key] for key in _DETAILS if key in usage), None)
    if details is None:
        return 0
    return _whole(details.get("cached_tokens") or 0) if isinstance(details, Mapping) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def parse(raw: Mapping[str, Any]) -> dict[str, dict[str, Price]]:
    """Return prices by provider and model. Raises ValueError for a document of another shape."""
    return {
        provider: {name: _price(f"{provider}/{name}", item) for name, item in models.items()}
        for provider, models in _mapping("", raw).items()
        if _mapping(provider, models) is models
    }


def _mapping(at: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"/{at} must be an object")
    return value


def _price(at: str, raw: Any) -> Price:
    item = _mapping(at, raw)
    if unknown := [
        key for key in item if key not in ("input", "cachedInput", "output", "day", "source")
    ]:
        raise ValueError(f"/{at} must have no {unknown[0]!r}")
    if "input" not in item:
        raise ValueError(f"/{at}/input is required")
    amounts = [_amount(at, item, key) for key in ("input", "cachedInput", "output")]
    day = item.get("day")
    return Price(amounts[0] or 0.0, amounts[1], amounts[2], None if day is None else str(day))


def _amount(at: str, item: Mapping[str, Any], key: str) -> float | None:
    value = item.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < _UNIT:
        raise ValueError(f"/{at}/{key} must be dollars for a million tokens")
    return float(value)
