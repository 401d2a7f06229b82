"""The proxy of a connection: its address is checked, and its login masked."""

from __future__ import annotations

from urllib.parse import unquote

from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.providers import endpoint


def check(address: str | None, other: ConnectorError | None = None) -> None:
    """Check the address of a proxy; None stands for no proxy.

    Raises ConnectorError `invalid_connection` or `blocked_target`, with the problems of `other`
    before its own.
    """
    try:
        if address:
            endpoint.check_proxy(address)
    except ConnectorError as error:
        row = problem("/connection/fields/proxy", error.message, "Proxy")
        if other is None:
            raise error_of(error.code, [row]) from None
        raise error_of(other.code, [*(other.details or ()), row], other.hint) from None


def secrets(address: str | None) -> list[str]:
    """Return what to mask of a proxy's address: all of it, its login, its password."""
    if not address:
        return []
    login = address.partition("://")[2].rpartition("@")[0]
    plain = unquote(login)
    _, _, password = login.partition(":")
    return [address, login, plain, password, unquote(password)]
