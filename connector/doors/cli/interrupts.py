"""How the command line handles SIGINT (Ctrl-C) and SIGTERM."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def handle_signals() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, so that it still prints its result.

    The second and third signal are ignored, so that an impatient user does not lose what is
    finished. The fourth interrupts again.
    """
    count = 0

    def interrupt(_: int, frame: Any) -> None:
        nonlocal count
        if _imports(frame):
            # An interrupted import leaves its lock behind: other threads would wait forever.
            _thread.start_new_thread(_interrupt_later, ())
            return
        count += 1
        if count not in (2, 3):
            raise KeyboardInterrupt

    old: dict[signal.Signals, Any] = {}
    try:
        # In another thread this raises ValueError: only the main thread handles signals.
        with contextlib.suppress(ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                # A shell makes background processes ignore Ctrl-C; leave it so.
                if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                    old[number] = signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _imports(frame: Any) -> bool:
    """Whether `frame` or one of its callers is importing a module."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _interrupt_later() -> None:
    time.sleep(0.02)
    if hasattr(signal, "pthread_kill"):
        # A real signal: it also ends a wait that the main thread has started meanwhile.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
