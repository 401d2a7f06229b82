"""A connection that is ready for requests."""

from typing import NamedTuple

from connector.http.transport import Transport
from connector.providers.authentication import Authentication
from connector.providers.provider import Provider
from connector.providers.tokens import TokenClient


class ReadyConnection(NamedTuple):
    """A connection's provider and authentication, its sockets to the provider and to the token's
    host, and the warnings for each result."""

    provider: Provider
    authentication: Authentication
    transport: Transport
    tokens: TokenClient
    warnings: tuple[str, ...] = ()

    def close(self) -> None:
        """Close the idle sockets; the next request opens new ones."""
        self.transport.close()
        self.tokens.close()
