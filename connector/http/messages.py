"""What goes to a host and what comes back, as values."""

from collections.abc import Mapping
from typing import NamedTuple

from connector.text.secrets import Secret


class Request(NamedTuple):
    """One request as it goes on the wire, without its credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Credentials(NamedTuple):
    """The header that proves who sends a request, added at the last moment.

    Its value is `prefix` and the secret; `header` is None where none is sent. `secret` also masks
    every other text that belongs to the connection and must not be shown.
    """

    header: str | None
    prefix: str
    secret: Secret


class Response(NamedTuple):
    """A whole response. Header names are in lower case, their values masked. The body is
    decompressed and may still quote a secret: mask it before it is passed on. `cut` says that the
    body is only the beginning of one, as an error's may be."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    cut: bool = False


class Limits(NamedTuple):
    """The largest body of a success and of an error, in bytes after decompression."""

    body: int
    error: int
