"""What the commands share that listen for other programs."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket

from connector.doors.cli.values import UsageError

TOKEN = "CONNECTOR_TOKEN"  # noqa: S105 - the name of a variable


def run_for_long() -> None:
    """Let the garbage collector run as usual, which is nearly off for commands that end soon."""
    gc.set_threshold(5_000, 10, 10)


def token_for(host: str) -> str:
    """Return the token that callers must give, empty for none.

    Raises UsageError if there is none and other machines may reach `host`.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not token and not _is_loopback(host):
        raise UsageError(
            "--host: other machines may reach this address, so set a token in the environment "
            f"variable {TOKEN}"
        )
    return token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises UsageError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"--host, --port: {reason}") from None


def shown_address(listener: socket.socket) -> str:
    """Return `host:port` as it stands in a URL, an IPv6 address in brackets."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
