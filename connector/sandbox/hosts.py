"""Whom the sandbox answers: clients that address this machine by a name of its own.

A web page can let its own name lead to 127.0.0.1 (DNS rebinding) and would then read what the
sandbox answers; the Host that its browser sends gives it away.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from connector.sandbox.answers import Answer, Surface, surface_error

_HOST = re.compile(
    r"(?:\[([0-9a-f:.]+)\]|([^:\[\]/@\s]+))(?::[0-9]{0,5})?", re.ASCII | re.IGNORECASE
)


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine, whatever the port: tunnels have their own."""
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


def refuse(surface: Surface, hosts: Sequence[str]) -> Answer | None:
    """Return the refusal of a request with these Host headers, None where it may be answered.

    Without any it may: no browser leaves it out.
    """
    strangers = [host for host in hosts if not is_loopback(host)]
    if not strangers:
        return None
    message = f"The sandbox does not answer to the host '{strangers[0][:128]}': only to localhost,"
    message += " names that end with .localhost, and loopback addresses."
    return surface_error(
        surface, 421, message, code="misdirected_request", kind="invalid_request_error"
    ).answer
