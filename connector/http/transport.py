"""The way to one host, opened when the first request is sent: only then is requests imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector.http.messages import Limits, Request, Response
from connector.policy.deadline import Deadline
from connector.text.secrets import Secret

if TYPE_CHECKING:
    from connector.http.sender import Sender


class Transport:
    """The way to one host, with one connection's key. Safe in threads and across fork.

    `secure` says that the host speaks TLS. `proxy` is the address of a proxy, `ca_file` a file of
    certificate authorities; None for none, and for the usual ones.
    """

    def __init__(
        self,
        secure: bool,
        authorization: tuple[str, str, Secret],
        proxy: Secret | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._secure = secure
        self._authorization = authorization
        self._proxy = proxy
        self._ca_file = ca_file
        self._sender: Sender | None = None

    def send(
        self,
        request: Request,
        deadline: Deadline,
        limits: Limits,
        write: Callable[[bytes], Any] | None = None,
    ) -> Response:
        """Send a request once; see `sender.Sender.send`."""
        sender = self._sender
        if sender is None:
            from connector.http.sender import Sender, Session

            session = Session(self._secure, self._proxy, self._ca_file)
            sender = self._sender = self._sender or Sender(session, self._authorization)
        return sender.send(request, deadline, limits, write)

    def close(self) -> None:
        """Close the idle connections; the next request opens new ones."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
