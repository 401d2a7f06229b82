"""A kind of connection whose token comes from another host (OAuth's client credentials)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from connector.policy.deadline import Deadline
from connector.providers.authentication import Token, TokenAuthentication
from connector.providers.openai import openai
from connector.providers.provider import Provider
from connector.providers.tokens import TokenClient


def now() -> float:
    """Return the time by which tokens expire; tests replace it."""
    return time.monotonic()


def connect(fields: Mapping[str, Any], tokens: TokenClient) -> tuple[Provider, TokenAuthentication]:
    """Return where the fields lead, and the token for it."""
    secret = fields["clientSecret"]

    def fetch(deadline: Deadline) -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": fields["clientId"],
            "client_secret": secret,
        }
        found = tokens.post_form(fields["tokenUrl"], form, deadline, secret)
        return Token(found.get("access_token", ""), found.get("expires_in"))

    return openai(fields), TokenAuthentication(fetch, secret, monotonic=lambda: now())
