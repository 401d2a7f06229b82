"""Sends requests to one host. requests is imported when the first one is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector.http.messages import Credentials, Limits, Request, Response
from connector.http.reach import Reach
from connector.policy.deadline import Deadline
from connector.text.secrets import Secret

if TYPE_CHECKING:
    from connector.http.sender import OpenResponse, Sender


class Transport:
    """Sends requests to one host. Safe in threads and across fork.

    `secure` means that the host uses TLS. `proxy` is the address of a proxy, None for no proxy.
    `ca_file` is a file of certificate authorities, None for the usual ones. `reach` limits the
    hosts that may be dialled, None for every host that a connection may name.
    """

    def __init__(
        self,
        secure: bool,
        proxy: Secret | None = None,
        ca_file: str | None = None,
        reach: Reach | None = None,
    ) -> None:
        self._secure = secure
        self._proxy = proxy
        self._ca_file = ca_file
        self._reach = reach
        self._sender: Sender | None = None

    def open(self, request: Request, credentials: Credentials, deadline: Deadline) -> OpenResponse:
        """Send a request once and return its response, the body unread; see `Sender.open`."""
        sender = self._sender
        if sender is None:
            from connector.http.sender import Sender
            from connector.http.session import Session

            session = Session(self._secure, self._proxy, self._ca_file)
            sender = self._sender = self._sender or Sender(session, self._reach)
        return sender.open(request, credentials, deadline)

    def send(
        self,
        request: Request,
        credentials: Credentials,
        deadline: Deadline,
        limits: Limits,
        write: Callable[[bytes], Any] | None = None,
    ) -> Response:
        """Send a request once and return the whole response; see `OpenResponse.read`."""
        return self.open(request, credentials, deadline).read(limits, write)

    def close(self) -> None:
        """Close the idle connections; the next request opens new ones."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
