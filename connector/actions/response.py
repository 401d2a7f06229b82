"""Responses of the Responses API, at once or in the background."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import extra
from connector.actions.response_events import ResponseEvents
from connector.errors import ConnectorError
from connector.providers.paths import segment_fault

if TYPE_CHECKING:
    from connector.client import Client

PATH = "/responses"

_OWNED = {
    "model": "Model / Deployment Name",
    "input": "Input",
    "instructions": "Instructions",
    "temperature": "Temperature",
    "top_p": "top_p",
    "max_output_tokens": "Max Tokens",
    "tools": "Tools",
    "previous_response_id": "Previous Response ID",
    "background": "Background",
}
"""Parameters that have an input of their own, and the label of that input."""

_PARAMETERS = (
    ("instructions", "instructions", None),
    ("temperature", "temperature", 1),
    ("top_p", "topP", 1),
    ("max_output_tokens", "maxTokens", None),
    ("tools", "tools", None),
    ("previous_response_id", "previousResponseId", None),
    ("background", "background", False),
)
"""Each parameter, its input, and the provider's default, which is not sent."""

_UNDER_WAY = ("queued", "in_progress")
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 5.0
"""Seconds between two looks at a response in the background."""

_STATUSES = {"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 408}
"""The status that a failure would have had, by its code; 400 for all others."""


def create_response(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the provider's response object, unchanged, once it is complete.

    In the background the provider answers at once, and the response is looked at until it is
    complete. If the call is cancelled, so is the response. If its time is over or a look fails, the
    response goes on, and the data of the error has its ID. Raises the error that a failed response
    reports.
    """
    body = {"model": inputs["model"], "input": inputs["input"]}
    # The user chose these values for the default model, not for the successor that replaced it.
    skips_sampling = client.replaced_model and client.facts(inputs["model"]).reasoning
    for parameter, key, default in _PARAMETERS:
        value = inputs.get(key, default)
        if value == default:
            continue
        if parameter in ("temperature", "top_p") and skips_sampling:
            client.warn(f"{inputs['model']} does not support {parameter}; it was not sent.")
            continue
        body[parameter] = value
    body = extra.merge(body, inputs.get("extraParameters"), _OWNED)
    # In the background nobody reads a stream: the response is looked at instead.
    events = None if inputs.get("background") else ResponseEvents
    response = client.post(PATH, body, inputs["model"], events)
    if events is None and response.get("status") in _UNDER_WAY:
        response = _finished(response, client)
    return _checked(response, client)


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` if an extra parameter has an input of its own."""
    extra.merge({}, inputs.get("extraParameters"), _OWNED)


def _finished(response: dict[str, Any], client: Client) -> dict[str, Any]:
    """Return a response that is under way once it is complete."""
    name = response.get("id")
    if not isinstance(name, str) or segment_fault(name):
        raise client.invalid("The response is under way and has no usable ID.")
    path = f"{PATH}/{name}"
    goes_on = False
    wait = _FIRST_WAIT
    try:
        while response.get("status") in _UNDER_WAY:
            client.wait(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)
            response = client.get(path)
        goes_on = True
    except ConnectorError as error:
        goes_on = not client.interrupted
        error.data = response
        if goes_on:
            error.hint = f"It goes on: a Raw Request with GET /v1{path} returns the response."
        raise
    finally:  # also where an engine's exception ends the call
        if not goes_on:
            client.send_last(f"{path}/cancel")
    return response


def _checked(response: dict[str, Any], client: Client) -> dict[str, Any]:
    """Return a response that is no failure, with a warning if it is incomplete."""
    if not isinstance(response.get("output"), list):
        raise client.invalid("The response has no output.")
    status, failure = response.get("status"), response.get("error")
    if status == "failed" or failure:
        failure = failure if isinstance(failure, dict) else {}
        error = client.failure({"error": failure}, _STATUSES.get(str(failure.get("code")), 400))
        error.data = response
        raise error
    if status == "cancelled" or status in _UNDER_WAY:
        error = client.invalid("The response is not complete.")
        if status == "cancelled":
            error = ConnectorError("cancelled", "The response was cancelled.", sent="unknown")
        error.data = response
        raise error
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        client.warn(f"The response is incomplete ({reason}).")
    return response
