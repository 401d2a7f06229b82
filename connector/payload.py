"""Parses the payload of an invocation; every door uses it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from connector.errors import ConnectorError
from connector.problems import error_of, is_plain_name, problem, unknown_pointer
from connector.text import strict_json
from connector.validation.suggestions import suggester


class Payload(NamedTuple):
    """The parts of a payload.

    `inputs` is empty if absent. `connection` is an object or the name of a configured connection,
    None if absent.
    """

    inputs: Mapping[str, Any]
    connection: Mapping[str, Any] | str | None


NO_INPUTS = "must be an object that maps the keys of inputs to values"
NO_CONNECTION = 'must be an object: {"fields": {...}}, or the name of a configured connection'


def parse(text: bytes | str) -> Payload:
    """Return the payload of a JSON text.

    Raises ConnectorError `invalid_payload` unless it is an object with `inputs` and `connection`,
    without a duplicated key anywhere in it.
    """
    if not text.strip():
        raise ConnectorError("invalid_payload", "The payload is empty.", hint=_HINT)
    try:
        value = strict_json.loads(text, unique=True)
    except ValueError as error:
        message = f"The payload is not strict JSON: {error}."
        hint = _NOT_UTF_8 if "UTF-8" in str(error) else f"{_NOT_JSON} {_HINT}"
        raise ConnectorError("invalid_payload", message, hint=hint) from None
    if not isinstance(value, dict):
        raise ConnectorError("invalid_payload", "The payload is not a JSON object.", hint=_HINT)
    rows = list(_problems(value))
    if rows:
        raise error_of("invalid_payload", rows, _HINT)
    return Payload(value.get("inputs") or {}, value.get("connection"))


_HINT = 'A payload has the keys connection and inputs: {"connection": {...}, "inputs": {...}}.'
_NOT_JSON = "Write JSON, with names and texts in double quotes; YAML is not read."
_NOT_UTF_8 = "Save the payload as UTF-8."


def _problems(value: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    close = suggester()
    for name in value:
        if name not in Payload._fields:
            message = f"is not known here{close(name, Payload._fields)}"
            if message == "is not known here":
                shown = name if is_plain_name(name) else "..."
                message += f'; inputs go under "inputs": {{"inputs": {{"{shown}": ...}}}}'
            yield problem(unknown_pointer(name), message)
    if not isinstance(value.get("inputs"), dict | None):
        yield problem("/inputs", NO_INPUTS)
    if not isinstance(value.get("connection"), dict | str | None):
        yield problem("/connection", NO_CONNECTION)
