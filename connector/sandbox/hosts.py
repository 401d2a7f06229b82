"""The Host headers that the sandbox accepts: only loopback names and addresses.

A web page can make its own host name resolve to 127.0.0.1 (DNS rebinding) and read the sandbox's
responses. The Host header that the browser sends reveals it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from connector.sandbox.responses import Response, Surface, surface_error

_HOST = re.compile(
    r"(?:\[([0-9a-f:.]+)\]|([^:\[\]/@\s]+))(?::[0-9]{0,5})?", re.ASCII | re.IGNORECASE
)


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine; any port is allowed, because tunnels change it."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def error_response(surface: Surface, hosts: Sequence[str]) -> Response | None:
    """Return the error for a request with these Host headers, None if they are accepted.

    No header at all is accepted: every browser sends one.
    """
    foreign = [host for host in hosts if not is_loopback(host)]
    if not foreign:
        return None
    message = f"The sandbox does not serve the host '{foreign[0][:128]}', only localhost,"
    message += " names that end with .localhost, and loopback addresses."
    return surface_error(
        surface, 421, message, code="misdirected_request", kind="invalid_request_error"
    ).response
