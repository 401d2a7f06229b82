"""Requests, credentials and responses as values."""

from collections.abc import Mapping
from typing import NamedTuple

from connector.text.secrets import Secret


class Request(NamedTuple):
    """One request, without its credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Credentials(NamedTuple):
    """The header that authenticates a request, added at the last moment.

    Its value is `prefix` and the secret; `header` is None if none is sent. `secret` also masks
    every other text of the connection that must not be shown.
    """

    header: str | None
    prefix: str
    secret: Secret


class Response(NamedTuple):
    """A whole response.

    Header names are in lower case, their values masked. The body is decompressed and not masked:
    mask what you take from it. `cut` means that the body is incomplete; only an error's may be.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    cut: bool = False


class Limits(NamedTuple):
    """The largest body of a success and of an error, in bytes after decompression."""

    body: int
    error: int
