"""Servers that want no key, such as Ollama and vLLM on one's own machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.http.messages import Credentials
from connector.providers.authentication import ApiKey
from connector.providers.openai import openai
from connector.providers.provider import Provider
from connector.text.secrets import Secret


def keyless(fields: Mapping[str, Any]) -> tuple[Provider, ApiKey]:
    """Return where a connection's cleaned fields lead; no request carries credentials.

    Raises ConnectorError `invalid_connection` or `blocked_target` with the field at fault.
    """
    provider = openai(fields)._replace(key_header=("", ""))
    return provider, ApiKey(Credentials(None, "", Secret("")))
