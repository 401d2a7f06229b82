"""Reads the body of an error response, and decides which error code it means.

A message may quote the caller's text, so a known sentence counts only at the start of a message.
"""

import re
from typing import Any, NamedTuple

from connector.errors import ConnectorError
from connector.providers import error_table
from connector.providers.error_table import Meaning
from connector.text import strict_json


class ErrorBody(NamedTuple):
    """The parts of a provider's error, None for those that are absent."""

    message: str | None = None
    kind: str | None = None
    code: str | None = None
    param: str | None = None


def read(body: Any) -> ErrorBody:
    """Return the parts of `{"error": {…}}`, also inside a list, of the flat object of some
    gateways, or of FastAPI's object with `detail`."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return ErrorBody()
    error = body.get("error", body)
    if isinstance(error, str):
        return ErrorBody(error)
    if not isinstance(error, dict):
        return ErrorBody()
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and (found := _forwarded(metadata)):
        return found
    message = error.get("message") or error.get("detail")
    if isinstance(message, dict):
        message = message.get("error") or message.get("message")
    return ErrorBody(
        message if isinstance(message, str) else None,
        _text(error.get("type")),
        "content_filter" if _is_filtered(error) else _text(error.get("code")),
        _text(error.get("param")),
    )


def _forwarded(metadata: dict[str, Any]) -> ErrorBody | None:
    """Return the error of the provider behind a router, which forwards it as JSON in a text."""
    raw = metadata.get("raw")
    try:
        body = strict_json.loads(raw) if isinstance(raw, str) else None
    except ValueError:
        return None
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        found = read({"error": {**body["error"], "metadata": None}})
        return found if found.message else None
    return None


def _is_filtered(error: dict[str, Any]) -> bool:
    """Whether an error says, other than in its code, that a filter rejected the text."""
    fields = error.get("provider_specific_fields")
    for place in (error, fields if isinstance(fields, dict) else {}):
        for key in ("innererror", "inner_error"):
            inner = place.get(key)
            if isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation":
                return True
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def name_of(found: ErrorBody) -> str | None:
    """Return the code or the type of an error: the first that the table knows, else the first."""
    names = [name for name in (found.code, found.kind) if name]
    known = [name for name in names if name.lower() in error_table.BY_NAME]
    return next(iter(known or names), None)


def classify(status: int, found: ErrorBody, message: str) -> Meaning:
    """Return what a response with a status of 300 or more means.

    `message` is that of the error, shortened and without secrets.
    """
    if status < 400:
        return Meaning("unexpected_redirect")
    if status in (401, 407):
        return Meaning(error_table.BY_STATUS[status])
    sentence, classes = _unwrapped(message)
    for name in (found.code, found.kind, *classes):
        if name and name.lower() in error_table.BY_NAME:
            return error_table.BY_NAME[name.lower()]
    if status >= 500:
        return Meaning("server_error")
    if status == 413 or (status == 429 and _never_fits(sentence)):
        return error_table.LENGTH
    for statuses, meaning, patterns in error_table.SENTENCES:
        if status in statuses and re.match(f"(?i){'|'.join(patterns)}", sentence):
            return meaning
    if status == 404 and found.param == "model":
        return error_table.MODEL
    return Meaning(error_table.BY_STATUS.get(status, "bad_request"))


def _unwrapped(message: str) -> tuple[str, list[str]]:
    """Return the message inside what gateways put around it, and the names of exceptions there."""
    classes = []
    for _ in range(error_table.MOST_WRAPPERS):
        match = re.match(error_table.WRAPPER, message)
        if not match:
            break
        if match[1]:
            classes.append(match[1])
        message = message[match.end() :]
    return message, classes


_LIMIT = r"(?i)limit:? ([0-9][0-9,]{0,14})"
_REQUESTED = r"(?i)requested:? ([0-9][0-9,]{0,14})"


def _never_fits(message: str) -> bool:
    """Whether the message of a 429 says that this request alone exceeds the limit."""
    _, _, rest = message.lower().partition("request too large")
    limit, requested = _count(_LIMIT, rest), _count(_REQUESTED, rest)
    return limit is not None and requested is not None and requested > limit


_OTHER_API = (
    r"(?i)(is|not) a chat model|did you mean to use v1/|"
    r"(completion|chatcompletion) operation does not work with the specified model"
)


def wants_other_api(error: ConnectorError) -> bool:
    """Whether the provider says that the model needs the other API: chat instead of completions,
    or completions instead of chat."""
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
    """Whether the provider does not support `parameter`. A bad value does not count."""
    return names(error, parameter) and bool(
        re.search(_UNSUPPORTED, f"{error.provider_code} {error.message}")
    )


def names(error: ConnectorError, parameter: str) -> bool:
    """Whether the provider rejected a request and named `parameter` as the reason."""
    if error.http_status not in (400, 422):
        return False
    word = re.compile(rf"(?<![a-z_]){re.escape(parameter)}(?![a-z_])")
    return error.provider_param == parameter or (
        error.provider_param is None and bool(word.search(error.message))
    )


def too_long(error: ConnectorError) -> bool:
    """Whether the provider rejected a text that is too long for the model's context."""
    found = ErrorBody(code=error.provider_code)
    return classify(error.http_status or 0, found, error.message).about == "length"


_CONTEXT = (
    r"(?i)(?:maximum (?:context|prompt|input|model) length (?:is|of)"
    r"|context (?:length|size)(?: of| is)?|configured limit of|tokens allowed|tokens >"
    r"|for model with) \(?([0-9][0-9,]{0,11})"
)
_PROMPT = (
    r"(?i)(?<![0-9,])([0-9][0-9,]{0,11}) (?:tokens )?"
    r"(?:in (?:your|the) (?:prompt|messages|input)|input tokens)"
)


def context_of(error: ConnectorError) -> tuple[int | None, int | None]:
    """Return the numbers of tokens of the model's context and of the prompt, from an error about
    the length of the text. Each is None if the message does not state it."""
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
    """Whether a response proves that the key is wrong.

    It does if it is a 401 that does not blame the organization or the caller's IP address, or
    another error that says so.
    """
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
    """Whether a response says that the api-version is wrong; a 404 alone does not."""
    return error.http_status in (400, 404) and bool(
        re.search(_VERSION, f"{error.provider_code} {error.message}")
    )


_NO_MODEL = (
    r"(?i)\b(model|deployment)\b.{0,140}(not found|not exist|not available|not have access)|"
    r"\b(no such|unknown|invalid) (model|deployment)\b"
)


def lacks_model(error: ConnectorError) -> bool:
    """Whether a response says that the model or deployment does not exist: then the path does."""
    return error.http_status == 404 and (
        error.provider_code in ("DeploymentNotFound", "model_not_found")
        or error.provider_param == "model"
        or bool(re.search(_NO_MODEL, error.message))
    )
