"""Finds every place where a value breaks a JSON Schema.

This is the machinery; what each keyword means is in `keywords`. Importing jsonschema takes longer
than the rest of a refused call, so it is used only for schemas with other keywords. The tests check
that both find the same problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.validation.entries import TYPES, Path, Schema, Table, Unsupported, Violation

FEWEST_STEPS = 20_000
STEPS_PER_VALUE = 100
_MOST_VALUES = 5_000_000


def find(schema: Schema, value: Any, keywords: Table) -> Iterator[Violation]:
    """Yield the violations of `schema` by `value`; references lead to the `$defs` of `schema`.

    Raises Unsupported if a keyword that applies to `value` is not in `keywords`.
    """
    return Finder(schema.get("$defs", {}), value, keywords).find(schema, value, ())


class Finder:
    """One search; the keywords' `find` functions call its methods.

    It remembers which nested options a value fits, so that each is tried once. Otherwise options
    inside options would double the work at each level.
    """

    def __init__(self, definitions: Schema, value: Any, keywords: Table) -> None:
        self.definitions = definitions
        self._value = value
        self._keywords = keywords
        self._fits: dict[tuple[int, int], bool] = {}
        self._nested = False
        self._steps = 0
        self._most_steps = FEWEST_STEPS

    def find(self, schema: Any, value: Any, path: Path) -> Iterator[Violation]:
        """Yield the violations of `schema`, a part of the whole, by the `value` at `path`."""
        if isinstance(schema, bool):
            if not schema:
                yield Violation(None, None, value, {}, path)
            return
        if not isinstance(schema, Mapping):
            raise Unsupported
        for name in schema:
            if name not in self._keywords:
                raise Unsupported
            keyword = self._keywords[name]
            if keyword is None or (keyword.of and not TYPES[keyword.of].matches(value)):
                continue
            yield from keyword.find(self, schema, value, path)

    def step(self) -> None:
        """Count a schema that applies besides others.

        Only schemas that refer to the same others again and again take more steps than the value
        has parts. Raises Unsupported for these; jsonschema then decides, with its own limit.
        """
        self._steps += 1
        if self._steps > self._most_steps:
            self._most_steps = FEWEST_STEPS + STEPS_PER_VALUE * size(self._value)
            if self._steps > self._most_steps:
                raise Unsupported

    def any_fits(self, options: Sequence[Any], value: Any) -> bool:
        """Whether `value` fits one of the schemas `options`."""
        if self._nested:
            return any(self._option_fits(option, value) for option in options)
        self._nested = True
        try:
            return any(self._option_fits(option, value) for option in options)
        finally:
            self._nested = False
            self._fits.clear()  # there may be thousands of values; nothing about them is kept

    def _option_fits(self, option: Any, value: Any) -> bool:
        key = id(option), id(value)
        if key not in self._fits:
            self._fits[key] = next(self.find(option, value, ()), None) is None
        return self._fits[key]


def size(value: Any) -> int:
    """Return how many values `value` consists of, at most _MOST_VALUES (it may contain itself)."""
    count = 0
    pending = [value]
    while pending and count < _MOST_VALUES:
        node = pending.pop()
        count += 1
        if isinstance(node, dict | list):
            pending.extend(node.values() if isinstance(node, dict) else node)
    return count
