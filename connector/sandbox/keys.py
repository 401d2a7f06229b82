"""Authentication: the keys of both services, and keys that fail on purpose."""

from __future__ import annotations

from collections.abc import Mapping

from connector.sandbox.responses import (
    ErrorResponse,
    Surface,
    azure_error,
    openai_error,
    surface_error,
)

OPENAI_KEY = "sk-sandbox"
AZURE_KEY = "sandbox-azure-key-00000000000000"

_WRONG_WORDS = ("wrong", "invalid", "bad", "revoked")


def authenticate(surface: Surface, method: str, headers: Mapping[str, str]) -> None:
    """Raise the error for a key that is missing, wrong, forbidden or out of quota."""
    key = _openai_key(headers) if surface == "openai" else _azure_key(surface, headers)
    if "forbidden" in key:
        raise surface_error(
            surface,
            403,
            "Access from your country, region, network or project is not allowed.",
            code="unsupported_country_region_territory",
            kind="request_forbidden",
        )
    if "noquota" in key and method == "POST":
        raise quota_exceeded()


def quota_exceeded() -> ErrorResponse:
    """Return the error for an exhausted quota; both services use the same code."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return openai_error(429, message, code="insufficient_quota", kind="insufficient_quota")


def wrong_key(key: str) -> ErrorResponse:
    """Return the error of OpenAI for a wrong key."""
    message = f"Incorrect API key provided: {mask(key)}."
    message += " You can find your API key at https://platform.openai.com/account/api-keys."
    return openai_error(401, message, code="invalid_api_key")


def mask(key: str) -> str:
    """Shorten a key for display: at most half of it remains."""
    return f"{key[:5]}***{key[-2:]}" if len(key) >= 14 else f"{key[:2]}***"


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _openai_key(headers: Mapping[str, str]) -> str:
    key = _bearer(headers)
    if not key:
        message = "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'."
        raise openai_error(401, message)
    if not key.startswith("sk-") or any(word in key.lower() for word in _WRONG_WORDS):
        raise wrong_key(key)
    organization = headers.get("openai-organization", "")
    if "wrong" in organization.lower():
        raise openai_error(
            401, f"No such organization: {organization[:64]}.", code="invalid_organization"
        )
    return key


def _azure_key(surface: Surface, headers: Mapping[str, str]) -> str:
    key = headers.get("api-key", "") or (_bearer(headers) if surface == "azure" else "")
    if not key or key.startswith("sk-") or any(word in key.lower() for word in _WRONG_WORDS):
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        message += " Use a key of this resource and the endpoint of its region."
        raise azure_error(401, message)
    return key
