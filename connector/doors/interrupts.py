"""Ctrl-C and a polite kill, as the command line takes them."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let a polite kill end a command as Ctrl-C does: with an envelope.

    Of an impatient person's signals the second and the third are passed over, so that what is
    finished is still printed; with the fourth they mean it.
    """
    count = 0

    def interrupt(_: int, frame: Any) -> None:
        nonlocal count
        if _imports(frame):
            # An import that is broken off leaves a lock behind: other threads would wait for ever.
            _thread.start_new_thread(_interrupt_later, ())
            return
        count += 1
        if count not in (2, 3):
            raise KeyboardInterrupt

    old: dict[signal.Signals, Any] = {}
    try:
        # Only the main thread may: elsewhere signals are somebody else's.
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                # A shell lets what it starts in the background ignore Ctrl-C.
                if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                    old[number] = signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _imports(frame: Any) -> bool:
    """Whether an import is under way in `frame` or below it."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _interrupt_later() -> None:
    time.sleep(0.02)
    if hasattr(signal, "pthread_kill"):
        # A real signal: it also ends a wait that the main thread has begun since.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
