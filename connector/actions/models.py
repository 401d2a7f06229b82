"""What a connection can reach: the test of a connection, and the choices of the model dropdown."""

from __future__ import annotations

from typing import Any

from connector.errors import ConnectorError
from connector.transport.client import Client

PATH = "/models"


def select_model(client: Client) -> list[dict[str, str]]:
    """Return `{"key", "label"}` for each model that the provider lists, sorted.

    A help, never a limit: where models go by the names of deployments, base models are listed.
    The label names the day from which a model is no longer served, where the manifest knows it.
    """
    names = sorted(_names(client))
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


def test_connection(client: Client) -> dict[str, Any]:
    """Return a verdict each on endpoint, key and version, by an unbilled call.

    A verdict is `ok`, `failed`, or `unknown` where the call did not get far enough to tell.
    Raises the call's ConnectorError, with the verdicts as its data, where one has failed.
    """
    try:
        models = _names(client)
    except ConnectorError as error:
        error.data = _verdicts(error, client)
        raise
    found = f"{len(models)} models listed"
    return {
        "endpoint": _verdict("ok", client.provider.base),
        "key": _verdict("ok", found),
        "version": _verdict("ok", _version(client)),
    }


test_connection.__test__ = False  # type: ignore[attr-defined] # a handler, not one of pytest's


def _version(client: Client) -> str:
    provider = client.provider
    return provider.dated or provider.version or "v1"


def _verdict(verdict: str, message: str) -> dict[str, str]:
    return {"verdict": verdict, "message": message}


def _verdicts(error: ConnectorError, client: Client) -> dict[str, Any]:
    unknown = _verdict("unknown", "not reached")
    failed = _verdict("failed", error.message)
    reached = _verdict("ok", f"{client.provider.base} answered")
    if error.code in ("authentication_failed", "permission_denied"):
        return {"endpoint": reached, "key": failed, "version": unknown}
    names_version = "version" in error.message.lower() or (
        error.code == "not_found" and client.provider.dated is not None
    )
    if error.sent == "rejected" and names_version:
        return {"endpoint": reached, "key": unknown, "version": failed}
    if error.code in ("rate_limited", "quota_exhausted"):
        return {"endpoint": reached, "key": _verdict("ok", error.message), "version": unknown}
    return {"endpoint": failed, "key": unknown, "version": unknown}
