"""Chat completions, and the chat call that other actions share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from connector.actions import extra
from connector.client import Client
from connector.errors import ConnectorError
from connector.providers.error_body import rejects

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


_SAMPLING = ("temperature", "top_p")


def create_chat_completion(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the provider's chat.completion object, unchanged.

    What equals the provider's own default is not sent: models that refuse the parameter then
    work, and nothing changes for the others.
    """
    body = {"model": inputs["model"], "messages": inputs["messages"]}
    # Nobody chose the successor of a default: what was asked of the one must not break the other.
    unsampled = client.replaced_model and client.facts(inputs["model"]).reasoning
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
        if parameter in _SAMPLING and unsampled:
            client.warn(f"{inputs['model']} takes no {parameter}: it was not sent.")
            continue
        body[parameter] = value
    body = extra.merge(body, inputs.get("extraParameters"), _OWNED)
    answer = TokenLimit(client).post(PATH, body, inputs.get("maxTokens"))
    choices(answer, client, inputs.get("numChoices", 1))
    return answer


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError for extra parameters that have an input of their own."""
    extra.merge({}, inputs.get("extraParameters"), _OWNED)


class TokenLimit:
    """Sends the longest answer under the name that the server takes.

    Chat servers of today want `max_completion_tokens`, older ones and the legacy API
    `max_tokens`. Where one is refused by name the other is tried, once for the invocation.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names = {PATH: ("max_completion_tokens", "max_tokens")}

    def post(self, path: str, body: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
        """Return the answer to `body`; without a `limit` none is sent."""
        client, model = self._client, body["model"]
        if limit is None:
            return client.post(path, body, model)
        name, other = self._names.get(path, ("max_tokens", "max_completion_tokens"))
        try:
            return client.post(path, {**body, name: limit}, model)
        except ConnectorError as error:
            if not rejects(error, name):
                raise
        client.warn(f"The server refused {name}; {other} was sent in its place.")
        answer = client.post(path, {**body, other: limit}, model)
        self._names[path] = (other, name)
        return answer


def choices(answer: Mapping[str, Any], client: Client, count: int = 1) -> list[dict[str, Any]]:
    """Return the choices of a chat answer in the order of their index, once they are ones.

    As `indexed`. Raises ConnectorError `invalid_response`.
    """
    found = indexed(answer, client, count)
    for choice in found:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise client.invalid("A choice of the answer has no message.")
        if not isinstance(message.get("content"), str | None):
            raise client.invalid("The content of a message of the answer is not a text.")
    return found


def indexed(answer: Mapping[str, Any], client: Client, count: int = 1) -> list[dict[str, Any]]:
    """Return an answer's choices in the order of their index; `count` were asked for, and another
    number is worth a warning: each is billed.

    Raises ConnectorError `invalid_response` where there are none, or they are not objects.
    """
    found = answer.get("choices")
    if not isinstance(found, list) or not found:
        raise client.invalid("The answer has no choices.")
    if not all(isinstance(choice, dict) for choice in found):
        raise client.invalid("A choice of the answer is not an object.")
    if len(found) != count:
        asked = "1 choice" if count == 1 else f"{count} choices"
        client.warn(f"The provider was asked for {asked} and sent {len(found)}.")
    return sorted(found, key=_index)


def _index(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0
