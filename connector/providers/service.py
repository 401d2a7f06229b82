"""Any other service with a JSON API: an address and a key in a header."""

from __future__ import annotations

from connector.http.messages import Credentials
from connector.providers.authentication import ApiKey
from connector.providers.fields import endpoint_of, field_error
from connector.providers.provider import Provider
from connector.text.secrets import Secret


def service(
    name: str, address: str, key: str, *, header: str = "Authorization", prefix: str = "Bearer "
) -> tuple[Provider, ApiKey]:
    """Return the provider whose paths begin at `address`, and the key that goes in a header.

    `name` is what `meta.provider` says. `prefix` precedes the key in the header. Raises
    ConnectorError `invalid_connection` or `blocked_target` about the field `endpoint`.
    """
    endpoint = endpoint_of(address)
    if endpoint.query:
        raise field_error("endpoint", "Endpoint", "must not have a query (the part after ?)")
    provider = Provider(
        name=name,
        endpoint=endpoint,
        base=endpoint.origin + endpoint.path.rstrip("/"),
        surface="",
        headers={},
        key_header=(header, prefix),
    )
    return provider, ApiKey(Credentials(header, prefix, Secret(key)))
