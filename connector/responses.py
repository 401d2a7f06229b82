"""Reads a response: as JSON, as bytes to decode, or its beginning for a message."""

from __future__ import annotations

from typing import Any

from connector.errors import ConnectorError
from connector.http.messages import Response
from connector.policy.context import Context
from connector.text import strict_json
from connector.text.secrets import Secret

_EXCERPT = 300
"""Characters of a body that a message quotes."""

_MOST_NODES = 1_000_000
"""The most lists and objects in one response; eight times as many values are allowed. Each takes
memory, however small it is on the wire."""


def excerpt(response: Response, secret: Secret) -> str:
    """Return the beginning of a body as one line of text, masked."""
    size = _EXCERPT * 8
    text = response.body[:size].decode(errors="replace").replace("\0", "")
    line = " ".join(text.split())
    # Masked before it is cut, here and where the body itself was cut, because half a key would not
    # be recognized.
    if response.cut or len(response.body) > size:
        return secret.scrub_beginning(line)[:_EXCERPT]
    return secret.scrub_message(line)[:_EXCERPT]


def parsed(response: Response, secret: Secret, context: Context) -> Any:
    """Return the JSON value of a body, its texts masked.

    Raises ValueError if it is not JSON, and ConnectorError `response_too_large` if it has
    too many values.
    """
    text = readable(response, context)
    if text.count(b"[") + text.count(b"{") > _MOST_NODES or text.count(b",") > 8 * _MOST_NODES:
        raise _too_large("has too many values", context)

    def check_time() -> None:
        context.check("unknown")

    hides = secret.is_in(text, check_time)
    value = strict_json.loads(text)
    return secret.scrub_json(value, check_time) if hides else value


def json_object(response: Response, secret: Secret, context: Context) -> dict[str, Any]:
    """Return the JSON object of a body, its texts masked.

    Raises ConnectorError `invalid_response` if it is something else, or an error.
    """
    try:
        value = parsed(response, secret, context)
    except ValueError as error:
        message = f"The response is not JSON ({error})."
        raise invalid(message, response, secret, context) from None
    if not isinstance(value, dict):
        raise invalid("The response is not a JSON object.", response, secret, context)
    # A response of the Responses API says so itself, and may have begun its work.
    if value.get("error") and value.get("object") != "response":
        message = "The response is an error with a success status."
        raise invalid(message, response, secret, context)
    return value


def parsed_error(response: Response) -> Any:
    """Return the JSON value of an error's body, None if it is not JSON. Nothing is masked."""
    try:
        return strict_json.loads(response.body)
    except ValueError:
        return None


def invalid(
    message: str, response: Response | None, secret: Secret, context: Context
) -> ConnectorError:
    """Return the error of a response that cannot be used; given it, its beginning is quoted."""
    begins = ""
    if response and response.body:
        begins = f" It begins: {excerpt(response, secret)}"
    return ConnectorError(
        "invalid_response",
        message + begins,
        sent="unknown",
        http_status=response.status if response else context.http_status,
        request_id=response.request_id if response else context.request_id,
        hint="Check that Endpoint leads to the API itself, not to a web page before it.",
    )


def readable(response: Response, context: Context) -> bytes:
    """Return a body to decode as text.

    Raises ConnectorError `response_too_large` if the text would take more memory than the manifest
    allows. One wide character makes every character of a text wide.
    """
    size = len(response.body) * (1 if response.body.isascii() else 4)
    if size > context.policies.max_text_bytes:
        raise _too_large("is too large to decode as text", context)
    return response.body


def _too_large(what: str, context: Context) -> ConnectorError:
    return ConnectorError(
        "response_too_large",
        f"The response {what}.",
        sent="unknown",
        http_status=context.http_status,
        request_id=context.request_id,
        hint="Ask for less, or for binary data; the limit is maxTextBytes of the manifest.",
    )
