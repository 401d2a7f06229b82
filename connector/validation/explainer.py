"""Finds the errors of a value with jsonschema, for schemas with keywords that we do not know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connector.validation.entries import is_integer, is_number
from connector.validation.keywords import compile_pattern
from connector.validation.violations import FEWEST_STEPS, STEPS_PER_VALUE, size

_steps = threading.local()
"""`_steps.left` is how many keywords jsonschema may still apply in this thread. Schemas that refer
to the same others again and again would need endless steps."""


class TooManySteps(Exception):
    """Ends jsonschema's work on one value."""


class Explainer:
    """One schema, ready for jsonschema, which is imported only here."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        import jsonschema
        from referencing import Registry

        base = jsonschema.Draft202012Validator
        types = base.TYPE_CHECKER.redefine_many(
            {
                "number": lambda _, value: is_number(value),
                "integer": lambda _, value: is_integer(value),
            }
        )
        own = {"pattern": _pattern, "properties": _properties, "uniqueItems": _unique}
        counted = {name: _counted(check) for name, check in {**base.VALIDATORS, **own}.items()}
        extend: Any = jsonschema.validators.extend
        # An empty registry resolves references within the schema only: no file, no network.
        self._validator = extend(base, counted, type_checker=types)(schema, registry=Registry())

    def errors(self, value: Any) -> list[Any]:
        """Return jsonschema's errors.

        Raises TooManySteps, and RecursionError or ValueError for values that jsonschema cannot
        handle.
        """
        _steps.left = FEWEST_STEPS + STEPS_PER_VALUE * size(value)
        return list(self._validator.iter_errors(value))


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arguments: Any) -> Any:
        _steps.left -= 1
        if _steps.left < 0:
            raise TooManySteps
        return check(*arguments)

    return step


def _unique(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[Any]:
    """Like jsonschema's own, which compares all pairs of items if they cannot be sorted."""
    from jsonschema import ValidationError

    if wanted and isinstance(value, list) and len(set(map(_hashable, value))) < len(value):
        yield ValidationError("uniqueItems")


def _hashable(value: Any) -> Any:
    """Return a key that is equal for values that are equal in JSON: 1 and 1.0, but not true."""
    if isinstance(value, dict):
        return dict, frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(_hashable, value))
    if isinstance(value, bool):
        return bool, value
    return value if isinstance(value, str | int | float | None) else id(value)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
    """Like jsonschema's own, but a final `$` is the end of the text."""
    from jsonschema import ValidationError

    if isinstance(value, str) and not compile_pattern(pattern).search(value):
        yield ValidationError("pattern")


def _properties(validator: Any, properties: Any, value: Any, _: Any) -> Iterator[Any]:
    """Like jsonschema's own, but an error of the schema `false` has the property's path."""
    from jsonschema import ValidationError

    kind: Any = None  # the schema `false` refuses values of any type
    for name in properties if isinstance(value, dict) else ():
        if name in value and properties[name] is False:
            yield ValidationError("false", validator=kind, path=[name])
        elif name in value:
            yield from validator.descend(value[name], properties[name], path=name, schema_path=name)
