"""Where a request may go: checks of an endpoint, of a caller's path and of a peer's address.

Everything is refused before a byte leaves. Nothing here sends.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from connector.errors import ConnectorError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORBIDDEN_NETWORKS = [
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local: the instance metadata of most clouds
        "fe80::/10",
        "fec0::/10",  # its forerunner, site-local
        "fd00:ec2::/32",  # metadata and credentials over IPv6: AWS, Google, Oracle, Scaleway
        "fd20:ce::254/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:42::42/128",
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # the wire server of Microsoft's cloud
        "192.0.0.192/32",  # Oracle
        "64:ff9b:1::/48",  # NAT64 within a network: which address it means is that network's secret
        "255.255.255.255/32",
        "224.0.0.0/4",
        "ff00::/8",
    )
]
_PRIVATE_NETWORKS = [
    # Written out: `is_private` counts addresses for documentation and benchmarks as well.
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "0.0.0.0/32",  # this machine, as servers print it when they listen everywhere
        "::/128",
        "::1/128",
        "fc00::/7",
    )
]
_TRANSLATED = [ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "::ffff:0:0:0/96")]
"""NAT64 and IPv4-translated: the last 32 bits are an IPv4 address."""

_FORBIDDEN_NAMES = ("metadata", "metadata.google.internal", "metadata.goog", "instance-data")
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\Z")
_BRACKETED = re.compile(r"\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[A-Za-z0-9._-]+)?\](:[0-9]+)?\Z")
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


class Endpoint(NamedTuple):
    """A base address in its parts. `host` is in lower case, `port` None for the scheme's own."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`, an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def parse_endpoint(text: str) -> Endpoint:
    """Return the parts of an endpoint that is allowed.

    https to any host but link-local and metadata ones; plain http only to loopback and private
    hosts. A missing scheme is read as https. Raises ConnectorError `invalid_connection` or
    `blocked_target` with a message that quotes nothing of it.
    """
    bare = "://" not in text and not re.match(r"https?:", text, re.IGNORECASE)
    parts = _split(f"https://{text}" if bare else text)
    if "@" in parts.netloc:
        raise _bad("must not hold a user name or password")
    host = _host(parts)
    _check_host(host, plain=parts.scheme == "http")
    return Endpoint(parts.scheme, host, parts.port, parts.path, parts.query)


def check_proxy(text: str) -> None:
    """Raise ConnectorError `invalid_connection` or `blocked_target` where `text` is not the
    address of a proxy: http or https, perhaps a login, a host, perhaps a port."""
    parts = _split(text)
    if parts.path.strip("/") or parts.query:
        raise _bad("must be an address without a path")
    _check_host(_host(parts), plain=False)


def _split(text: str) -> SplitResult:
    if _CONTROL_OR_SPACE.search(text) or "\\" in text or "#" in text:
        raise _bad("has a space, a line break, a backslash or a #")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _bad("is not a web address") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _bad("must begin with https:// or http://")
    if port == 0:
        raise _bad("has no usable port")
    return parts


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    bracketed = parts.netloc.rpartition("@")[2]
    if "[" in bracketed and not _BRACKETED.match(bracketed):
        raise _bad("has brackets around something that is no IPv6 address")
    return host


def _bad(reason: str) -> ConnectorError:
    return ConnectorError("invalid_connection", reason)


def _check_host(host: str, *, plain: bool) -> None:
    address = literal(host)
    if address is None:
        if not _HOST.match(host) or ".." in host:
            raise _bad("has no usable host name (write international names in their xn-- form)")
        if host in _FORBIDDEN_NAMES:
            raise _blocked("is the address of a metadata service")
        if plain and not _is_local_name(host):
            raise _bad(
                "must begin with https:// (plain http is for this machine and private hosts)"
            )
        return
    check_address(str(address), plain=plain)


