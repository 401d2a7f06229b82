"""Reads a streamed response: its events, masked, go to the caller as they arrive."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from connector.errors import ConnectorError
from connector.http.event_stream import EventParser
from connector.http.messages import Response
from connector.policy.context import Context
from connector.providers.provider import Provider
from connector.text import strict_json
from connector.text.secrets import Held, Secret

if TYPE_CHECKING:
    from connector.http.sender import OpenResponse

Event = dict[str, Any]
"""What a caller of `Connector.stream` sees, such as `{"type": "text", "index": 0, "text": "…"}`."""

Emit = Callable[[Event], None]

_DONE = b"[DONE]"
_TEXTS = ("text", "refusal")
_END_SECONDS = 0.2
"""How long the end of a body may take after the last event. Without it the connection is closed."""


class Chunks(Protocol):
    """Puts the chunks of a stream together; `actions` knows their shapes.

    `options` are the parameters that a request for a stream has besides `stream`.
    """

    options: ClassVar[Mapping[str, Any]]

    def add(self, chunk: Mapping[str, Any]) -> Iterable[Event]:
        """Add a chunk and return the events in it. Raises ValueError for one of another shape."""

    def end(self) -> Iterable[Event]:
        """Return the events that only the end of the stream makes whole."""

    def is_complete(self) -> bool:
        """Whether nothing is missing, as far as the chunks say."""

    def response(self) -> dict[str, Any]:
        """Return the response as it would be without a stream, or what has arrived of it."""

    def whole(self, response: Mapping[str, Any]) -> Iterable[Event]:
        """Return the events of a response that the provider did not stream."""


class StreamReader:
    """Reads one streamed response, whatever the number of attempts.

    `begun` says whether the caller has seen an event: from then on nothing is repeated.
    """

    def __init__(
        self, make: Callable[[], Chunks], emit: Emit, secret: Secret, context: Context
    ) -> None:
        self._make = make
        self._emit = emit
        self._secret = secret
        self._context = context
        self._held: dict[tuple[str, int], Held] = {}
        self.begun = False
        self.chunks = make()

    def read(self, opened: OpenResponse, provider: Provider) -> Response:
        """Pass the events of a response on, and return it without its body.

        Raises ConnectorError for an error among them, and for an end that comes too early.
        """
        self.chunks = self._make()  # of an attempt that brought no event nothing is kept
        policies = self._context.policies
        idle = policies.stream_idle_ms / 1000
        pieces = opened.pieces(policies.max_text_bytes, idle)
        try:
            if not self._read(pieces, policies.max_text_bytes, opened, provider):
                self._check_complete(opened)
        finally:
            pieces.close()
        self.end()
        return Response(opened.status, opened.headers, b"", opened.request_id)

    def _read(
        self, pieces: Iterator[bytes], most: int, opened: OpenResponse, provider: Provider
    ) -> bool:
        """Return whether the stream has said that it is over."""
        parser = EventParser(most)
        for piece in pieces:
            for data in parser.feed(piece):
                if data == _DONE:
                    opened.finish(_END_SECONDS)
                    with contextlib.suppress(ConnectorError):
                        next(pieces, None)
                    return True
                self._take(data, opened, provider)
        return False

    def _take(self, data: bytes, opened: OpenResponse, provider: Provider) -> None:
        try:
            value = strict_json.loads(data)
            if not isinstance(value, dict):
                raise ValueError("an event is not an object")
            if value.get("error") or value.get("type") == "error":
                raise self._error(value, opened, provider)
            if self._secret.is_in(data):
                value = self._secret.scrub_json(value)
            events = self.chunks.add(value)
        except ValueError as error:
            message = f"An event of the stream cannot be read ({error})."
            raise self._invalid(message, opened) from None
        for event in events:
            self.pass_on(event)

    def pass_on(self, event: Event) -> None:
        """Give an event to the caller; what may be the beginning of the key waits for its rest."""
        kind = event["type"]
        if kind in _TEXTS:
            key = kind, event["index"]
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = Held(self._secret)
            shown = held.feed(event["text"])
            if not shown:
                return
            event["text"] = shown
        else:
            event = self._secret.scrub_json(event)
        self.begun = True
        self._emit(event)

    def end(self) -> None:
        """Pass on what was held back."""
        for event in self.chunks.end():
            self.pass_on(event)
        for (kind, index), held in self._held.items():
            if rest := held.rest():
                self._emit({"type": kind, "index": index, "text": rest})
        self._held.clear()

    def pass_on_whole(self, response: Mapping[str, Any]) -> None:
        """Pass on the events of a response that the provider did not stream."""
        try:
            events = list(self.chunks.whole(response))
        except (AttributeError, KeyError, TypeError):  # the handler finds what is wrong with it
            return
        for event in events:
            self.pass_on(event)
        self.end()

    def received(self) -> dict[str, Any]:
        """Return what has arrived, masked: a key may have been split over several events."""
        found: dict[str, Any] = self._secret.scrub_json(self.chunks.response())
        return found

    def _check_complete(self, opened: OpenResponse) -> None:
        if not self.chunks.is_complete():
            raise ConnectorError(
                "connection_lost",
                "The stream ended before the response was complete.",
                sent="unknown",
                http_status=opened.status,
            )

    def _error(
        self, value: Mapping[str, Any], opened: OpenResponse, provider: Provider
    ) -> ConnectorError:
        text = strict_json.dumps(value).decode()[:300]
        excerpt = self._secret.scrub_beginning(text)
        error = provider.error(500, opened.headers, value, excerpt, self._secret)
        error.sent = "unknown"
        error.http_status = opened.status
        return error

    def _invalid(self, message: str, opened: OpenResponse) -> ConnectorError:
        return ConnectorError(
            "invalid_response", message, sent="unknown", http_status=opened.status
        )
