"""Checks of single values: a table maps each parameter to one of these small functions.

A check takes the parameter's name and value, and raises the services' error if the value is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from connector.sandbox.responses import ErrorResponse, invalid, missing

Check = Callable[[str, Any], None]

# bool comes before int, because bool is a subclass of int.
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
    (type(None), "null"),
)


def _type_name(value: object) -> str:
    return next(name for kind, name in _TYPE_NAMES if isinstance(value, kind))


def wrong_type(param: str, expected: str, value: object) -> ErrorResponse:
    """Return the error for a value of the wrong JSON type; it does not quote the value."""
    message = (
        f"Invalid type for '{param}': expected {expected}, but got {_type_name(value)} instead."
    )
    return invalid(param, message, "invalid_type")


def _bounds(param: str, value: float, noun: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        message = f"Invalid '{param}': {noun} below minimum value."
        message += f" Expected a value >= {low}, but got {value} instead."
        raise invalid(param, message, f"{noun}_below_min_value")
    if high is not None and value > high:
        message = f"Invalid '{param}': {noun} above maximum value."
        message += f" Expected a value <= {high}, but got {value} instead."
        raise invalid(param, message, f"{noun}_above_max_value")


def number(low: float | None = None, high: float | None = None) -> Check:
    """A JSON number within its bounds."""

    def check(param: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong_type(param, "a decimal", value)
        _bounds(param, value, "decimal", low, high)

    return check


def integer(low: int | None = None, high: int | None = None) -> Check:
    """A JSON integer within its bounds."""

    def check(param: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(param, "an integer", value)
        _bounds(param, value, "integer", low, high)

    return check


def _length(param: str, size: int, noun: str, low: int, high: int | None) -> None:
    if size < low:
        message = f"Invalid '{param}': empty {noun}. Expected a minimum length of {low}."
        raise invalid(param, message, f"{noun}_below_min_length")
    if high is not None and size > high:
        message = f"Invalid '{param}': {noun} too long. Expected a maximum length of {high},"
        raise invalid(param, f"{message} but got {size} instead.", f"{noun}_above_max_length")


def string(low: int = 0, high: int | None = None) -> Check:
    """A string whose length in characters is within its bounds."""

    def check(param: str, value: Any) -> None:
        if not isinstance(value, str):
            raise wrong_type(param, "a string", value)
        _length(param, len(value), "string", low, high)

    return check


def array(item: Check, low: int = 0, high: int | None = None) -> Check:
    """An array whose length is within its bounds and whose items pass their own check."""

    def check(param: str, value: Any) -> None:
        if not isinstance(value, list):
            raise wrong_type(param, "an array", value)
        _length(param, len(value), "array", low, high)
        for index, element in enumerate(value):
            item(f"{param}[{index}]", element)

    return check


def boolean(param: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(param, "a boolean", value)


def record(param: str, value: Any) -> None:
    """Any JSON object."""
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object that has the required fields; other fields are allowed and not checked."""

    def check(param: str, value: Any) -> None:
        record(param, value)
        for name in required:
            if name not in value:
                raise missing(f"{param}.{name}")
        for name, test in {**required, **(optional or {})}.items():
            if name in value:
                test(f"{param}.{name}", value[name])

    return check


def tagged(**checks: Check) -> Check:
    """An object whose `type` names the field that holds its content."""

    def check(param: str, value: Any) -> None:
        fields({"type": choice(*checks)})(param, value)
        name = value["type"]
        fields({name: checks[name]})(param, value)

    return check


def choice(*allowed: str) -> Check:
    """One of a few words."""

    def check(param: str, value: Any) -> None:
        if not isinstance(value, str):
            raise wrong_type(param, f"one of {_listed(allowed)}", value)
        if value not in allowed:
            message = f"Invalid value: '{value[:64]}'. Supported values are: {_listed(allowed)}."
            raise invalid(param, message, "invalid_value")

    return check


def by_type(expected: str, **checks: Check) -> Check:
    """A value that may have several JSON types, each with its own check."""
    kinds = {"text": str, "items": list, "mapping": dict}

    def check(param: str, value: Any) -> None:
        for name, test in checks.items():
            if isinstance(value, kinds[name]):
                test(param, value)
                return
        raise wrong_type(param, expected, value)

    return check


def anything(param: str, value: Any) -> None:
    """Any value."""


# Both services allow at most four stop sequences.
stop = by_type("a string or an array of strings", text=string(), items=array(string(), 1, 4))


def _listed(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def check_body(body: Mapping[str, Any], table: Mapping[str, Check], required: str) -> None:
    """Check a request's parameters against a table; `required` is the mandatory one."""
    unknown = [name for name in body if name not in table]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        named = ", ".join(name[:64] for name in unknown[:10])
        raise invalid(None, f"Unrecognized request argument{plural} supplied: {named}", None)
    if required not in body:
        raise missing(required)
    for name, value in body.items():
        table[name](name, value)
