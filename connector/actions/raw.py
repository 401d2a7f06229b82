"""A raw HTTP request: any path below the connection's base address, any body, and the retries
that the inputs ask for."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from urllib3.filepost import encode_multipart_formdata

from connector.actions import files
from connector.errors import ErrorCode
from connector.http.messages import Response
from connector.policy import retry
from connector.problems import error_of, problem
from connector.providers.paths import path_fault
from connector.text import charsets, strict_json
from connector.text.strict_json import UNPAIRED, is_encodable

if TYPE_CHECKING:
    from connector.client import Client

_OWN_HEADERS = frozenset(
    "authorization api-key x-api-key ocp-apim-subscription-key openai-organization cookie "
    "cookie2 set-cookie host content-length transfer-encoding connection keep-alive te trailer "
    "upgrade http2-settings expect accept-encoding proxy proxy-authorization proxy-connection "
    "proxy-authenticate forwarded x-forwarded-host x-host x-original-url x-rewrite-url".split()
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ACCEPT = {"json": "application/json", "text": "text/plain, */*", "binary": "*/*"}

_Problems = list[dict[str, str]]


class _Parts(NamedTuple):
    """The parts of a request, without method and path."""

    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None


def raw_request(inputs: Mapping[str, Any], client: Client) -> Any:
    """Return the body of the response: parsed JSON, text, or a binary object; None if it is
    empty and JSON was expected.

    Raises ConnectorError as `check` does.
    """
    client.show_response()
    query, headers, body = _parts(inputs, ())
    if "accept" not in {name.lower() for name in headers}:
        headers["Accept"] = _ACCEPT[inputs["responseType"]]
    if "timeout" in inputs:
        client.limit_time(inputs["timeout"] / 1000)
    rule = retry.for_raw_request(
        client.policies.raw_retries,
        max_retries=inputs["maxRetries"],
        all_errors=inputs["retryAllErrors"],
        delay_ms=inputs["retryDelayMS"],
        exponential=inputs["useExponentialBackoff"],
    )
    output = client.output if inputs["responseType"] == "binary" else None
    url = client.provider.raw_url(inputs["url"], query)
    # No variable holds the response, so that a reader can free a large body after converting it.
    return _READERS[inputs["responseType"]](
        client.request(inputs["method"], url, headers, body, rule, output), client
    )


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError with every problem of the inputs: `blocked_target` if the URL is more
    than a path, otherwise `invalid_input`, for malformed values and reserved headers.

    `bad` holds the inputs that failed validation; they are missing from `inputs`.
    """
    _parts(inputs, bad)


def _parts(inputs: Mapping[str, Any], bad: Collection[str]) -> _Parts:
    problems: _Problems = []
    blocked = _check_url(inputs.get("url", "/"), problems)
    query = _query(inputs, problems)
    headers = _headers(inputs, problems)
    body, content_type = _body(inputs, bad, problems)
    if problems:
        hint = "Give the path only, such as /v1/models; the connection adds the address."
        code: ErrorCode = "blocked_target" if blocked else "invalid_input"
        raise error_of(code, problems, hint if blocked else None)
    if content_type and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = content_type
    return _Parts(query, headers, body)


def _check_url(url: str, problems: _Problems) -> bool:
    """Add the problem of the URL, if any. Return whether it may lead to another host."""
    if not is_encodable(url):
        problems.append(problem("/inputs/url", UNPAIRED, "URL"))
        return False
    fault = path_fault(url)
    if fault:
        problems.append(problem("/inputs/url", fault, "URL"))
    return fault is not None


def _query(inputs: Mapping[str, Any], problems: _Problems) -> list[tuple[str, str]]:
    query = [(pair["key"], _text(pair["value"])) for pair in inputs.get("queryParams", ())]
    for index, pair in enumerate(query):
        if not is_encodable("".join(pair)):
            problems.append(problem(f"/inputs/queryParams/{index}", UNPAIRED, "Query Parameter"))
    return query


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _headers(inputs: Mapping[str, Any], problems: _Problems) -> dict[str, str]:
    headers: dict[str, str] = {}
    seen: set[str] = set()
    multipart = bool(inputs.get("formData") or inputs.get("fileData"))
    for index, pair in enumerate(inputs.get("headers", ())):
        name, value = pair["key"], _text(pair["value"]).strip(" \t")
        # Some servers read an underscore as a hyphen.
        folded = name.lower().replace("_", "-")
        fault = None
        if not _NAME.match(name):
            fault = "must have a name of letters, digits and hyphens"
        elif folded in _OWN_HEADERS:
            fault = "is reserved for the connector; leave it out"
        elif folded == "content-type" and multipart:
            fault = "is set by the form upload; leave it out"
        elif folded in seen:
            fault = "is duplicated; give it once"
        elif not _VALUE.match(value):
            fault = "has a value with a character that no header may have; leave it out"
        if fault:
            problems.append(problem(f"/inputs/headers/{index}", fault, "Header"))
        seen.add(folded)
        headers[name] = value
    return headers


