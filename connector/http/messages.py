"""What goes to a provider and what comes back, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    pass


class Request(NamedTuple):
    """One request as it goes on the wire, but for the key."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Response(NamedTuple):
    """A whole answer. Header names are in lower case; the body is decoded of its compression, and
    may quote the key: who passes it on masks it. The headers are masked already. `cut`: the body
    is only the beginning of one, as that of an error may be."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    cut: bool = False


class Limits(NamedTuple):
    """The largest body of an answer, and of an error, in bytes after decompression."""

    body: int
    error: int
