"""The responses of a fault server, as data: the vocabulary of the case files.

No sockets here: `fault_bodies` makes the bytes of a body, `fault_player` sends a response.
"""

from __future__ import annotations

import dataclasses
import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

Stage = Literal["before_read", "after_request", "mid_headers", "mid_body"]
ABSENT: Final = object()
"""The value of `Response.json` when it is not given: None stands for the body `null`."""

Headers = Mapping[str, Any] | list[Any]
"""A mapping (a list as value repeats the header, null removes a default) or a list of pairs."""


class Received(NamedTuple):
    """A request as it arrived: names keep their case, duplicates are kept, chunks are joined."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    version: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case; None when it was not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """The body parsed as JSON; raises `ValueError` when it is not."""
        return jsonlib.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Response:
    """One scripted response: every field is a key of the case files, and they combine freely."""

    # The head. Without a status: 200, or 302 when `redirect` is given.
    status: int | None = None
    reason: str | None = None
    headers: Headers = dataclasses.field(default_factory=dict)
    redirect: str | None = None
    set_cookie: str | list[Any] | None = None
    connection_close: bool = False
    status_line: str | None = None
    header_flood: int = 0
    header_long: int = 0
    bad_header: bool | Literal["no_colon", "nul", "fold", "space"] = False
    interim: list[Any] = dataclasses.field(default_factory=list)
    interim_flood: int = 0

    # The body: at most one of these, or `raw` instead of everything else.
    raw: str | None = None
    json: Any = ABSENT
    text: str | None = None
    body_base64: str | None = None
    repeat: Mapping[str, Any] | None = None
    gzip_bomb: int | None = None
    nan_json: bool = False
    deep_json: int | None = None
    huge_int: int | None = None
    overflow: bool = False
    echo: Literal["headers", "body", "all"] | None = None

    # The codings of the body. `gzip_truncated` may be the number of bytes that are missing.
    gzip: bool = False
    gzip_truncated: bool | int = False
    gzip_corrupt: bool = False
    gzip_nested: bool = False
    deflate: bool | Literal["raw"] = False
    gzip_label: bool = False
    encoding: str | None = None

    # The framing of the body. Without any of these: a true Content-Length.
    content_length: int | None = None
    content_lengths: list[Any] = dataclasses.field(default_factory=list)
    no_length: bool = False
    chunked: bool = False
    chunked_truncated: bool = False
    chunk_size_garbage: bool = False

    # Time, in seconds, and the end of the connection.
    delay_headers: float = 0
    drip_headers: float = 0
    drip: float = 0
    hang: bool = False
    hang_after_headers: bool = False
    hang_after_body: bool = False
    reset: Stage | None = None
    close: Stage | None = None
    close_after: bool = False

    @property
    def code(self) -> int:
        """The status that is sent."""
        return self.status or (200 if self.redirect is None else 302)

    def leaves_at(self, stage: Stage) -> bool:
        """Whether the connection ends at this stage, with a reset or a clean close."""
        return stage in (self.reset, self.close)


ResponseData = Response | Mapping[str, Any]

BODY_KEYS: Final = (
    "json",
    "text",
    "body_base64",
    "repeat",
    "gzip_bomb",
    "nan_json",
    "deep_json",
    "huge_int",
    "overflow",
    "echo",
)
_WITH_RAW: Final = {
    "raw",
    "delay_headers",
    "drip",
    "hang",
    "hang_after_body",
    "reset",
    "close",
}
_DEFAULTS: Final = Response()
_HINTS: Final = get_type_hints(Response)


@overload
def response_from(data: ResponseData) -> Response: ...
@overload
def response_from(data: list[Any] | tuple[Any, ...]) -> list[Response]: ...
def response_from(data: ResponseData | list[Any] | tuple[Any, ...]) -> Response | list[Response]:
    """Turn the data of a case file into a response, or a list of such data into responses.

    Raises `ValueError` on an unknown key, a value of the wrong type, keys that exclude each other.
    """
    if isinstance(data, Response):
        return data
    if isinstance(data, (list, tuple)):
        return [response_from(item) for item in data]
    if unknown := sorted(str(key) for key in data if key not in _HINTS):
        raise ValueError(f"a response has no {', '.join(unknown)}")
    for key, value in data.items():
        if not _accepts(_HINTS[key], value):
            raise ValueError(f"a response's {key} cannot be {value!r}")
    response = Response(**data)
    if response.raw is not None and (useless := sorted(set(data) - _WITH_RAW)):
        raise ValueError(f"raw bytes leave no room for {', '.join(useless)}")
    if response.raw is not None and response.leaves_at("mid_headers"):
        raise ValueError("raw bytes have no headers to stop in: use mid_body")
    if len(bodies := body_keys(response)) > 1:
        raise ValueError(f"a response has one body, not {' and '.join(bodies)}")
    if response.reset and response.close:
        raise ValueError("a response ends by reset or by close, not both")
    return response


def body_keys(response: Response) -> list[str]:
    """The keys that give this response a body: none, or one when it came from `response_from`."""
    return [key for key in BODY_KEYS if getattr(response, key) is not getattr(_DEFAULTS, key)]


def header_pairs(headers: Headers) -> list[tuple[str, str | None]]:
    """The header lines of either notation, in order; None as value removes a default."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [
        (str(name), None if value is None else str(value))
        for name, values in pairs
        for value in (values if isinstance(values, list) else [values])
    ]


def chat_completion(text: str | None = "Hi", **changes: Any) -> dict[str, Any]:
    """A complete response of `/chat/completions`; `changes` replace its top-level fields."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        "system_fingerprint": "fp_test",
    } | changes


def completion(text: str = "Hi", **changes: Any) -> dict[str, Any]:
    """A complete response of `/completions`; `changes` replace its top-level fields."""
    return {
        "id": "cmpl-test",
        "object": "text_completion",
        "created": 1700000000,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    } | changes


def _accepts(hint: Any, value: object) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_accepts(one, value) for one in get_args(hint))
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is Any:
        return True
    if isinstance(value, bool):  # bool is an int: `hang: 1` and `gzip_bomb: true` are mistakes
        return hint is bool
    if hint is float:
        return isinstance(value, (int, float))
    return isinstance(value, NoneType if hint is None else origin or hint)
