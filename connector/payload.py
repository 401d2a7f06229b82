"""Parses the payload of an invocation; every door uses it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from connector.errors import ConnectorError
from connector.problems import error_of, problem, unknown_pointer
from connector.text import strict_json
from connector.validation.suggestions import suggester


class Payload(NamedTuple):
    """The parts of a payload.

    `inputs` is empty if absent. `connection` is an object or the name of a configured connection,
    None if absent.
    """

    inputs: Mapping[str, Any]
    connection: Mapping[str, Any] | str | None


def parse(text: bytes | str) -> Payload:
    """Return the payload of a JSON text.

    Raises ConnectorError `invalid_payload` unless it is an object with `inputs` and `connection`,
    without a duplicated key anywhere in it.
    """
    try:
        value = strict_json.loads(text, unique=True)
    except ValueError as error:
        message = f"The payload is not strict JSON: {error}."
        raise ConnectorError("invalid_payload", message, hint=_HINT) from None
    if not isinstance(value, dict):
        raise ConnectorError("invalid_payload", "The payload is not a JSON object.", hint=_HINT)
    rows = list(_problems(value))
    if rows:
        raise error_of("invalid_payload", rows, _HINT)
    return Payload(value.get("inputs") or {}, value.get("connection"))


_HINT = 'A payload has the keys connection and inputs: {"connection": {...}, "inputs": {...}}.'


def _problems(value: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    close = suggester()
    for name in value:
        if name not in Payload._fields:
            yield problem(unknown_pointer(name), f"is not known here{close(name, Payload._fields)}")
    if not isinstance(value.get("inputs"), dict | None):
        yield problem("/inputs", "must be an object")
    if not isinstance(value.get("connection"), dict | str | None):
        yield problem("/connection", "must be an object, or the name of a configured connection")
