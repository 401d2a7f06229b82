"""What a person sees of a run: a progress bar while it lasts, a summary at its end."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from connector.doors.bulk.runner import Outcome
from connector.result import Result


class Bar:
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, total: int | None) -> None:
        self._lock = threading.Lock()
        self._failed = 0
        self._tokens = 0
        self._cost = 0.0
        self._costed = 0
        self.started = time.monotonic()
        self._bar: Any = None
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="row", dynamic_ncols=True, smoothing=0.1)

    def skipped(self) -> None:
        """Count a row that has its result already."""
        with self._lock:
            if self._bar is not None:
                self._bar.update(1)

    def finished(self, result: Result) -> None:
        """Count a row that was called."""
        with self._lock:
            self._failed += result.error is not None
            self._tokens += int((result.meta.get("usage") or {}).get("total_tokens") or 0)
            if "cost" in result.meta:
                self._cost += result.meta["cost"]["amount"]
                self._costed += 1
            if self._bar is not None:
                self._bar.set_postfix(failed=self._failed, tokens=self._tokens, refresh=False)
                self._bar.update(1)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def summary(self, outcome: Outcome) -> list[str]:
        """Return the lines that end a run."""
        seconds = max(time.monotonic() - self.started, 0.001)
        called = outcome.called
        lines = [
            f"{called} rows called in {seconds:.1f} s ({called / seconds:.1f} a second), "
            f"{outcome.failed} failed, {outcome.skipped} done before, {self._tokens} tokens."
        ]
        if self._costed:
            known = f"known for {self._costed} of {called} rows"
            lines.append(f"{self._cost:.6f} USD, {known}.")
        if outcome.stopped_by is not None:
            error = outcome.stopped_by
            lines.append(f"error: stopped: {error.message} [{error.code}]")
            if error.hint:
                lines.append(f"hint: {error.hint}")
        return lines
