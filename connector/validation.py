"""A value against its JSON Schema: a fast verdict first, sentences for a refusal."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from connector import verdict, walk


class Problem(NamedTuple):
    """Where a value breaks its schema: the keys and indexes that lead there, and a sentence that
    quotes no text of the value."""

    path: tuple[str | int, ...]
    message: str


class Validator:
    """One schema, compiled once.

    The verdict comes from `verdict`, which costs microseconds. jsonschema is asked only where the
    schema says more than `verdict` knows.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._valid: Callable[[Any], bool] | None = None
        self._walked = False
        self._jsonschema: Any = None

    def problems(self, value: Any) -> list[Problem]:
        """Return every problem of `value`, none where it is valid."""
        try:
            if self._valid is None:
                if not self._walked:
                    # A process that validates once, as the command line does, does not compile.
                    self._walked = True
                    return self._walk(value)
                self._valid = verdict.compile_schema(self.schema)
            return [] if self._valid(value) else self._walk(value)
        except RecursionError:
            return [Problem((), _TOO_DEEP)]

    def _walk(self, value: Any) -> list[Problem]:
        try:
            return _told(walk.faults(self.schema, value))
        except walk.Unknown:
            return self.explain(value)

    def explain(self, value: Any) -> list[Problem]:
        """Return every problem of `value` as jsonschema finds them."""
        if self._jsonschema is None:
            self._jsonschema = _explainer(self.schema)
        _steps.left = _FEWEST_STEPS + _STEPS * walk.size(value)
        try:
            errors = list(self._jsonschema.iter_errors(value))
        except _TooManySteps:
            return [Problem((), "takes too many steps to compare with its schema")]
        except RecursionError:
            return [Problem((), _TOO_DEEP)]
        except ValueError:
            # jsonschema writes the value into messages of its own: Python cannot write this one.
            return [Problem((), "has an integer of too many digits")]
        return _told(errors)


_TOO_DEEP = "is nested too deeply, or its schema leads back to itself"

_FEWEST_STEPS = 20_000
_STEPS = 100

_steps = threading.local()
"""`_steps.left` is how many keywords jsonschema may still apply in this thread: schemas that refer
to the same others again and again would make it apply them without end."""


class _TooManySteps(Exception):
    """Ends jsonschema's work on one value."""


def _told(errors: Iterable[Any]) -> list[Problem]:
    suggested = suggester()
    return sorted({found for error in errors for found in _sentences(error, suggested)}, key=_place)


def _place(found: Problem) -> tuple[list[tuple[int, str]], str]:
    path = [(part, "") if isinstance(part, int) else (-1, str(part)) for part in found.path]
    return path, found.message


def _explainer(schema: Mapping[str, Any]) -> Any:
    import jsonschema
    from referencing import Registry

    base = jsonschema.Draft202012Validator
    numbers = base.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
    # Whole: `$` of a pattern means the end of the text, as in ECMA-262, not "or before a final
    # line break", as in Python.
    extend: Any = jsonschema.validators.extend
    own = {"pattern": _pattern, "properties": _properties, "uniqueItems": _unique}
    counted = {keyword: _counted(check) for keyword, check in {**base.VALIDATORS, **own}.items()}
    strict = extend(base, counted, type_checker=numbers)
    # An empty registry resolves nothing but the schema itself: no file, no network.
    return strict(schema, registry=Registry())


def _is_number(_: Any, value: Any) -> bool:
    return verdict.is_number(value)


def _is_integer(_: Any, value: Any) -> bool:
    return verdict.is_integer(value)


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arguments: Any) -> Any:
        _steps.left -= 1
        if _steps.left < 0:
            raise _TooManySteps
        return check(*arguments)

    return step


def _unique(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[Any]:
    """As jsonschema's own, which compares each with each where they cannot be sorted."""
    from jsonschema import ValidationError

    if wanted and isinstance(value, list) and len(set(map(_hashable, value))) < len(value):
        yield ValidationError("uniqueItems")


def _hashable(value: Any) -> Any:
    """Return what is equal for two values that JSON holds for equal: 1 and 1.0, but not true."""
    if isinstance(value, dict):
        return dict, frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(_hashable, value))
    if isinstance(value, bool):
        return bool, value
    return value if isinstance(value, str | int | float | None) else id(value)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not verdict.pattern(pattern).search(value):
        yield ValidationError("pattern")


def _properties(validator: Any, properties: Any, value: Any, _: Any) -> Iterator[Any]:
    """jsonschema's own, but that a property of the schema `false` is told by its name."""
    kind: Any = None  # as of any value that the schema `false` refuses
    from jsonschema import ValidationError

    for name in properties if isinstance(value, dict) else ():
        if name in value and properties[name] is False:
            yield ValidationError("false", validator=kind, path=[name])
        elif name in value:
            yield from validator.descend(value[name], properties[name], path=name, schema_path=name)


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


def _sentences(error: Any, suggested: Callable[[str, Any], str]) -> Iterator[Problem]:
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


_MOST_SUGGESTED = 10
_LONGEST_SUGGESTED = 100


def suggester() -> Callable[[str, Iterable[str]], str]:
    """Return `nearest` for the first few unknown names of a payload: it compares letter by letter,
    which thousands of names would pay for dearly."""
    left = iter(range(_MOST_SUGGESTED))
    return lambda name, known: nearest(name, known) if next(left, None) is not None else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or nothing."""
    if len(name) > _LONGEST_SUGGESTED:
        return ""
    import difflib

    folded = {str(key).lower(): key for key in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
