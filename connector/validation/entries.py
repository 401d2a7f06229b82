"""JSON types, and the entries of the table in `keywords`."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from connector.manifest.vocabulary import ANNOTATIONS
from connector.validation.messages import MakeProblems, one_problem

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]


class JsonType(NamedTuple):
    """One type.

    `exact` is the expression with which generated code recognizes a value `{x}`. It is fast and may
    be wrong about subclasses, such as those of `str`; then `matches` decides.
    """

    exact: str
    matches: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Whether `value` is a JSON number: NaN, infinities and booleans are not."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether `value` is a JSON number without a fraction."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


TYPES: Mapping[str, JsonType] = {
    "string": JsonType("type({x}) is str", lambda value: isinstance(value, str)),
    "array": JsonType("type({x}) is list", lambda value: isinstance(value, list)),
    "object": JsonType("type({x}) is dict", lambda value: isinstance(value, dict)),
    "number": JsonType(
        "(type({x}) is int or type({x}) is float and isfinite({x}))",
        is_number,
    ),
    "integer": JsonType(
        "(type({x}) is int or type({x}) is float and {x}.is_integer())",
        is_integer,
    ),
    "boolean": JsonType("type({x}) is bool", lambda value: isinstance(value, bool)),
    "null": JsonType("{x} is None", lambda value: value is None),
}

INCLUDED: Mapping[str, frozenset[str]] = {
    **{name: frozenset((name,)) for name in TYPES},
    "number": frozenset(("number", "integer")),
}
"""The types whose values all belong to a type."""


def names(types: str | list[str]) -> list[str]:
    """Return the value of the keyword `type`, a name or an array of names, as a list."""
    return [types] if isinstance(types, str) else types


class Unsupported(Exception):
    """The schema has something that only jsonschema understands."""


class Violation(NamedTuple):
    """One broken keyword, with the attribute names of jsonschema's errors.

    `validator` is the keyword, None for the schema `false`.
    """

    validator: str | None
    validator_value: Any
    instance: Any
    schema: Schema
    absolute_path: Path


class Keyword(NamedTuple):
    """Everything about one keyword.

    `of` is the type to whose values it applies, None for all.

    `emit(compiler, schema, x, types)` writes the code that refuses the value named `x` if it
    breaks the keyword of `schema`. Keywords that are checked together share one function.

    `find(finder, schema, value, path)` returns the violations of the keyword by a value.

    `make_problems` makes their messages; None if a message can only give the keyword's name.
    """

    name: str
    of: str | None
    emit: Callable[[Any, Schema, str, Sequence[str]], None]
    find: Callable[[Any, Schema, Any, Path], Iterable[Violation]]
    make_problems: MakeProblems | None = None


Table = Mapping[str, Keyword | None]
"""The keywords that are understood, by name; None for those that check nothing."""


def table(entries: Iterable[Keyword]) -> Table:
    """Return the table of `entries`, in whose order code is emitted, and of annotations."""
    return {
        **dict.fromkeys(("$schema", "$defs", *ANNOTATIONS)),
        **{entry.name: entry for entry in entries},
    }


def leaf(
    name: str,
    of: str | None,
    refused: str,
    sentence: Callable[[Any], str],
    operand: Callable[[Any], Any] = lambda limit: limit,
    by_example: bool = False,
) -> Keyword:
    """Return the entry of a keyword that looks at one value only.

    `refused` is the condition, an expression of Python, under which it refuses a value `{x}` of the
    type `of`. Its `{limit}` is the value of the keyword in the schema, after `operand`. For
    `by_example` see `Problem`.
    """
    code = refused.format(x="x", limit="limit")
    is_refused: Callable[[Any, Any], bool] = eval(f"lambda x, limit: {code}")  # noqa: S307 - ours

    def emit(out: Any, schema: Schema, x: str, _: Sequence[str]) -> None:
        out.refuse(refused.format(x=x, limit=out.constant(operand(schema[name]))))

    def find(_: Any, schema: Schema, value: Any, path: Path) -> Sequence[Violation]:
        if is_refused(value, operand(schema[name])):
            return (Violation(name, schema[name], value, schema, path),)
        return ()

    return Keyword(name, of, emit, find, one_problem(sentence, by_example))
