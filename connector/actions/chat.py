"""Chat completions, and the chat request that other actions share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import extra, tools, vision
from connector.actions.chunks import ChatChunks
from connector.errors import ConnectorError
from connector.problems import error_of
from connector.providers.error_body import rejects

if TYPE_CHECKING:
    from connector.client import Client

PATH = "/chat/completions"

_OWNED = {
    "model": "Model / Deployment Name",
    "messages": "Messages",
    "temperature": "Temperature",
    "top_p": "top_p",
    "n": "Number of choices",
    "max_tokens": "Max Tokens",
    "max_completion_tokens": "Max Tokens",
    "stop": "Stop Sequences",
    "response_format": "Response Format",
}
"""Parameters that have an input of their own, and the label of that input."""

_TOOLS = (("tools", "tools", "Tools"), ("toolChoice", "tool_choice", "Tool Choice"))
"""Inputs, their parameters and labels."""

_SAMPLING = ("temperature", "top_p")


def create_chat_completion(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the provider's chat.completion object, unchanged.

    A value that equals the provider's default is not sent, so that models which reject the
    parameter work too. Raises ConnectorError as `check` does.
    """
    check(inputs, ())
    messages = vision.with_images(inputs["messages"], inputs.get("images", ()))
    body = {"model": inputs["model"], "messages": messages}
    # The user chose these values for the default model, not for the successor that replaced it.
    skips_sampling = client.replaced_model and client.facts(inputs["model"]).reasoning
    for parameter, key, default in (
        ("temperature", "temperature", 1),
        ("top_p", "topP", 1),
        ("n", "numChoices", 1),
        ("stop", "stop", None),
        ("response_format", "responseFormat", None),
    ):
        value = inputs.get(key, default)
        if value == default:
            continue
        if parameter in _SAMPLING and skips_sampling:
            client.warn(f"{inputs['model']} does not support {parameter}; it was not sent.")
            continue
        body[parameter] = value
    if "tools" in inputs:
        body["tools"] = inputs["tools"]
    if "toolChoice" in inputs:
        body["tool_choice"] = tools.choice(inputs)
    body = extra.merge(body, inputs.get("extraParameters"), _owned(inputs))
    response = TokenLimit(client).post(PATH, body, inputs.get("maxTokens"), ChatChunks)
    found = choices(response, client, inputs.get("numChoices", 1))
    if calls := tools.calls(found, body.get("tools")):
        client.tell("toolCalls", calls)
    return response


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` for images and tools that cannot be sent, and for an
    extra parameter that has an input of its own."""
    problems = vision.problems(inputs)
    problems += tools.problems(inputs, bad)
    problems += extra.problems(inputs.get("extraParameters"), _owned(inputs))
    if problems:
        raise error_of("invalid_input", problems)


def _owned(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that inputs set; those of tools may be extra if their input is blank,
    as they were before it existed."""
    return {**_OWNED, **{name: label for key, name, label in _TOOLS if key in inputs}}


class TokenLimit:
    """Sends the token limit under the parameter name that the server accepts.

    Current chat servers expect `max_completion_tokens`; older ones and the legacy API expect
    `max_tokens`. If the server rejects one name, the other is tried, and kept if it works.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names = {PATH: ("max_completion_tokens", "max_tokens")}

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        limit: int | None,
        chunks: type[ChatChunks] | None = None,
    ) -> dict[str, Any]:
        """Return the response to `body`. A `limit` of None sends no limit. With `chunks` it may be
        streamed; see `Client.post`."""
        client, model = self._client, body["model"]
        if limit is None:
            return client.post(path, body, model, chunks)
        name, other = self._names.get(path, ("max_tokens", "max_completion_tokens"))
        try:
            return client.post(path, {**body, name: limit}, model, chunks)
        except ConnectorError as error:
            if not rejects(error, name):
                raise
        client.warn(f"The server rejected {name}; {other} was sent instead.")
        response = client.post(path, {**body, other: limit}, model, chunks)
        self._names[path] = (other, name)
        return response


def choices(response: Mapping[str, Any], client: Client, count: int = 1) -> list[dict[str, Any]]:
    """Return the choices of a chat response, sorted by index; see `indexed`.

    Raises ConnectorError `invalid_response` if a choice has no message, or one whose content
    is not text.
    """
    found = indexed(response, client, count)
    for choice in found:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise client.invalid("A choice in the response has no message.")
        if not isinstance(message.get("content"), str | None):
            raise client.invalid("The content of a message in the response is not text.")
    return found


def indexed(response: Mapping[str, Any], client: Client, count: int = 1) -> list[dict[str, Any]]:
    """Return the choices of a response, sorted by index.

    `count` is the number requested; a different number adds a warning, since each choice is
    billed. Raises ConnectorError `invalid_response` if there are no choices, or one is not an
    object.
    """
    found = response.get("choices")
    if not isinstance(found, list) or not found:
        raise client.invalid("The response has no choices.")
    if not all(isinstance(choice, dict) for choice in found):
        raise client.invalid("A choice in the response is not an object.")
    if len(found) != count:
        requested = "1 choice" if count == 1 else f"{count} choices"
        client.warn(f"The provider was asked for {requested} and sent {len(found)}.")
    return sorted(found, key=_index)


def _index(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0
