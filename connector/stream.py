"""A call whose events are read while it is under way."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from connector.result import Failure, Success
from connector.runtime.flag import Flag
from connector.runtime.threads import TURN_SECONDS, ThreadGroup

Event = dict[str, Any]

_MOST = 64
"""Events that wait for their reader. Beyond that the provider's socket is not read."""


class Call(Protocol):
    """The call behind a stream."""

    def result(self) -> Success | Failure: ...

    def cancel(self) -> None: ...


class Stream:
    """The events of one call, in a `with` statement: `for event in stream`.

    Events are `{"type": "text", "index": 0, "text": "…"}`, `{"type": "refusal", …}` with the same
    keys, and `{"type": "toolCall", "index": 0, "call": {…}}`, where `index` is that of the choice.
    Leaving the `with` early hangs up. Afterwards `result` is the Result, equal to that of a call
    without a stream. One stream belongs to one thread.
    """

    def __init__(self, begin: Callable[[Callable[[Event], None]], Call]) -> None:
        self._begin: Callable[[Callable[[Event], None]], Call] | None = begin
        self._call: Call | None = None
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._room: Flag | None = None
        self._left = False
        self._threads = ThreadGroup(stray=lambda _: self._cancel())
        self._result: Success | Failure | None = None
        self._ended = False

    @property
    def result(self) -> Success | Failure:
        """What became of the call. Raises RuntimeError while it is under way."""
        if self._result is None:
            raise RuntimeError("the stream has not ended: read it to its end or leave its `with`")
        return self._result

    def __enter__(self) -> Self:
        begin, self._begin = self._begin, None
        if begin is None:
            raise RuntimeError("a stream can be entered once")
        self._call = begin(self._put)
        try:
            self._threads.start(self._work)
        except RuntimeError:  # the process or the machine has no more threads to give
            self._left = True  # nobody reads while it runs
            self._work()
        return self

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if self._call is None:
            raise RuntimeError("use the stream in a `with` statement")
        while not self._ended:
            # By turns: an exception that an engine raises into this thread ends no single wait.
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=TURN_SECONDS)
                self._make_room()
                if event is not None:
                    return event
                self._ended = True
        raise StopIteration

    def __exit__(
        self, kind: type[BaseException] | None, end: BaseException | None, _: TracebackType | None
    ) -> None:
        came = end
        while True:
            try:
                if not self._ended:
                    self._left = True
                    self._make_room()
                    self._cancel()
                self._threads.wait()
                break
            except BaseException as again:  # noqa: BLE001 - nothing of the call outlives it
                came = again
        self._ended = True
        if came is not None and self._result is not None:
            with contextlib.suppress(AttributeError):  # of a class that takes no attributes
                BaseException.__setattr__(came, "connector_result", self._result)
        if came is not end and came is not None:
            raise came

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    # On the call's own thread

    def _work(self) -> None:
        assert self._call is not None
        try:
            self._result = self._call.result()
        finally:
            self._events.put(None)

    def _put(self, event: Event) -> None:
        self._events.put(event)
        while self._events.qsize() >= _MOST and not self._left:
            self._room = room = Flag()
            if self._events.qsize() < _MOST:  # read meanwhile
                break
            room.wait(TURN_SECONDS)

    def _make_room(self) -> None:
        room = self._room
        if room is not None:
            room.set()
