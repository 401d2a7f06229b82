"""A connection made ready to be called."""

from typing import NamedTuple

from connector.http.transport import Transport
from connector.providers.authentication import Authentication
from connector.providers.provider import Provider


class ReadyConnection(NamedTuple):
    """Where a connection leads, how it proves who it is, the way there, and warnings for each
    result."""

    provider: Provider
    authentication: Authentication
    transport: Transport
    warnings: tuple[str, ...] = ()
