"""Turns a library's exception into the error of an attempt that got no response.

The text of an exception is never used, because it may quote an address, a header or a key.
"""

from __future__ import annotations

import http.client
import re
import ssl

from urllib3.exceptions import SSLError

from connector.errors import ConnectorError, ErrorCode, Sent
from connector.http.connection import Exchange
from connector.http.response_head import Malformed, NotHttp
from connector.runtime.interruptions import chain, find_external

_ENDS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)
"""A handshake that breaks off. Which of the first two is raised depends on Python's release."""

_CERTAIN_SECONDS = 0.5
"""No attempt times out by itself more than this time before its deadline."""


def engine_exception(broken: Exception, exchange: Exchange) -> BaseException | None:
    """Return the exception that an engine raised into the attempt, None if there is none."""
    found = find_external(broken)
    if found is not None or exchange.cut or exchange.deadline.remaining() < _CERTAIN_SECONDS:
        return found
    # An exception raised by the interpreter within a call into C looks like a socket's timeout,
    # but no socket has a timeout that ends before the deadline.
    return next((e for e in chain(broken) if _is_timeout(e)), None)


def to_error(broken: Exception, exchange: Exchange, answered: bool) -> ConnectorError:
    """Return the error of an attempt that `broken` ended.

    `answered` means that the head of the response had arrived.
    """
    sent: Sent = "unknown" if exchange.sent or answered else "no"
    if exchange.deadline.cancelled.is_set():
        return ConnectorError("cancelled", "The action was interrupted.", sent=sent)
    if exchange.cut or exchange.deadline.remaining() <= 0 or _timed_out(broken):
        where = "while it waited for the response" if sent != "no" else "before anything was sent"
        return ConnectorError(
            "deadline_exceeded", f"The action's time was over {where}.", sent=sent
        )
    if sent == "no" or (not answered and _refused_by_alert(broken)):
        return _unsent(broken)
    code: ErrorCode
    if _is_loss(broken):
        code, words = "connection_lost", "broke before the response was complete"
    else:
        code, words = "protocol_error", "did not carry well-formed HTTP"
    message = f"The connection {words} ({_what(broken)})."
    return ConnectorError(code, message, sent=sent, retryable=_may_pass(broken, exchange))


def _may_pass(broken: Exception, exchange: Exchange) -> bool:
    """Whether another attempt may get a well-formed response."""
    return not _has(broken, Malformed) or (not exchange.fresh and _has(broken, NotHttp))


def _unsent(broken: Exception) -> ConnectorError:
    # A handshake that breaks off does not mean a bad certificate.
    if _has(broken, ssl.SSLError, SSLError) and not _has(broken, *_ENDS):
        return ConnectorError(
            "tls_error",
            f"The TLS connection to the server failed ({_tls_reason(broken)}).",
            hint="Check the endpoint's host name; for a private authority set CA File.",
        )
    status = _tunnel_status(broken)
    why = f"the proxy answered {status}" if status else _what(broken)
    return ConnectorError("connect_failed", f"The connection failed ({why}).")


def _refused_by_alert(broken: Exception) -> bool:
    """Whether the server refused the handshake.

    In TLS 1.3 it says so only after the client, which may lack a certificate, has sent its first
    bytes. The server has not read them.
    """
    return any(
        isinstance(e, ssl.SSLError) and "ALERT" in (getattr(e, "reason", None) or "")
        for e in chain(broken)
    )


def _timed_out(broken: Exception) -> bool:
    """Whether our own time limit ended the attempt.

    The system's timeout (ETIMEDOUT, for a peer that is gone) is a TimeoutError too, but with an
    error number.
    """
    return any(_is_timeout(e) for e in chain(broken))


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) and error.errno is None


def _has(error: Exception, *kinds: type[BaseException]) -> bool:
    return any(isinstance(item, kinds) for item in chain(error))


def _is_loss(error: Exception) -> bool:
    """Whether the connection broke, as opposed to carrying something malformed."""
    if _has(error, ConnectionError):  # among them http.client's RemoteDisconnected
        return True
    return not _has(error, http.client.HTTPException, ValueError) and _has(
        error, ssl.SSLError, OSError
    )


def _what(error: Exception) -> str:
    """Return the type of an exception's innermost cause; its text may quote an address or a key."""
    cause = list(chain(error))[-1]
    return str(cause) if isinstance(cause, Malformed) else type(cause).__name__


def _tunnel_status(error: Exception) -> str | None:
    """Return the status with which a proxy refused to connect, None if there is none.

    The standard library has it only in a text, next to the proxy's own words.
    """
    for item in chain(error):
        if match := re.match(r"Tunnel connection failed: ([0-9]{3})", str(item)):
            return match.group(1)
    return None


def _tls_reason(error: Exception) -> str:
    for item in chain(error):
        if isinstance(item, ssl.SSLCertVerificationError):
            return item.verify_message
        if isinstance(item, ssl.SSLError) and item.reason:
            return item.reason.lower().replace("_", " ")
    return "handshake failed"
