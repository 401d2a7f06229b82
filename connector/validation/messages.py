"""A sentence for each broken keyword."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """Where a value breaks its schema: the keys and indexes that lead there, and a sentence that
    quotes no text of the value."""

    path: tuple[str | int, ...]
    message: str


_NAMES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def _kind(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN or infinite"
    for names, kind in (
        ((bool,), "true or false"),
        ((str,), "a text"),
        ((int, float), "a number"),
        ((list,), "an array"),
        ((dict,), "an object"),
    ):
        if isinstance(value, names):
            return kind
    return "null" if value is None else f"a {type(value).__name__}"


def _type(error: Any) -> str:
    wanted = error.validator_value
    names = [_NAMES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
    got = _kind(error.instance)
    if got == "a number" and not error.schema.get("writeOnly"):
        got = _number(error.instance)
    return f"must be {' or '.join(names)}, not {got}"


def _number(value: int | float) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    return str(value)


def _limit(words: str) -> Callable[[Any], str]:
    def sentence(error: Any) -> str:
        return f"must be {words} {error.validator_value} (it is {_number(error.instance)})"

    return sentence


def _enum(error: Any) -> str:
    return "must be one of " + ", ".join(str(choice) for choice in error.validator_value)


def _length(error: Any) -> str:
    limit, size = error.validator_value, len(error.instance)
    unit = "items" if isinstance(error.instance, list) else "characters"
    if error.validator.startswith("min"):
        return "must not be empty" if limit == 1 else f"must have at least {limit} {unit}"
    return f"must have at most {limit} {unit} (it has {size})"


def _pattern_text(error: Any) -> str:
    form = error.schema.get("x-form")
    return f"must be {form}" if form else "has characters or a form that are not allowed here"


_MESSAGES: Mapping[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": _enum,
    "minimum": _limit("at least"),
    "maximum": _limit("at most"),
    "exclusiveMinimum": _limit("more than"),
    "exclusiveMaximum": _limit("less than"),
    "minLength": _length,
    "maxLength": _length,
    "minItems": _length,
    "maxItems": _length,
    "pattern": _pattern_text,
}


def sentences(error: Any, suggested: Callable[[str, Any], str]) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield Problem((*path, name), "is required")
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in error.instance:
            if name not in known:
                yield Problem((*path, name), "is not known here" + suggested(str(name), known))
    elif error.validator == "anyOf" and all(_only_requires(s) for s in error.validator_value):
        names = [name for option in error.validator_value for name in option["required"]]
        yield Problem(path, "needs " + " or ".join(names))
    elif error.validator is None:  # the schema is `false`
        yield Problem(path, "is not allowed")
    else:
        message = _MESSAGES.get(error.validator, lambda e: f"breaks the rule {e.validator!r}")
        yield Problem(path, message(error))


def _only_requires(schema: Any) -> bool:
    return isinstance(schema, Mapping) and set(schema) == {"required"}
