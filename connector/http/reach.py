"""Which hosts may be dialled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


class Reach:
    """The hosts that connections may lead to, decided by the address that is dialled.

    `public` allows every address of the public internet. `allow` lists more: networks
    ("10.1.0.0/16"), addresses, and host names, which may have any address. Link-local and metadata
    addresses are always refused. Raises ValueError for an invalid entry.
    """

    def __init__(self, public: bool = True, allow: Iterable[str] = ()) -> None:
        import ipaddress  # here: most connectors do not limit their reach

        if isinstance(allow, str):
            raise ValueError("allow must be a list of networks, addresses and host names")
        self.public = public
        self.allow = tuple(allow)
        self._networks = []
        self._names = set()
        for entry in self.allow:
            if not isinstance(entry, str):  # ipaddress takes numbers and bytes too
                raise ValueError(f"{entry!r} is not a text")
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                name = entry.strip().rstrip(".").lower()
                if not name or not set(name) <= _IN_NAMES or name.replace(".", "").isdigit():
                    raise ValueError(
                        f"{entry!r} is not a network, an address or a host name"
                    ) from None
                self._names.add(name)

    def __repr__(self) -> str:
        return f"Reach(public={self.public}, allow={self.allow})"

    def names(self, host: str) -> bool:
        """Whether `allow` lists this host by its name."""
        return host.strip("[]").rstrip(".").lower() in self._names

    def lists(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether a network or an address of `allow` holds this address."""
        networks = self._networks
        return any(address in network for network in networks if network.version == address.version)


_IN_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