def _body(
    inputs: Mapping[str, Any], bad: Collection[str], problems: _Problems
) -> tuple[bytes | None, str | None]:
    """Return the body and its content type; both are None if there is no body."""
    data, form, files = (inputs.get(key) for key in ("data", "formData", "fileData"))
    if form or files:
        if data is not None:
            problems.append(
                problem(
                    "/inputs/data",
                    "cannot go with form or file data; leave one of them out",
                    "Data",
                )
            )
        parts = _file_parts(inputs, bad, problems)
        fields: Any = [*_form_parts(form or [], problems), *parts]
        return (None, None) if problems else encode_multipart_formdata(fields)
    if "fileData" not in bad:
        problems.extend(_unmatched(inputs.get("fileDataFileNames", ()), set()))
    if data is None:
        return None, None
    if _is_binary(data):
        return _decoded(data, "/inputs/data", "Data", problems), data["contentType"]
    if isinstance(data, str):
        content_type = "application/json" if _is_json(data) else "text/plain; charset=utf-8"
        return _utf8(data, "/inputs/data", "Data", problems), content_type
    try:
        return strict_json.dumps(data), "application/json"
    except ValueError as error:
        problems.append(problem("/inputs/data", f"is not strict JSON: {error}", "Data"))
        return None, None


def _utf8(text: str, path: str, label: str, problems: _Problems) -> bytes:
    if is_encodable(text):
        return text.encode()
    problems.append(problem(path, UNPAIRED, label))
    return b""


def _is_json(text: str) -> bool:
    try:
        return isinstance(strict_json.loads(text), dict | list)
    except ValueError:
        return False


def _is_binary(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"contentType", "encoding", "data"}
        and value["encoding"] == "base64"
        and all(isinstance(item, str) for item in value.values())
    )


def _decoded(value: Mapping[str, str], path: str, label: str, problems: _Problems) -> bytes:
    if not _VALUE.match(value["contentType"]):
        problems.append(
            problem(f"{path}/contentType", "must be a content type, such as image/png", label)
        )
    try:
        return files.content(value)
    except ValueError:  # not base64, or not even ASCII
        problems.append(problem(f"{path}/data", files.NO_BASE64, label))
        return b""


def _form_parts(form: list[dict[str, Any]], problems: _Problems) -> Iterator[tuple[str, bytes]]:
    for index, pair in enumerate(form):
        path = f"/inputs/formData/{index}"
        _check_name(pair["key"], f"{path}/key", "Form Data", problems)
        yield pair["key"], _utf8(_text(pair["value"]), f"{path}/value", "Form Data", problems)


def _file_parts(
    inputs: Mapping[str, Any], bad: Collection[str], problems: _Problems
) -> Iterator[tuple[str, tuple[str, bytes, str]]]:
    files = inputs.get("fileData") or []
    given = inputs.get("fileDataFileNames") or []
    if "fileData" not in bad:
        problems.extend(_unmatched(given, {pair["key"] for pair in files}))
    names: dict[str, deque[str]] = {}
    for pair in given:
        names.setdefault(pair["key"], deque()).append(_text(pair["value"]))
    for index, pair in enumerate(files):
        key, value = pair["key"], pair["value"]
        path = f"/inputs/fileData/{index}"
        # Files with the same key take the names of that key in order; further files share the last.
        left = names.setdefault(key, deque([key]))
        name = left.popleft() if len(left) > 1 else left[0]
        _check_name(key, f"{path}/key", "File Data", problems)
        _check_name(name, "/inputs/fileDataFileNames", "File Data File Names", problems)
        if isinstance(value, str):
            data = _utf8(value, f"{path}/value", "File Data", problems)
            yield key, (name, data, "text/plain; charset=utf-8")
        else:
            data = _decoded(value, f"{path}/value", "File Data", problems)
            yield key, (name, data, value["contentType"])


def _unmatched(given: Iterable[dict[str, Any]], keys: set[str]) -> _Problems:
    return [
        problem(
            f"/inputs/fileDataFileNames/{index}",
            "names no key of File Data; write the same key there",
            "File Data File Names",
        )
        for index, pair in enumerate(given)
        if pair["key"] not in keys
    ]


def _check_name(name: str, path: str, label: str, problems: _Problems) -> None:
    if _CONTROL.search(name):
        problems.append(problem(path, "has a line break or a control character", label))
    elif not is_encodable(name):
        problems.append(problem(path, UNPAIRED, label))


def _read_json(response: Response, client: Client) -> Any:
    if not response.body:
        return None
    try:
        return client.parsed(response)
    except ValueError as error:
        raise client.invalid(
            f"The response is not JSON ({error}); set Response Type to text or binary.", response
        ) from None


def _read_text(response: Response, client: Client) -> str:
    charset = charsets.of(response.headers.get("content-type", ""))
    return client.mask(client.readable(response).decode(charset, errors="replace"))


_READERS: Mapping[str, Callable[[Response, Client], Any]] = {
    "json": _read_json,
    "text": _read_text,
    "binary": files.binary,
}