def _is_local_name(host: str) -> bool:
    # A name proves nothing: the address behind it is checked once more when it is connected to.
    return "." not in host or host.endswith(_LOCAL_NAMES)


def literal(host: str) -> _Address | None:
    """Return the address that `host` writes out, in any notation that a resolver would take
    (`2852039166`, `0xA9FEA9FE`, `0251.0376.0251.0376`, `169.254.43518`); None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if not host[:1].isdigit():
        return None
    import socket  # a plain address or name needs no resolver

    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def check_address(text: str, *, plain: bool) -> None:
    """Raise ConnectorError `blocked_target` where nothing may be sent to this address.

    `plain` says that the connection is not encrypted: then only loopback and private addresses
    are allowed.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    forms = [address, *_embedded(address)]
    if any(_within(form, _FORBIDDEN_NETWORKS) for form in forms):
        raise _blocked("leads to a link-local or metadata address")
    # An address behind a translation or a tunnel is reached over networks that are not private.
    itself = getattr(address, "ipv4_mapped", None) or address
    if plain and not _within(itself, _PRIVATE_NETWORKS):
        raise _blocked("is plain http to an address that is neither loopback nor private")


def _within(address: _Address, networks: list[_Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _embedded(address: _Address) -> list[_Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    compatible = 1 << 32 > int(address) > 0xFFFF
    isatap = int(address) >> 32 & 0xFFFFFFFF in (0x5EFE, 0x2005EFE)
    if compatible or isatap or any(address in network for network in _TRANSLATED):
        found.append(last)
    return [item for item in found if item is not None]


def _blocked(reason: str) -> ConnectorError:
    return ConnectorError("blocked_target", reason)


def path_fault(url: str) -> str | None:
    """Return why `url` is more than a path and a query below the connection's own host, in
    whatever encoding; None where it is not."""
    if not url.startswith("/"):
        return "must begin with a single slash"
    path, _, query = url.partition("?")
    if _CONTROL_OR_SPACE.search(url):
        return "has white space or a control character"
    if "\\" in url or "#" in url:
        return "has a backslash or a #"
    for part in (path, query):
        if re.search(r"%(?![0-9A-Fa-f]{2})", part):
            return "has a % that is not followed by two hexadecimal digits"
    return _decoded_fault(path)


_LONGEST_SEGMENT = 1024
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_SEPARATORS = frozenset("/\\?#%;\u2044\u2215\u29f8")
"""What ends a segment, begins its parameters or an escape, and what old code pages turn into it."""


def segment_fault(name: str) -> str | None:
    """Return why `name` could be more, or less, than one segment of a path once a server has
    decoded and normalized it; None where it could not."""
    if _PLAIN_SEGMENT.match(name):
        return None
    if len(name) > _LONGEST_SEGMENT:  # to normalize marks that combine costs the square
        return "is too long"
    folded = unicodedata.normalize("NFKC", name)
    if not _SEPARATORS.isdisjoint(folded):
        return "has a character that ends a segment of a path"
    if not folded.isprintable() or not name.isprintable():
        return "has a character that is not printable"
    return None if folded.strip(". ") else "is nothing but dots"


def _decoded_fault(path: str) -> str | None:
    # A server may decode more than once, and a proxy before it may normalise: every layer counts.
    for _ in range(10):
        if path.startswith("//"):
            return "leads to another host"
        if any(_is_dots(segment) for segment in path.split("/")):
            return "has a . or .. segment"
        try:
            decoded = unicodedata.normalize("NFKC", unquote_to_bytes(path).decode())
        except UnicodeDecodeError:
            return "has an escape that is not UTF-8"
        decoded = decoded.replace("\\", "/")
        if re.search(r"[\x00-\x1f\x7f]", decoded):
            return "has a control character"
        if decoded == path:
            return None
        path = decoded
    return "is encoded too often"


def _is_dots(segment: str) -> bool:
    return segment.partition(";")[0].strip() in (".", "..")
