"""Every place where a value breaks a schema, for the keywords that `verdict` knows.

The import of jsonschema takes longer than all the rest of a refused call: it is left for schemas
that say more. The tests prove that both find the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connector.validation.compiler import ANNOTATIONS, REACHING, is_integer, is_number, pattern

Path = tuple[str | int, ...]


class Unknown(Exception):
    """The schema says something here that only jsonschema understands."""


class Fault(NamedTuple):
    """One broken keyword, None for the schema `false`, with the names of jsonschema's errors."""

    validator: str | None
    validator_value: Any
    instance: Any
    schema: Mapping[str, Any]
    absolute_path: Path


def faults(schema: Mapping[str, Any], value: Any) -> Iterator[Fault]:
    """Yield what is wrong with `value`; references are looked up in the `$defs` of `schema`.

    Raises Unknown where `value` meets a keyword that is not in the tables.
    """
    return _faults(schema, value, _Run(schema.get("$defs", {}), value), ())


_Schema = Mapping[str, Any]

_FEWEST_STEPS = 20_000
_STEPS = 100
_MOST_VALUES = 5_000_000


class _Run:
    """One walk: the schemas that references lead to, and which of the options that nest in each
    other fit a value. Each is tried once: options of options would double the work again and
    again."""

    def __init__(self, definitions: Mapping[str, Any], value: Any) -> None:
        self.definitions = definitions
        self._value = value
        self._fits: dict[tuple[int, int], bool] = {}
        self._nested = False
        self._steps = 0
        self._most_steps = _FEWEST_STEPS

    def step(self) -> None:
        """Count a part that holds beside others: more than in proportion to the value only schemas
        take that refer to the same others again and again. Of these jsonschema decides, counting
        too."""
        self._steps += 1
        if self._steps > self._most_steps:
            self._most_steps = _FEWEST_STEPS + _STEPS * size(self._value)
            if self._steps > self._most_steps:
                raise Unknown

    def any_fits(self, options: Sequence[_Schema], value: Any) -> bool:
        if self._nested:
            return any(self._option_fits(option, value) for option in options)
        self._nested = True
        try:
            return any(self._option_fits(option, value) for option in options)
        finally:
            self._nested = False
            self._fits.clear()  # of thousands of values nothing is kept

    def _option_fits(self, option: _Schema, value: Any) -> bool:
        key = id(option), id(value)
        if key not in self._fits:
            self._fits[key] = next(_faults(option, value, self, ()), None) is None
        return self._fits[key]


def size(value: Any) -> int:
    """Return of how many values `value` is made, at most _MOST_VALUES (it may contain itself)."""
    count = 0
    pending = [value]
    while pending and count < _MOST_VALUES:
        node = pending.pop()
        count += 1
        if isinstance(node, dict | list):
            pending.extend(node.values() if isinstance(node, dict) else node)
    return count


def _faults(schema: Any, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    if isinstance(schema, bool):
        if not schema:
            yield Fault(None, None, value, {}, path)
        return
    if not isinstance(schema, Mapping):
        raise Unknown
    for keyword, limit in schema.items():
        if keyword in _BREAKS:
            if _BREAKS[keyword](limit, value):
                yield Fault(keyword, limit, value, schema, path)
        elif keyword in _NESTS:
            yield from _NESTS[keyword](schema, value, run, path)
        elif keyword not in ANNOTATIONS:
            raise Unknown


def _reference(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    if not REACHING.isdisjoint(schema):
        raise Unknown  # what lies in the value would be visited twice, and what lies in that...
    name = schema["$ref"].removeprefix("#/$defs/")
    if name == schema["$ref"] or name not in run.definitions:
        raise Unknown
    yield from _faults(run.definitions[name], value, run, path)


def _any_of(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    if not run.any_fits(schema["anyOf"], value):
        yield Fault("anyOf", schema["anyOf"], value, schema, path)


def _all_of(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    for part in schema["allOf"]:
        run.step()
        yield from _faults(part, value, run, path)


def _if(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    run.step()
    branch = "else" if any(True for _ in _faults(schema["if"], value, run, ())) else "then"
    yield from _faults(schema.get(branch, True), value, run, path)


def _items(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    if isinstance(value, list):
        if schema["items"] is False:
            raise Unknown  # jsonschema has a sentence of its own for this
        for index, item in enumerate(value):
            yield from _faults(schema["items"], item, run, (*path, index))


def _properties(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    if isinstance(value, dict):
        for key, fragment in schema["properties"].items():
            if key in value:
                yield from _faults(fragment, value[key], run, (*path, key))


def _others(schema: _Schema, value: Any, run: _Run, path: Path) -> Iterator[Fault]:
    limit, known = schema["additionalProperties"], schema.get("properties", {})
    if not isinstance(value, dict):
        return
    others = [key for key in value if key not in known]
    if limit is False and others:
        yield Fault("additionalProperties", limit, value, schema, path)
    elif isinstance(limit, Mapping):
        for key in others:
            yield from _faults(limit, value[key], run, (*path, key))


_NESTS: Mapping[str, Callable[[_Schema, Any, _Run, Path], Iterator[Fault]]] = {
    "$ref": _reference,
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": _if,
    **dict.fromkeys(("then", "else"), lambda schema, value, run, path: iter(())),  # see `if`
    "items": _items,
    "properties": _properties,
    "additionalProperties": _others,
}


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _no_type(types: Any, value: Any) -> bool:
    return not any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types))


def _not_among(choices: Any, value: Any) -> bool:
    if not all(isinstance(choice, str) for choice in choices):
        raise Unknown  # 1 is true for Python, but not for JSON
    return value not in choices


# keyword: whether a value breaks it. A keyword says nothing of values of other types.
_BREAKS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": _no_type,
    "enum": _not_among,
    "minimum": lambda limit, value: is_number(value) and value < limit,
    "maximum": lambda limit, value: is_number(value) and value > limit,
    "exclusiveMinimum": lambda limit, value: is_number(value) and value <= limit,
    "exclusiveMaximum": lambda limit, value: is_number(value) and value >= limit,
    "minLength": lambda limit, value: isinstance(value, str) and len(value) < limit,
    "maxLength": lambda limit, value: isinstance(value, str) and len(value) > limit,
    "minItems": lambda limit, value: isinstance(value, list) and len(value) < limit,
    "maxItems": lambda limit, value: isinstance(value, list) and len(value) > limit,
    "pattern": lambda text, value: isinstance(value, str) and not pattern(text).search(value),
    "required": lambda keys, value: isinstance(value, dict) and any(k not in value for k in keys),
}
