"""The payload of an invocation, read strictly; the same for every door."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from connector.errors import ConnectorError, is_plain, problem, refused, unknown
from connector.text import strict_json
from connector.validation.suggestions import suggester


class Payload(NamedTuple):
    """What a payload holds: `inputs`, empty where it has none, and `connection`, an object or the
    name of a configured one, None where it has none."""

    inputs: Mapping[str, Any]
    connection: Mapping[str, Any] | str | None


NO_INPUTS = "must be an object that maps the keys of inputs to values"
NO_CONNECTION = 'must be an object: {"fields": {...}}, or the name of a configured connection'


def parse(text: bytes | str) -> Payload:
    """Return the payload of a JSON text.

    Raises ConnectorError `invalid_payload` for what is not an object with `inputs` and
    `connection`, and for a duplicated key anywhere in it.
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
        raise refused("invalid_payload", rows, _HINT)
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
                shown = name if is_plain(name) else "..."
                message += f'; inputs go under "inputs": {{"inputs": {{"{shown}": ...}}}}'
            yield problem(unknown(name), message)
    if not isinstance(value.get("inputs"), dict | None):
        yield problem("/inputs", NO_INPUTS)
    if not isinstance(value.get("connection"), dict | str | None):
        yield problem("/connection", NO_CONNECTION)
