"""How much of an action is done, on standard error, while it runs."""

from __future__ import annotations

import threading
import time
from typing import Any

_TICK_SECONDS = 1.0


class Progress:
    """Shows how many parts of an action are done, with rate and time left.

    Call it with (finished, all), from any thread. The bar needs the extra `cli`; without it a
    counter is shown. Nothing is shown of an action that has one part. `close` removes what is
    shown; until then nothing else may write to `stream`.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._start = time.time()
        self._bar: Any = None
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __call__(self, done: int, total: int) -> None:
        if total <= 1:
            return
        with self._lock:
            if self._bar is None:
                threading.Thread(target=self._tick, daemon=True).start()
            # An action may have several rounds, each with its own count.
            if self._bar is None or self._bar.total != total or done == 1:
                self._remove()
                self._bar = self._new(total)
            # Threads may report in another order than they finished in.
            self._bar.update(max(0, done - self._bar.n))

    def close(self) -> None:
        """Remove what is shown, for good."""
        self._closed.set()
        with self._lock:
            self._remove()

    def _remove(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar, self._start = None, time.time()

    def _tick(self) -> None:
        """Show how the time passes while nothing is finished."""
        while not self._closed.wait(_TICK_SECONDS):
            with self._lock:
                if self._bar is not None:
                    self._bar.refresh()

    def _new(self, total: int) -> Any:
        # Imported now: most actions have one part, and show nothing.
        try:
            from tqdm.std import tqdm
        except ImportError:
            return _Counter(self._stream, total)
        tqdm.set_lock(threading.RLock())  # its own would import multiprocessing
        tqdm.monitor_interval = 0  # no thread of its own
        bar: Any = tqdm(
            total=total,
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
            mininterval=0,
            miniters=1,
            smoothing=0,
            unit="",
            bar_format="{n_fmt} of {total_fmt} |{bar}| {rate_noinv_fmt}, {remaining} left",
        )
        bar.start_t = self._start  # the first part took time too
        return bar


class _Counter:
    """Counts on one line, as the bar does."""

    def __init__(self, stream: Any, total: int) -> None:
        self.n = 0
        self.total = total
        self._stream = stream

    def update(self, more: int) -> None:
        self.n += more
        self.refresh()

    def refresh(self) -> None:
        print(f"\r{self.n} of {self.total}", end="", file=self._stream, flush=True)

    def close(self) -> None:
        blank = " " * len(f"{self.n} of {self.total}")
        print(f"\r{blank}\r", end="", file=self._stream, flush=True)
