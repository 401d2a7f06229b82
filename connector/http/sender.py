"""Sends a request and opens its response.

Redirects are not followed, cookies not kept, the environment not read. The size of the decompressed
body is limited.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from connector.errors import ConnectorError
from connector.http import body, environment, exception_mapping
from connector.http.connection import Exchange, Release
from connector.http.messages import Credentials, Limits, Request, Response
from connector.http.reach import Reach
from connector.http.response_head import Malformed, Pairs, StrictResponse
from connector.http.session import Session
from connector.policy.deadline import Deadline
from connector.text.secrets import Secret

log = logging.getLogger("connector")

_BROKEN = (RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)
"""What the libraries raise if a connection breaks."""


class Sender:
    """Sends requests over one session."""

    def __init__(self, session: Session, reach: Reach | None = None) -> None:
        self._session = session
        self._reach = reach

    def close(self) -> None:
        """Close the idle connections; see `Session.close`."""
        self._session.close()

    def open(self, request: Request, credentials: Credentials, deadline: Deadline) -> OpenResponse:
        """Send a request and return its response, the body unread.

        Raises ConnectorError if there is none; its `sent` says whether the request was sent.
        """
        exchange = Exchange(deadline, self._reach)
        trace = _Trace(request, credentials.secret)
        failure: BaseException
        try:
            headers = _headers_of(request, credentials)
            raw, release = self._session.open(exchange, request, headers)
            return OpenResponse(raw, release, request, credentials.secret, exchange, trace)
        except _BROKEN as broken:
            failure = _failure(broken, exchange, answered=False)
        except BaseException as end:
            exchange.close()
            _note_sent(end, exchange)
            self._advise(end, request)
            raise
        exchange.close()
        trace.log("failed")
        self._advise(failure, request)
        # Raised outside the `except` block, because the library's exception holds the key.
        raise failure

    def _advise(self, failure: BaseException, request: Request) -> None:
        if isinstance(failure, ConnectorError) and self._session.is_direct:
            environment.advise(failure, request.url)


def _headers_of(request: Request, credentials: Credentials) -> dict[str, str]:
    headers = dict(request.headers)
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(request.body or b""))
    if credentials.header is not None:
        headers[credentials.header] = credentials.prefix + credentials.secret.reveal()
    return headers


def _failure(broken: Exception, exchange: Exchange, answered: bool) -> BaseException:
    """Return what to raise after `broken`: an engine's own exception, or a ConnectorError."""
    external = exception_mapping.engine_exception(broken, exchange)
    if external is None:
        return exception_mapping.to_error(broken, exchange, answered)
    _note_sent(external, exchange)
    return external


def _note_sent(end: BaseException, exchange: Exchange) -> None:
    """Record on `end` whether the attempt that it interrupted had sent anything."""
    with contextlib.suppress(AttributeError):  # its class may not allow attributes
        BaseException.__setattr__(end, "connector_sent", "unknown" if exchange.sent else "no")


class _Trace:
    """The debug line of one exchange."""

    __slots__ = ("_request", "_secret", "_started")

    def __init__(self, request: Request, secret: Secret) -> None:
        self._request = request
        self._secret = secret
        self._started = time.perf_counter()

    def log(self, outcome: int | str) -> None:
        if log.isEnabledFor(logging.DEBUG):
            # A caller may repeat the key, which may hold a question mark itself.
            url = self._secret.scrub(self._request.url).partition("?")[0]
            took = (time.perf_counter() - self._started) * 1000
            log.debug("%s %s -> %s in %.0f ms", self._request.method, url, outcome, took)


