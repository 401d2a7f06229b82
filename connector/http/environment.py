"""Variables of the environment that other clients read and that are ignored here."""

from __future__ import annotations

import os

from requests.utils import should_bypass_proxies

from connector.errors import ConnectorError

_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def advise(error: ConnectorError, url: str) -> None:
    """Add a hint to the error of a direct connection if an ignored variable may explain it."""
    if error.code == "connect_failed" and not should_bypass_proxies(url, None):
        names = (f"{url.partition(':')[0]}_proxy", "all_proxy")
        _hint(error, [n for name in names for n in (name.upper(), name)], "Proxy")
    elif error.code == "tls_error":
        _hint(error, _AUTHORITIES, "CA File")


def _hint(error: ConnectorError, names: list[str] | tuple[str, ...], field: str) -> None:
    found = next((name for name in names if os.environ.get(name)), None)
    if found:
        hint = f"{found} is set in the environment but not used: fill in {field} of the connection."
        error.hint = f"{hint} {error.hint or ''}".rstrip()
