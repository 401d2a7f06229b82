"""Which addresses a request may go to, checked before anything is sent."""

from __future__ import annotations

import ipaddress

from connector.errors import ConnectorError
from connector.http.reach import Reach

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORBIDDEN_NETWORKS = [
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local: the instance metadata of most clouds
        "fe80::/10",
        "fec0::/10",  # site-local, its predecessor
        "fd00:ec2::/32",  # metadata and credentials over IPv6: AWS, Google, Oracle, Scaleway
        "fd20:ce::254/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:42::42/128",
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # the wire server of Microsoft's cloud
        "192.0.0.192/32",  # Oracle
        "64:ff9b:1::/48",  # NAT64 within a network: only that network knows the address behind it
        "255.255.255.255/32",
        "224.0.0.0/4",
        "ff00::/8",
    )
]
_PRIVATE_NETWORKS = [
    # An explicit list: `is_private` includes addresses for documentation and benchmarks.
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "0.0.0.0/32",  # this machine, as printed by servers that listen on every address
        "::/128",
        "::1/128",
        "fc00::/7",
    )
]
_NOT_PUBLIC_NETWORKS = [
    # What IANA's special-purpose registries do not call globally reachable, besides the networks
    # above. Not `is_global`, because its list depends on the release of Python.
    *_PRIVATE_NETWORKS,
    *(
        ipaddress.ip_network(text)
        for text in (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "100::/64",
            "100:0:0:1::/64",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
            "5f00::/16",
        )
    ),
]
_PUBLIC_NETWORKS = [
    # Parts of the above that the registries call globally reachable.
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.9/32",
        "192.0.0.10/32",
        "2001:1::1/128",
        "2001:1::2/128",
        "2001:1::3/128",
        "2001:3::/32",
        "2001:4:112::/48",
        "2001:20::/28",
        "2001:30::/28",
    )
]
_TRANSLATED = [ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "::ffff:0:0:0/96")]
"""NAT64 and IPv4-translated: the last 32 bits are an IPv4 address."""


def literal(host: str) -> Address | None:
    """Return the address that `host` is, None if it is a name.

    Every notation that a resolver accepts counts: `2852039166`, `0xA9FEA9FE`,
    `0251.0376.0251.0376`, `169.254.43518`.
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if not host[:1].isdigit():
        return None
    import socket  # here: a plain address or name does not need it

    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def check_address(text: str, *, plain: bool) -> None:
    """Raise ConnectorError `blocked_target` if nothing may be sent to this address.

    `plain` means that the connection is not encrypted, which is allowed only to loopback and
    private addresses.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    forms = [address, *_embedded(address)]
    if any(_within(form, _FORBIDDEN_NETWORKS) for form in forms):
        raise blocked("leads to a link-local or metadata address")
    # Translated and tunnelled requests cross public networks, even on the way to a private address.
    itself = getattr(address, "ipv4_mapped", None) or address
    if plain and not _within(itself, _PRIVATE_NETWORKS):
        raise blocked("is plain http to an address that is neither loopback nor private")


def check_reach(host: str, text: str, reach: Reach) -> None:
    """Raise ConnectorError `blocked_target` if `reach` does not allow this address of `host`."""
    address = ipaddress.ip_address(text.partition("%")[0])
    itself = getattr(address, "ipv4_mapped", None) or address
    forms = [itself, *(form for form in _embedded(address) if form != itself)]
    if reach.names(host) or reach.lists(itself) or (reach.public and all(map(_is_public, forms))):
        return
    raise ConnectorError(
        "blocked_target",
        "The endpoint leads to a host that this connector may not reach.",
        hint="Use a public endpoint, or ask the operator to allow this host.",
    )


def _is_public(address: Address) -> bool:
    return _within(address, _PUBLIC_NETWORKS) or not _within(address, _NOT_PUBLIC_NETWORKS)


def _within(address: Address, networks: list[_Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _embedded(address: Address) -> list[Address]:
    """Return the IPv4 addresses that are embedded in an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    compatible = 1 << 32 > int(address) > 0xFFFF
    isatap = int(address) >> 32 & 0xFFFFFFFF in (0x5EFE, 0x2005EFE)
    if compatible or isatap or any(address in network for network in _TRANSLATED):
        found.append(last)
    return [item for item in found if item is not None]


def blocked(reason: str) -> ConnectorError:
    return ConnectorError("blocked_target", reason)
