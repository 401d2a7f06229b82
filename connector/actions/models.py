"""What a connection can reach: its models, the choices of the dropdown, and the connection test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import chat, verdicts
from connector.actions.verdicts import Verdicts
from connector.errors import ConnectorError
from connector.providers.provider import LATEST_DATED

if TYPE_CHECKING:
    from connector.client import Client

PATH = "/models"

_LIKELY_DEPLOYMENT = "gpt-4o-mini"
"""Used if the connection names no deployment. If the model does not exist, the error still shows
that the endpoint serves chat and accepts the key."""

_NAME_A_DEPLOYMENT = (
    "If the endpoint serves only some deployments, paste the target URI of one into Endpoint; the "
    "test then uses that one."
)

_EMPTY_CHATS: tuple[dict[str, list[str]], ...] = ({}, {"messages": []})
"""Chat requests without a prompt, which cannot be billed. Some servers answer the first with a
500."""


def list_models(inputs: Mapping[str, Any], client: Client) -> list[dict[str, Any]]:
    """Return the provider's model objects, unchanged, sorted by their IDs."""
    return sorted(_models(client), key=lambda item: str(item["id"]))


def select_model(client: Client) -> list[dict[str, str]]:
    """Return `{"key", "label"}` for each model that the provider lists, sorted.

    Users may type other names, because some providers list base models instead of deployments.
    The label gives the day on which a model retires, if the manifest has it. The list is empty,
    with a warning, if the endpoint serves chat but lists no models.
    """
    try:
        names = sorted(_names(client))
    except ConnectorError as error:
        if not (_has_no_list(error) or _serves_chat(error, client)):
            raise
        client.warn(
            f"The endpoint lists no models (HTTP {error.http_status}); type the name of a model or "
            "deployment."
        )
        return []
    return [{"key": name, "label": _label(name, client)} for name in names]


def _models(client: Client) -> list[dict[str, Any]]:
    """Return the objects of the list that have an ID."""
    listed = client.get(PATH).get("data")
    if not isinstance(listed, list):
        raise client.invalid("The response has no list of models.")
    return [item for item in listed if isinstance(item, dict) and _is_id(item.get("id"))]


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _names(client: Client) -> set[str]:
    return {item["id"] for item in _models(client)}


def _label(name: str, client: Client) -> str:
    day = client.facts(name).retires.get(client.provider.name)
    return f"{name} (until {day})" if day else name


def _has_no_list(error: ConnectorError) -> bool:
    """Whether the endpoint has no list of models, as opposed to a list that failed."""
    return error.http_status in (404, 405, 410, 501)


def _serves_chat(error: ConnectorError, client: Client) -> bool:
    """Whether the endpoint serves chat, after the list failed with `error`."""
    if verdicts.is_final(error):
        return False
    chat_error = _try_chat(client)
    return chat_error is None or verdicts.shows_chat(chat_error, client)


def _try_chat(client: Client) -> ConnectorError | None:
    """Return the error of a chat request without a prompt, None if it succeeds."""
    model = client.provider.deployment or _LIKELY_DEPLOYMENT
    found = None
    for body in _EMPTY_CHATS:
        try:
            response = client.post(chat.PATH, body, model)
        except ConnectorError as error:
            found = error
        else:
            return None if "choices" in response else client.invalid("The response has no choices.")
        if found.http_status != 500:
            break
    return found


def test_connection(client: Client) -> Verdicts:
    """Return verdicts on the endpoint, the key and the version, by requests that are not billed.

    A verdict is "ok", "failed" or, if no response shows either, "unknown". The list of models
    tests all three. If an endpoint has no list, a chat request without a prompt, which cannot be
    billed, tests the endpoint and the key. Raises the ConnectorError of the request that failed,
    with the verdicts as its data.
    """
    try:
        models = _names(client)
    except ConnectorError as error:
        return _without_list(error, client)
    return verdicts.listed(f"{len(models)} models listed", client.provider)


test_connection.__test__ = False  # type: ignore[attr-defined] # a handler, not one of pytest's


def _without_list(error: ConnectorError, client: Client) -> Verdicts:
    """Return the verdicts after the list failed with `error`, which alone may prove little."""
    if verdicts.is_final(error):
        error.data = verdicts.failed(error, client.provider)
        raise error
    chat_error = _try_chat(client)
    if chat_error is None or verdicts.shows_chat(chat_error, client):
        client.warn(
            f"The endpoint lists no models (HTTP {error.http_status}); it was tested with a chat "
            "request that has no prompt."
        )
        return verdicts.unlisted(chat_error, client.provider)
    if verdicts.is_final(chat_error):
        chat_error.data = verdicts.failed(chat_error, client.provider)
        raise chat_error
    if _has_no_list(error) and _lists_in_another_version(client):
        error.data = verdicts.wrong_version(client.provider)
    else:
        error.data = verdicts.failed(error, client.provider)
        if client.provider.dated and client.provider.deployment is None:
            error.hint = f"{error.hint or ''} {_NAME_A_DEPLOYMENT}".strip()
    raise error


def _lists_in_another_version(client: Client) -> bool:
    """Whether the endpoint lists models in the latest dated version, though not in its own."""
    provider = client.provider
    if provider.dated in (None, LATEST_DATED):
        return False
    url = provider._replace(dated=LATEST_DATED).url(PATH)
    try:
        value = client.parsed(client.request("GET", url, {}, None))
    except (ConnectorError, ValueError):
        return False
    return isinstance(value, dict) and isinstance(value.get("data"), list)
