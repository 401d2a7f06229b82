"""Parses and checks the endpoint of a connection, and the address of its proxy."""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from connector.errors import ConnectorError
from connector.http.addresses import blocked, check_address, literal
from connector.providers.paths import CONTROL_OR_SPACE

_FORBIDDEN_NAMES = ("metadata", "metadata.google.internal", "metadata.goog", "instance-data")
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\Z")
_BRACKETED = re.compile(r"\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[A-Za-z0-9._-]+)?\](:[0-9]+)?\Z")


class Endpoint(NamedTuple):
    """The parts of a base address. `host` is in lower case, `port` None if it is the default."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def parse_endpoint(text: str) -> Endpoint:
    """Return the parts of an endpoint, if it is allowed.

    https is allowed to every host except link-local and metadata addresses, plain http only to
    loopback and private hosts. A missing scheme means https. Raises ConnectorError
    `invalid_connection` or `blocked_target`, with a message that does not quote `text`.
    """
    bare = "://" not in text and not re.match(r"https?:", text, re.IGNORECASE)
    parts = _split(f"https://{text}" if bare else text)
    if "@" in parts.netloc:
        raise bad_endpoint("must not hold a user name or password")
    host = _host(parts)
    _check_host(host, plain=parts.scheme == "http")
    return Endpoint(parts.scheme, host, parts.port, parts.path, parts.query)


def check_proxy(text: str) -> None:
    """Check the address of a proxy: http or https, a host, and optionally a login and a port.

    Raises ConnectorError `invalid_connection` or `blocked_target`.
    """
    parts = _split(text)
    if parts.path.strip("/") or parts.query:
        raise bad_endpoint("must be an address without a path")
    _check_host(_host(parts), plain=False)


def _split(text: str) -> SplitResult:
    if CONTROL_OR_SPACE.search(text) or "\\" in text or "#" in text:
        raise bad_endpoint("has a space, a line break, a backslash or a #")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise bad_endpoint("is not a web address") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise bad_endpoint("must begin with https:// or http://")
    if port == 0:
        raise bad_endpoint("has no usable port")
    return parts


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    bracketed = parts.netloc.rpartition("@")[2]
    if "[" in bracketed and not _BRACKETED.match(bracketed):
        raise bad_endpoint("has brackets around something that is not an IPv6 address")
    return host


def bad_endpoint(reason: str) -> ConnectorError:
    return ConnectorError("invalid_connection", reason)


def _check_host(host: str, *, plain: bool) -> None:
    address = literal(host)
    if address is None:
        if not _HOST.match(host) or ".." in host:
            raise bad_endpoint(
                "has no usable host name (write international names in their xn-- form)"
            )
        if host in _FORBIDDEN_NAMES:
            raise blocked("is the address of a metadata service")
        if plain and not _is_local_name(host):
            raise bad_endpoint(
                "must begin with https:// (plain http is for this machine and private hosts)"
            )
        return
    check_address(str(address), plain=plain)


def _is_local_name(host: str) -> bool:
    # A name proves nothing: its address is checked again before a connection is made.
    return "." not in host or host.endswith(_LOCAL_NAMES)
