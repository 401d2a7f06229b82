"""What the answers to a connection's test prove of its endpoint, its key and its version."""

from __future__ import annotations

from connector.client import Client
from connector.errors import ConnectorError
from connector.providers.error_body import lacks_model, refuses_key, refuses_version
from connector.providers.provider import Provider

Verdicts = dict[str, dict[str, str]]
"""By part: `{"verdict": "ok" | "failed" | "unknown", "message"}`."""

_NO_ANSWER = (408, 429, 502, 503, 504)
"""Statuses after which another request would meet the same."""


def is_final(error: ConnectorError) -> bool:
    """Whether a failure tells all that a test can: another request would prove no more."""
    if error.http_status is None or error.http_status in _NO_ANSWER:
        return True
    if error.code in ("authentication_failed", "quota_exhausted"):
        return True
    return refuses_key(error) or refuses_version(error)


def proves_chat(refusal: ConnectorError, client: Client) -> bool:
    """Whether a chat was refused only for what it lacks: a prompt, or a deployment of that name.

    It is the latest answer of `client`. Services look at the key and the path before.
    """
    if "json" not in client.content_type:
        return False
    if refuses_key(refusal) or refuses_version(refusal):
        return False
    return refusal.http_status in (400, 422) or lacks_model(refusal)


def listed(found: str, provider: Provider) -> Verdicts:
    """Return the verdicts of a connection that lists models."""
    return _verdicts(
        ("ok", provider.base),
        ("ok", found),
        ("ok", _version(provider)),
    )


def unlisted(refusal: ConnectorError | None, provider: Provider) -> Verdicts:
    """Return the verdicts of a connection that lists no models and serves chat; `refusal` is how
    a chat without a prompt was refused, None where it was answered."""
    version = _version(provider)
    known = provider.version is None and provider.dated is None
    if known or (refusal is not None and refusal.provider_code == "DeploymentNotFound"):
        proof = ("ok", version)
    else:
        proof = ("unknown", f"without a list of models nothing proves that {version} is served")
    return _verdicts(
        ("ok", provider.base),
        ("ok", "accepted for chat; no models are listed"),
        proof,
    )


def wrong_version(provider: Provider) -> Verdicts:
    """Return the verdicts of a connection that works in another version than its own."""
    message = f"{_version(provider)} is not served; other versions are"
    return _verdicts(
        ("ok", provider.base),
        ("ok", "accepted in another version"),
        ("failed", message),
    )


def failed(error: ConnectorError, provider: Provider) -> Verdicts:
    """Return the verdicts where the connection could not be shown to work."""
    base = provider.base
    reached = ("ok", f"{base} answered")
    untold = ("unknown", "not reached")
    if error.http_status is None:
        return _verdicts((_unreached(error, provider), error.message), untold, untold)
    if error.code in ("rate_limited", "quota_exhausted"):
        return _verdicts(reached, ("ok", error.message), untold)
    if refuses_version(error):
        return _verdicts(reached, untold, ("failed", error.message))
    if refuses_key(error):
        return _verdicts(reached, ("failed", error.message), untold)
    if error.code in ("authentication_failed", "permission_denied"):
        message = f"not accepted here, perhaps for another reason: {error.message}"
        return _verdicts(reached, ("unknown", message), untold)
    if error.code in ("invalid_response", "unexpected_redirect"):
        return _verdicts(("failed", error.message), untold, untold)
    untold = ("unknown", "no answer tells")
    message = f"{base} answered {error.http_status}, which proves nothing: {error.message}"
    return _verdicts(("unknown", message), untold, untold)


def _unreached(error: ConnectorError, provider: Provider) -> str:
    """Return the verdict on an endpoint that gave no answer."""
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
