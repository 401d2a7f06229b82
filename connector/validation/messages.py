"""The messages of problems. They never quote text of the value, which may be a secret."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from connector.validation.conditions import absent, only_requires


class Problem(NamedTuple):
    """Where a value breaks its schema: the keys and indexes that lead there, and a message.

    `by_example` means that an example of a valid value says more than the message.
    """

    path: tuple[str | int, ...]
    message: str
    by_example: bool = False


Suggest = Callable[[str, Iterable[str]], str]
"""Returns the end of a message about an unknown name; see `suggestions`."""

MakeProblems = Callable[[Any, Suggest], Iterator[Problem]]
"""Makes the messages of a `Violation`, or of an error of jsonschema with the same attributes."""


def one_problem(message: Callable[[Any], str], by_example: bool = False) -> MakeProblems:
    """Return a `MakeProblems` for errors that are one problem, at the place of the value itself."""

    def make(error: Any, _: Suggest) -> Iterator[Problem]:
        yield Problem(tuple(error.absolute_path), message(error), by_example)

    return make


def broken(error: Any) -> str:
    """Return the message for a keyword that has no own message."""
    return f"breaks the rule {error.validator!r}"


not_allowed = one_problem(lambda error: "is not allowed here; leave it out")
"""Words what the schema `false` refuses."""

_NAMES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def wrong_type(error: Any) -> str:
    wanted = error.validator_value
    names = [_NAMES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
    got = _kind(error.instance)
    if got == "a number" and not error.schema.get("writeOnly"):
        got = _written(error.instance)
    message = f"must be {' or '.join(names)}, not {got}"
    if got == "a text" and names[0].endswith("number") and _COMMA.match(error.instance):
        message += " (write a point for decimals, and no comma)"
    return message


_COMMA = re.compile(r"\s*[-+]?[0-9][0-9.]*,[0-9.,]*\s*\Z")
"""A number as many languages write it."""


def _kind(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN or infinite"
    for types, kind in (
        ((bool,), "true or false"),
        ((str,), "a text"),
        ((int, float), "a number"),
        ((list,), "an array"),
        ((dict,), "an object"),
    ):
        if isinstance(value, types):
            return kind
    return "null" if value is None else f"a Python {type(value).__name__}"


def _written(value: int | float) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    return str(value)


def number(words: str) -> Callable[[Any], str]:
    """Return the message of a limit to numbers; `words` come before the limit."""

    def message(error: Any) -> str:
        return f"must be {words} {error.validator_value} (it is {_written(error.instance)})"

    return message


def length(error: Any) -> str:
    limit, size = error.validator_value, len(error.instance)
    unit = "items" if isinstance(error.instance, list) else "characters"
    if error.validator.startswith("min"):
        return "must not be empty" if limit == 1 else f"must have at least {limit} {unit}"
    return f"must have at most {limit} {unit} (it has {size})"


def enum(error: Any) -> str:
    return "must be one of " + ", ".join(str(choice) for choice in error.validator_value)


def pattern(error: Any) -> str:
    form = error.schema.get("x-form")
    return f"must be {form}" if form else "does not have the required format"


def missing(error: Any, _: Suggest) -> Iterator[Problem]:
    for name in error.validator_value:
        if name not in error.instance:
            yield Problem((*error.absolute_path, name), "is required", by_example=True)


def unknown(error: Any, suggest: Suggest) -> Iterator[Problem]:
    known = error.schema.get("properties", {})
    for name in error.instance:
        if name not in known:
            yield Problem((*error.absolute_path, name), not_known(str(name), known, suggest))


def not_known(name: str, known: Collection[str], suggest: Suggest) -> str:
    """Return the message for an unknown name, with the nearest known one, or a few if none is."""
    close = suggest(name, known)
    if not close and 0 < len(known) <= _MOST_LISTED:
        close = f"; known: {', '.join(known)}"
    return f"is not known here{close}"


_MOST_LISTED = 20


def excluded(error: Any, _: Suggest) -> Iterator[Problem]:
    names = absent(error.validator_value)
    message = "needs " + " or ".join(names) if names else broken(error)
    yield Problem(tuple(error.absolute_path), message)


def no_option(error: Any, _: Suggest) -> Iterator[Problem]:
    message = broken(error)
    if all(map(only_requires, error.validator_value)):
        names = [name for option in error.validator_value for name in option["required"]]
        message = "needs " + " or ".join(names)
    yield Problem(tuple(error.absolute_path), message, by_example=True)
