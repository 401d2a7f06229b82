"""What a provider's refusal says: the parts of its error, and the code that they amount to.

The codes and sentences are the services' own, kept as tables.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from connector.errors import ConnectorError


class Refusal(NamedTuple):
    """The parts of a provider's error, each None where it is not given."""

    message: str | None = None
    kind: str | None = None
    code: str | None = None
    param: str | None = None


def read(body: Any) -> Refusal:
    """Return the parts of `{"error": {…}}`, of a gateway's flat object, or of FastAPI's."""
    if not isinstance(body, dict):
        return Refusal()
    error = body.get("error", body)
    if isinstance(error, str):
        return Refusal(error)
    if not isinstance(error, dict):
        return Refusal()
    inner = error.get("innererror") or error.get("inner_error")
    inner_code = inner.get("code") if isinstance(inner, dict) else None
    message = error.get("message") or error.get("detail")
    code = error.get("code")
    if inner_code == "ResponsibleAIPolicyViolation":
        code = "content_filter"
    return Refusal(
        message if isinstance(message, str) else None,
        _text(error.get("type")),
        _text(code),
        _text(error.get("param")),
    )


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


_QUOTA = (
    "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded "
    "project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached"
).split()
_BY_CODE = {
    **dict.fromkeys(_QUOTA, "quota_exhausted"),
    **dict.fromkeys(
        ("content_filter", "content_policy_violation", "moderation_blocked"), "content_filtered"
    ),
    "DeploymentNotFound": "not_found",
    "model_not_found": "not_found",
}
_BY_STATUS = {
    401: "authentication_failed",
    402: "quota_exhausted",
    403: "permission_denied",
    404: "not_found",
    407: "permission_denied",
    408: "timeout",
    410: "not_found",
    429: "rate_limited",
    451: "permission_denied",
}
# Compiled where they are used: most processes meet no refusal.
_TOO_LARGE = r"(?is)request too large.*?limit:? ([0-9,]+).*?requested:? ([0-9,]+)"
_OTHER_API = (
    r"(?i)(is|not) a chat model|did you mean to use v1/|"
    r"(completion|chatcompletion) operation does not work with the specified model"
)


def classify(status: int, found: Refusal, message: str) -> str:
    """Return the error code of an answer with a status of 300 or more."""
    if status < 400:
        return "unexpected_redirect"
    if status >= 500:
        return "server_error"
    for name in (found.code, found.kind):
        if name in _BY_CODE and status != 401:
            return _BY_CODE[name]
    if status == 429 and _never_fits(message):
        return "bad_request"
    return _BY_STATUS.get(status, "bad_request")


def _never_fits(message: str) -> bool:
    """Whether a 429 says that this request alone is more than the limit."""
    match = re.search(_TOO_LARGE, message)
    if not match:
        return False
    limit, requested = (int(text.replace(",", "") or "0") for text in match.groups())
    return requested > limit


def wants_other_api(error: ConnectorError) -> bool:
    """Whether the provider says that the model belongs to the other of chat and completions."""
    if error.http_status not in (400, 404):
        return False
    return error.provider_code == "OperationNotSupported" or bool(
        re.search(_OTHER_API, error.message)
    )


_UNSUPPORTED = (
    r"(?i)unsupported|not supported|unrecognized|unrecognised|unknown|unexpected|not permitted|"
    r"not allowed|extra"
)


def rejects(error: ConnectorError, parameter: str) -> bool:
    """Whether the provider does not know `parameter`; a value that it dislikes does not count."""
    return names(error, parameter) and bool(
        re.search(_UNSUPPORTED, f"{error.provider_code} {error.message}")
    )


def names(error: ConnectorError, parameter: str) -> bool:
    """Whether the provider refused a request because of `parameter`, by its name."""
    if error.http_status not in (400, 422):
        return False
    word = re.compile(rf"(?<![a-z_]){re.escape(parameter)}(?![a-z_])")
    return error.provider_param == parameter or (
        error.provider_param is None and bool(word.search(error.message))
    )


def too_long(error: ConnectorError) -> bool:
    """Whether the provider refused a text because it does not fit the model's context."""
    return error.provider_code == "context_length_exceeded" or (
        error.http_status in (400, 413) and "maximum context length" in error.message
    )


_CONTEXT = r"(?i)maximum context length is ([0-9][0-9,]{0,11})"
_PROMPT = (
    r"(?i)(?<![0-9,])([0-9][0-9,]{0,11}) (?:tokens )?"
    r"(?:in (?:your|the) (?:prompt|messages|input)|input tokens)"
)


def context_of(error: ConnectorError) -> tuple[int | None, int | None]:
    """Return the tokens of the model's context and of the prompt that a refusal for their number
    tells, each None where it does not."""
    if not too_long(error):
        return None, None
    return _count(_CONTEXT, error.message), _count(_PROMPT, error.message)


def _count(pattern: str, message: str) -> int | None:
    match = re.search(pattern, message)
    return int(match[1].replace(",", "")) if match else None


_KEY = (
    r"(?i)(not valid|invalid|incorrect|wrong|expired|missing|revoked|disabled).{0,40}{key}|"
    r"{key}.{0,40}(not valid|invalid|incorrect|wrong|expired|missing|revoked|disabled|required)"
).replace("{key}", r"\b(api|access|subscription|authentication)[ _-]?key")
_NOT_THE_KEY = r"(?i)organi[sz]ation|\bip\b"


def refuses_key(error: ConnectorError) -> bool:
    """Whether an answer proves that the key is at fault: a 401, unless it blames the organization
    or the caller's address, or another refusal that says so."""
    if error.http_status not in (400, 401, 403):
        return False
    text = f"{error.provider_code} {error.message}"
    if error.http_status == 401:
        return not re.search(_NOT_THE_KEY, text)
    return error.provider_code == "AuthenticationTypeDisabled" or bool(re.search(_KEY, text))


_VERSION = (
    r"(?i)\bapi[ _-]?version\b.{0,40}\b(not supported|unsupported|not valid|invalid|unknown)\b|"
    r"\b(unsupported|invalid|unknown)[ _-]?api[ _-]?version"
)


def refuses_version(error: ConnectorError) -> bool:
    """Whether an answer says that the api-version is at fault; a mere 404 does not."""
    return error.http_status in (400, 404) and bool(
        re.search(_VERSION, f"{error.provider_code} {error.message}")
    )


_NO_MODEL = (
    r"(?i)\b(model|deployment)\b.{0,140}(not found|not exist|not available|not have access)|"
    r"\b(no such|unknown|invalid) (model|deployment)\b"
)


def lacks_model(error: ConnectorError) -> bool:
    """Whether an answer says that there is no such model or deployment: its path exists, then."""
    return error.http_status == 404 and (
        error.provider_code in ("DeploymentNotFound", "model_not_found")
        or error.provider_param == "model"
        or bool(re.search(_NO_MODEL, error.message))
    )
