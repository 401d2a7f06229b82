"""Threads whose end is known without their help.

`threading.Thread` reports its own start and end in Python code: an exception that is raised into it
just then leaves whoever waits for it waiting for ever. Here a thread is the only owner of an
object, which the interpreter frees when the thread ends, however that comes about.
"""

from __future__ import annotations

import _thread
import functools
import queue
import weakref
from collections.abc import Callable, Iterator

from connector.runtime.interruptions import is_external

Work = Callable[[], object]
Stray = Callable[[BaseException], object]
_Job = functools.partial[None]

TURN_SECONDS = 0.1
"""How long a wait lasts before the interpreter can deliver what was raised into the thread."""


def start(work: Work, ended: Callable[[object], object], stray: Stray) -> weakref.ref[_Job]:
    """Run `work` in a new thread; the reference returned is empty once the thread has ended.

    `ended` is called with that reference then, in the thread, if the caller has kept it. Raises
    RuntimeError where the system has no more threads. See `_guarded` for `stray`.
    """
    job = _job(work, stray)
    alive = weakref.ref(job, ended)
    _thread.start_new_thread(job, ())
    return alive


class ThreadGroup:
    """Threads that are waited for together, by the thread that started them."""

    def __init__(self, stray: Stray) -> None:
        self._stray = stray
        self._alive: list[weakref.ref[_Job]] = []
        self._ended: queue.SimpleQueue[object] = queue.SimpleQueue()

    def start(self, work: Work) -> None:
        """Run `work` in one more thread; raises RuntimeError as `threads.start` does."""
        # No name for the job in this frame: a traceback that holds the frame would keep it alive.
        _thread.start_new_thread(self._known(work), ())

    def _known(self, work: Work) -> _Job:
        job = _job(work, self._stray)
        # Before the thread begins, so that it is waited for whatever is raised meanwhile. The
        # queue's method is not Python code: nothing can be raised into it.
        self._alive.append(weakref.ref(job, self._ended.put))
        return job

    def at_work(self) -> bool:
        """Whether a thread has not ended yet."""
        self._alive = [alive for alive in self._alive if alive() is not None]
        return bool(self._alive)

    def wait(self) -> None:
        """Return when all have ended."""
        while self.at_work():
            try:
                self._ended.get(timeout=TURN_SECONDS)
            except queue.Empty as over:
                if is_external(over):
                    raise


def _job(work: Work, stray: Stray) -> _Job:
    guarded = _guarded(work, stray)
    next(guarded)
    return functools.partial(next, guarded, None)


def _guarded(work: Work, stray: Stray) -> Iterator[None]:
    """Do `work` when resumed, within a `try` from the thread's first instruction on.

    In Python 3.11 a new thread has its parent's number until it runs, so that what is raised into
    the parent just then arrives here. What ends the thread from outside is given to `stray`.
    """
    try:
        yield
        work()
    except GeneratorExit:  # the thread could not be started
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        stray(error)
    yield
