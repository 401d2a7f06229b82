"""Connections with an API key, and the environment variables that describe one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from connector.errors import ConnectorError
from connector.http.messages import Credentials
from connector.providers.authentication import ApiKey, Authentication
from connector.providers.azure import azure
from connector.providers.openai import openai
from connector.providers.provider import Provider
from connector.text.secrets import Secret


def connect(fields: Mapping[str, Any], _: object = None) -> tuple[Provider, Authentication]:
    """Return the provider that the cleaned fields of a connection lead to, and its key.

    Raises ConnectorError `invalid_connection` or `blocked_target` that names the invalid field.
    """
    if "apiKey" not in fields:
        raise ConnectorError("invalid_manifest", "This kind of connection has no field apiKey.")
    key = fields["apiKey"]
    try:
        found = openai(fields) if fields.get("isOpenAIKey") else azure(fields)
    except ConnectorError as error:
        # Only without an address, because gateways use such keys too.
        addressed = fields.get("endpoint") or fields.get("organization")
        if not fields.get("isOpenAIKey") and not addressed and key.startswith("sk-"):
            hint = "The key looks like one of OpenAI's: set Is OpenAI Key to true."
            error.hint = f"{hint} {error.hint or ''}".rstrip()
        raise
    header, prefix = found.key_header
    return found, ApiKey(Credentials(header, prefix, Secret(key)))


def lacks(fields: Collection[str]) -> str | None:
    """Return what a kind of connection with these fields lacks, None if it lacks nothing."""
    if "apiKey" not in fields:
        return "must have a field apiKey"
    if not {"endpoint", "organization", "isOpenAIKey"}.intersection(fields):
        return "must have a field endpoint, organization or isOpenAIKey, which leads to a provider"
    return None


# The variable of each field. The first row whose key is set decides the provider.
_USUAL: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    (
        "AZURE_OPENAI_API_KEY",
        {"isOpenAIKey": False},
        {"endpoint": "AZURE_OPENAI_ENDPOINT", "apiVersion": "OPENAI_API_VERSION"},
    ),
    (
        "OPENAI_API_KEY",
        {"isOpenAIKey": True},
        {"organization": "OPENAI_ORG_ID", "endpoint": "OPENAI_BASE_URL"},
    ),
)


# What our own variables add to either.
_OWN = {"proxy": "CONNECTOR_PROXY", "caFile": "CONNECTOR_CA_FILE"}


def from_environment(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the connection that the services' usual variables and our own describe, None for
    none."""
    for key, fixed, others in _USUAL:
        if environment.get(key):
            names = {**others, **_OWN}
            found = {f: environment[name] for f, name in names.items() if environment.get(name)}
            return {"fields": {"apiKey": environment[key], **fixed, **found}}
    return None


def usual_help() -> str:
    """Return, for a person, the services' usual variables that make a connection."""
    return ", or ".join(f"{key} with {' and '.join(o.values())}" for key, _, o in _USUAL)


def environment_help() -> str:
    """Return, for a person, the variables that `from_environment` reads."""
    return f"{usual_help()}; with either, {' and '.join(_OWN.values())}"
