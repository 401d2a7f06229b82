"""What goes to a provider and what comes back, as values.

And the way between, which is opened when the first request is sent: only then is requests
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.transport.deadline import Deadline
from connector.transport.providers import Provider

if TYPE_CHECKING:
    from connector.transport.http import Sender


class Request(NamedTuple):
    """One request as it goes on the wire, but for the key."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Answer(NamedTuple):
    """A whole answer. Header names are in lower case; the body is decoded of its compression, and
    may quote the key: who passes it on masks it. The headers are masked already. `cut`: the body
    is only the beginning of one, as that of an error may be."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None
    cut: bool = False


class Limits(NamedTuple):
    """The largest body of an answer, and of an error, in bytes after decompression."""

    body: int
    error: int


class Line:
    """The way to one provider, with one connection's key. Safe in threads and across fork."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._sender: Sender | None = None

    def send(
        self,
        request: Request,
        deadline: Deadline,
        limits: Limits,
        write: Callable[[bytes], Any] | None = None,
    ) -> Answer:
        """Send a request once; see `http.Sender.send`."""
        sender = self._sender
        if sender is None:
            from connector.transport.http import Sender, Session

            found = self._provider
            session = Session(found.endpoint.scheme == "https", found.proxy, found.ca_file)
            sender = self._sender = self._sender or Sender(session, found.authorization)
        return sender.send(request, deadline, limits, write)

    def close(self) -> None:
        """Close the idle connections; the next request opens new ones."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