class OpenResponse:
    """A response whose head has arrived and whose body has not been read. Read it or close it.

    The deadline, the masking and the limits hold until then.
    """

    def __init__(
        self,
        raw: StrictResponse,
        release: Release,
        request: Request,
        secret: Secret,
        exchange: Exchange,
        trace: _Trace,
    ) -> None:
        self._raw = raw
        self._release: Release | None = release
        self._whole = False
        self._method = request.method
        self._secret = secret
        self._exchange = exchange
        self._trace = trace
        self._idle_seconds = 0.0
        self.status: int = raw.status
        self.headers = _masked(raw.pairs, secret)
        """Names in lower case, values masked."""
        self.request_id = self.headers.get("x-request-id") or self.headers.get("apim-request-id")

    def read(self, limits: Limits, write: Callable[[bytes], Any] | None = None) -> Response:
        """Return the whole response, and close it.

        With `write`, the body of a success goes there piece by piece, masked, and is empty in the
        response. Raises ConnectorError if the body breaks off or is too large.
        """
        outcome: int | str = f"{self.status}, but its body is incomplete"
        failure: BaseException
        try:
            response = self._read(limits, write)
            # An error's status says what happened, whatever became of its body.
            if response.status < 300:
                self._check_end()
            if not response.cut:
                outcome = self.status
            return response
        except _BROKEN as broken:
            failure = _failure(broken, self._exchange, answered=True)
        except BaseException as end:
            _note_sent(end, self._exchange)
            raise
        finally:
            self.close()
            self._trace.log(outcome)
        raise failure  # outside the `except` block, see `Sender.open`

    @property
    def is_event_stream(self) -> bool:
        """Whether the response is a success whose body is a stream of events."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self.status < 300 and kind == "text/event-stream"

    def pieces(self, limit: int, idle_seconds: float) -> Generator[bytes, None, None]:
        """Yield the body decompressed, as it arrives, at most `limit` bytes; then close.

        Raises ConnectorError if it breaks off or is too large, and `deadline_exceeded` if
        nothing arrives for `idle_seconds`.
        """
        outcome: int | str = f"{self.status}, but its body is incomplete"
        failure: BaseException
        try:
            self._idle_seconds = idle_seconds
            yield from body.decoded(self._raw, self.headers, limit, self._arriving())
            self._whole = True
            self._check_end()
            outcome = self.status
            return
        except GeneratorExit:  # the reader has seen the end, and needs no more
            outcome = self.status
            raise
        except _BROKEN as broken:
            failure = self._idle_error(idle_seconds) or _failure(
                broken, self._exchange, answered=True
            )
        except BaseException as end:
            _note_sent(end, self._exchange)
            raise
        finally:
            self.close()
            self._trace.log(outcome)
        raise failure

    def finish(self, seconds: float) -> None:
        """Let the rest of the body take at most `seconds`, after the last event has arrived.

        Then the connection can be used again.
        """
        self._idle_seconds = seconds

    def _arriving(self) -> Iterator[bytes]:
        limit_wait = self._exchange.limit_wait
        limit_wait(self._idle_seconds)
        for piece in body.arriving(self._raw):
            yield piece
            limit_wait(self._idle_seconds)

    def _idle_error(self, seconds: float) -> ConnectorError | None:
        """Return the error of a stream that was cut because nothing arrived, None for others."""
        exchange = self._exchange
        deadline = exchange.deadline
        if not exchange.cut or deadline.cancelled.is_set() or deadline.remaining() <= 0:
            return None
        message = f"No event of the stream arrived for {seconds:g} s."
        return ConnectorError("deadline_exceeded", message, sent="unknown")

    def _check_end(self) -> None:
        """Raise TimeoutError if the body ends with the connection, which was cut from outside."""
        framed = "content-length" in self.headers or self._raw.chunked
        if self._exchange.cut and not framed:
            raise TimeoutError

    def close(self) -> None:
        """Release the connection. It is closed unless the body was read to its end."""
        release, self._release = self._release, None
        if release is not None:
            release(self._whole)
        self._exchange.close()

    def _read(self, limits: Limits, write: Callable[[bytes], Any] | None) -> Response:
        raw, headers, status = self._raw, self.headers, self.status
        if not 200 <= status <= 599:
            raise Malformed("a status outside of 200 to 599")
        cut = False
        if status >= 300:
            content, cut = body.beginning(raw, headers, limits.error)
        elif write is not None:
            pieces = body.decoded(raw, headers, limits.body)
            for piece in body.scrubbed(pieces, self._secret):
                write(piece)
            content = b""
        else:
            content = body.whole(raw, headers, limits.body)
        self._whole = not cut
        return Response(status, headers, content, self.request_id, cut)


def _masked(pairs: Pairs, secret: Secret) -> Mapping[str, str]:
    text = "\n".join(f"{name}\n{value}" for name, value in pairs)
    if secret.scrub(text) is not text:  # rare, so all headers are searched at once
        pairs = [(secret.scrub(name), secret.scrub(value)) for name, value in pairs]
    found: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
