"""Requests to the host that issues tokens, which is not the provider's host."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from connector.errors import ConnectorError, ErrorCode
from connector.http.messages import Credentials, Limits, Request
from connector.http.reach import Reach
from connector.http.transport import Transport
from connector.policy import retry_after
from connector.policy.deadline import Deadline
from connector.providers import proxy as proxies
from connector.providers.endpoint import parse_endpoint
from connector.text import strict_json
from connector.text.secrets import Secret

_LIMITS = Limits(body=1 << 20, error=1 << 16)
_HEADERS = {
    "User-Agent": "connector",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/x-www-form-urlencoded",
}


def _code_of(status: int) -> ErrorCode:
    """Return the code of an error response of a token host; only temporary failures are retried."""
    if status < 400:
        return "unexpected_redirect"
    if status == 429:
        return "rate_limited"
    if status == 408 or status >= 500:
        return "server_error"
    return "not_found" if status in (404, 410) else "authentication_failed"


class TokenClient:
    """Fetches the tokens of one connection, through its proxy and with its authorities.

    Safe in threads. Its requests count in neither `attempts` nor `sent` of an invocation, because
    the provider does not see them.
    """

    def __init__(
        self, reach: Reach | None = None, proxy: str | None = None, ca_file: str | None = None
    ) -> None:
        self._reach = reach
        self._proxy = Secret(proxy) if proxy else None
        self._proxy_secrets = proxies.secrets(proxy)
        self._ca_file = ca_file
        self._transports: dict[str, Transport] = {}

    def post_form(
        self, url: str, form: Mapping[str, str], deadline: Deadline, *secrets: str
    ) -> dict[str, Any]:
        """Post a form to `url` and return the JSON object of the response.

        `secrets` are masked in errors and logs. Raises ConnectorError, `sent` "no": that of the
        failed request, or `authentication_failed` if the host rejects the form.
        """
        secret = Secret("", *secrets, *self._proxy_secrets)
        try:
            return self._post(url, urlencode(form).encode(), deadline, secret)
        except ConnectorError as error:
            error.sent = "no"
            raise

    def _post(self, url: str, body: bytes, deadline: Deadline, secret: Secret) -> dict[str, Any]:
        endpoint = parse_endpoint(url)
        transport = self._transports.get(endpoint.origin)
        if transport is None:
            secure = endpoint.scheme == "https"
            made = Transport(secure, self._proxy, self._ca_file, self._reach)
            transport = self._transports.setdefault(endpoint.origin, made)
        query = f"?{endpoint.query}" if endpoint.query else ""
        request = Request("POST", f"{endpoint.origin}{endpoint.path or '/'}{query}", _HEADERS, body)
        no_credentials = Credentials(None, "", secret)
        response = transport.send(request, no_credentials, deadline, _LIMITS)
        try:
            value = strict_json.loads(response.body)
        except ValueError:
            value = None
        if response.status < 300 and isinstance(value, dict):
            return value
        reason = value.get("error") if isinstance(value, dict) else None
        details = secret.scrub_message(f": {reason}")[:200] if isinstance(reason, str) else ""
        raise ConnectorError(
            _code_of(response.status) if response.status >= 300 else "invalid_response",
            f"The token's host returned no token (status {response.status}{details}).",
            http_status=response.status,
            retry_after_ms=retry_after.requested_delay_ms(response.headers, "", time.time()),
            hint="Check the fields of the connection that the token depends on.",
        )

    def close(self) -> None:
        """Close the idle sockets."""
        for transport in list(self._transports.values()):
            transport.close()
