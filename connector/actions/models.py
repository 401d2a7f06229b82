"""What a connection can reach: the test of a connection, and the choices of the model dropdown."""

from __future__ import annotations

from connector.actions import chat, verdicts
from connector.actions.verdicts import Verdicts
from connector.client import Client
from connector.errors import ConnectorError
from connector.providers.provider import LATEST_DATED

PATH = "/models"

_LIKELY_DEPLOYMENT = "gpt-4o-mini"
"""Asked for where the connection names no deployment; that it is missing proves as much."""

_NAME_A_DEPLOYMENT = (
    "Where only some deployments are served, paste the target URI of one into Endpoint: the test "
    "then asks for that one."
)

_EMPTY: tuple[dict[str, list[str]], ...] = ({}, {"messages": []})
"""Chats without a prompt. Some servers break down over the first, none can bill either."""


def select_model(client: Client) -> list[dict[str, str]]:
    """Return `{"key", "label"}` for each model that the provider lists, sorted.

    A help, never a limit: where models go by the names of deployments, base models are listed.
    The label names the day from which a model is no longer served, where the manifest knows it.
    Empty, with a warning, where the endpoint serves chat but lists no models.
    """
    try:
        names = sorted(_names(client))
    except ConnectorError as error:
        if not (_is_absent(error) or _serves_chat(error, client)):
            raise
        client.warn(
            f"The endpoint lists no models (HTTP {error.http_status}): type the name of a model or "
            "deployment."
        )
        return []
    return [{"key": name, "label": _label(name, client)} for name in names]


def _names(client: Client) -> set[str]:
    listed = client.get(PATH).get("data")
    if not isinstance(listed, list):
        raise client.invalid("The answer has no list of models.")
    ids = (item.get("id") for item in listed if isinstance(item, dict))
    return {name for name in ids if isinstance(name, str) and name}


def _label(name: str, client: Client) -> str:
    day = client.facts(name).retires.get(client.provider.name)
    return f"{name} (until {day})" if day else name


def _is_absent(error: ConnectorError) -> bool:
    """Whether the endpoint has no list at all, rather than one that it refuses or cannot make."""
    return error.http_status in (404, 405, 410, 501)


def _serves_chat(error: ConnectorError, client: Client) -> bool:
    """Whether chat answers where the list failed with `error`."""
    if verdicts.is_final(error):
        return False
    refusal = _ask_chat(client)
    return refusal is None or verdicts.proves_chat(refusal, client)


def _ask_chat(client: Client) -> ConnectorError | None:
    """Return how a chat without a prompt is refused, None where it is answered."""
    model = client.provider.deployment or _LIKELY_DEPLOYMENT
    error = None
    for body in _EMPTY:
        try:
            answer = client.post(chat.PATH, body, model)
        except ConnectorError as refusal:
            error = refusal
        else:
            return None if "choices" in answer else client.invalid("The answer has no choices.")
        if error.http_status != 500:
            break
    return error


def test_connection(client: Client) -> Verdicts:
    """Return a verdict each on endpoint, key and version, by unbilled calls.

    A verdict is `ok`, `failed` where an answer proves it, or `unknown`. The list of models proves
    all three. Where an endpoint has none, a chat request without a prompt, which cannot be
    answered or billed, proves endpoint and key. Raises the ConnectorError of the call that
    failed, with the verdicts as its data.
    """
    try:
        models = _names(client)
    except ConnectorError as error:
        return _without_list(error, client)
    return verdicts.listed(f"{len(models)} models listed", client.provider)


test_connection.__test__ = False  # type: ignore[attr-defined] # a handler, not one of pytest's


def _without_list(error: ConnectorError, client: Client) -> Verdicts:
    """Return the verdicts where the list failed with `error`, which alone need not prove much."""
    if verdicts.is_final(error):
        error.data = verdicts.failed(error, client.provider)
        raise error
    refusal = _ask_chat(client)
    if refusal is None or verdicts.proves_chat(refusal, client):
        client.warn(
            f"The endpoint lists no models (HTTP {error.http_status}); it was tested with a chat "
            "request that has no prompt."
        )
        return verdicts.unlisted(refusal, client.provider)
    if verdicts.is_final(refusal):
        refusal.data = verdicts.failed(refusal, client.provider)
        raise refusal
    if _is_absent(error) and _lists_in_another_version(client):
        error.data = verdicts.wrong_version(client.provider)
    else:
        error.data = verdicts.failed(error, client.provider)
        if client.provider.dated and client.provider.deployment is None:
            error.hint = f"{error.hint or ''} {_NAME_A_DEPLOYMENT}".strip()
    raise error


def _lists_in_another_version(client: Client) -> bool:
    """Whether the list that is not found in the connection's version is there in a good one."""
    provider = client.provider
    if provider.dated in (None, LATEST_DATED):
        return False
    url = provider._replace(dated=LATEST_DATED).url(PATH)
    try:
        answer = client.request("GET", url, {}, None)
        value = client.parsed(answer)
    except (ConnectorError, ValueError):
        return False
    return isinstance(value, dict) and isinstance(value.get("data"), list)
