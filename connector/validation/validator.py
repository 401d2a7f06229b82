"""A value against its JSON Schema: a fast verdict first, sentences for a refusal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connector.validation import compiler, walker
from connector.validation.messages import Problem, sentences
from connector.validation.suggestions import suggester


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
                self._valid = compiler.compile_schema(self.schema)
            return [] if self._valid(value) else self._walk(value)
        except RecursionError:
            return [Problem((), _TOO_DEEP)]

    def _walk(self, value: Any) -> list[Problem]:
        try:
            return _told(walker.faults(self.schema, value))
        except walker.Unknown:
            return self.explain(value)

    def explain(self, value: Any) -> list[Problem]:
        """Return every problem of `value` as jsonschema finds them."""
        if self._jsonschema is None:
            self._jsonschema = _explainer(self.schema)
        _steps.left = _FEWEST_STEPS + _STEPS * walker.size(value)
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
    return sorted({found for error in errors for found in sentences(error, suggested)}, key=_place)


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
    return compiler.is_number(value)


def _is_integer(_: Any, value: Any) -> bool:
    return compiler.is_integer(value)


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

    if isinstance(value, str) and not compiler.pattern(pattern).search(value):
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
