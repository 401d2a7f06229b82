"""What the responses to a connection test show about the endpoint, the key and the version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.errors import ConnectorError
from connector.providers.error_body import lacks_model, refuses_key, refuses_version
from connector.providers.provider import Provider

if TYPE_CHECKING:
    from connector.client import Client

Verdicts = dict[str, dict[str, str]]
"""For each part, `{"verdict": "ok" | "failed" | "unknown", "message": ...}`."""

_UNAVAILABLE = (408, 429, 502, 503, 504)
"""Statuses that another request of the same test would probably get too."""


def is_final(error: ConnectorError) -> bool:
    """Whether another request could show nothing more than this error."""
    if error.http_status is None or error.http_status in _UNAVAILABLE:
        return True
    if error.code in ("authentication_failed", "quota_exhausted"):
        return True
    return refuses_key(error) or refuses_version(error)


def shows_chat(error: ConnectorError, client: Client) -> bool:
    """Whether a chat request failed only for its missing prompt, or because no deployment has that
    name. Services check the path and the key before these.

    `error` is that of the latest response of `client`.
    """
    if "json" not in client.content_type:
        return False
    if refuses_key(error) or refuses_version(error):
        return False
    return error.http_status in (400, 422) or lacks_model(error)


def listed(found: str, provider: Provider) -> Verdicts:
    """Return the verdicts of a connection that lists models."""
    return _verdicts(
        ("ok", provider.base),
        ("ok", found),
        ("ok", _version(provider)),
    )


def unlisted(error: ConnectorError | None, provider: Provider) -> Verdicts:
    """Return the verdicts of a connection that lists no models and serves chat.

    `error` is that of a chat request without a prompt, None if it succeeded.
    """
    version = _version(provider)
    has_default_version = provider.version is None and provider.dated is None
    if has_default_version or (error is not None and error.provider_code == "DeploymentNotFound"):
        verdict = ("ok", version)
    else:
        verdict = ("unknown", f"without a list of models, {version} cannot be checked")
    return _verdicts(
        ("ok", provider.base),
        ("ok", "accepted for chat; no models are listed"),
        verdict,
    )


def wrong_version(provider: Provider) -> Verdicts:
    """Return the verdicts of a connection that works only in another API version."""
    message = f"{_version(provider)} is not served, but another version is"
    return _verdicts(
        ("ok", provider.base),
        ("ok", "accepted with another version"),
        ("failed", message),
    )


def failed(error: ConnectorError, provider: Provider) -> Verdicts:
    """Return the verdicts of a test that ended with `error`."""
    base = provider.base
    reached = ("ok", f"{base} responded")
    unknown = ("unknown", "not reached")
    if error.http_status is None:
        return _verdicts((_unreached(error, provider), error.message), unknown, unknown)
    if error.code in ("rate_limited", "quota_exhausted"):
        return _verdicts(reached, ("ok", error.message), unknown)
    if refuses_version(error):
        return _verdicts(reached, unknown, ("failed", error.message))
    if refuses_key(error):
        return _verdicts(reached, ("failed", error.message), unknown)
    if error.code in ("authentication_failed", "permission_denied"):
        message = f"not accepted here, perhaps for another reason: {error.message}"
        return _verdicts(reached, ("unknown", message), unknown)
    if error.code in ("invalid_response", "unexpected_redirect"):
        return _verdicts(("failed", error.message), unknown, unknown)
    unknown = ("unknown", "no response shows this")
    message = f"{base} responded with {error.http_status}, which is inconclusive: {error.message}"
    return _verdicts(("unknown", message), unknown, unknown)


def _unreached(error: ConnectorError, provider: Provider) -> str:
    """Return the verdict on an endpoint that sent no response."""
    if error.code == "connect_failed":
        return "failed" if provider.proxy is None else "unknown"
    return "failed" if error.code in ("tls_error", "blocked_target") else "unknown"


def _verdicts(
    endpoint: tuple[str, str], key: tuple[str, str], version: tuple[str, str]
) -> Verdicts:
    parts = {"endpoint": endpoint, "key": key, "version": version}
    return {name: {"verdict": word, "message": text} for name, (word, text) in parts.items()}


def _version(provider: Provider) -> str:
    return provider.dated or provider.version or "v1"
