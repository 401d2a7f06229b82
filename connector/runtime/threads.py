"""Threads whose end is always noticed.

`threading.Thread` reports its start and its end in Python code: if an exception is raised into the
thread at that moment, those who wait for it wait forever. Here a thread is the only owner of an
object, which the interpreter frees when the thread ends, whatever ends it.
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
"""The longest single wait, because an exception is raised into a thread only between two waits."""


def start(work: Work, ended: Callable[[object], object], stray: Stray) -> weakref.ref[_Job]:
    """Run `work` in a new thread; the reference returned is dead once the thread has ended.

    If the caller has kept the reference, `ended` is then called with it, in the thread. `stray` is
    called with an exception that ends the thread. Raises RuntimeError if the system has no more
    threads.
    """
    job = _job(work, stray)
    alive = weakref.ref(job, ended)
    try:
        _thread.start_new_thread(job, ())
    except RuntimeError:
        del alive  # before the job, because no work has started
        raise
    return alive


class ThreadGroup:
    """Threads that the thread that started them waits for together."""

    def __init__(self, stray: Stray) -> None:
        self._stray = stray
        self._alive: list[weakref.ref[_Job]] = []
        self._ended: queue.SimpleQueue[object] = queue.SimpleQueue()

    def start(self, work: Work) -> None:
        """Run `work` in one more thread; raises RuntimeError as `threads.start` does."""
        # No local variable holds the job: a traceback with this frame would keep it alive.
        _thread.start_new_thread(self._registered(work), ())

    def _registered(self, work: Work) -> _Job:
        job = _job(work, self._stray)
        # Before the thread starts, so that it is waited for whatever is raised in between. The
        # queue's method is not Python code, so nothing can be raised into it.
        self._alive.append(weakref.ref(job, self._ended.put))
        return job

    def at_work(self) -> bool:
        """Whether any thread has not ended yet."""
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
    """Do `work` when resumed, inside a `try` from the thread's first instruction on.

    In Python 3.11 a new thread has its parent's identifier until it runs, so that an exception
    raised into the parent at that moment arrives here. `stray` is called with what ends the thread.
    """
    try:
        yield
        work()
    except GeneratorExit:  # the thread could not be started
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        stray(error)
    yield
