"""What a person sees of a run: a progress bar while it lasts, a summary at its end."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from typing import Any

from connector.doors.bulk.runner import Outcome
from connector.result import Result

_FORMAT = "{n_fmt} of {total_fmt} |{bar}| {rate_noinv_fmt}, {elapsed}, {remaining} left{postfix}"


class Bar:
    """A progress bar on standard error, if that is a terminal, and the counts of the summary.

    `total` is the number of rows, None if it is not known.
    """

    def __init__(self, total: int | None) -> None:
        self._lock = threading.Lock()
        self._errors: Counter[str] = Counter()
        self._tokens = 0
        self._cost = 0.0
        self._costed = 0
        self._started = time.monotonic()
        self._bar: Any = None
        if is_shown():
            from tqdm.std import tqdm

            tqdm.set_lock(threading.RLock())  # its own would import multiprocessing
            tqdm.monitor_interval = 0  # no thread of its own
            # Without smoothing, rows that are skipped do not count for the rate.
            self._bar = tqdm(
                total=total,
                unit=" rows",
                dynamic_ncols=True,
                smoothing=0,
                bar_format=_FORMAT if total is not None else None,
            )

    def skipped(self, ok: bool) -> None:
        """Count a row that has its result already."""
        with self._lock:
            if self._bar is not None:
                self._bar.initial += 1
                self._bar.update(1)

    def finished(self, result: Result) -> None:
        """Count a row that was called."""
        with self._lock:
            if result.error is not None:
                self._errors[result.error.code] += 1
            self._tokens += int((result.meta.get("usage") or {}).get("total_tokens") or 0)
            if "cost" in result.meta:
                self._cost += result.meta["cost"]["amount"]
                self._costed += 1
            if self._bar is not None:
                self._bar.set_postfix_str(
                    f"{self._tokens:,} tokens, {self._errors.total():,} failed", refresh=False
                )
                self._bar.update(1)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def seconds(self) -> float:
        """Return how long the run has taken until now."""
        return max(time.monotonic() - self._started, 0.001)

    def summary(self, outcome: Outcome, place: str) -> list[str]:
        """Return the lines that end a run, whose results are at `place`."""
        seconds = self.seconds()
        called, tokens = outcome.called, self._tokens
        lines = [
            f"{called:,} rows called: {called - outcome.failed:,} ok, {outcome.failed:,} failed; "
            f"{outcome.skipped:,} done before.",
            f"{_duration(seconds)}: {called / seconds:,.1f} rows a second; {tokens:,} tokens, "
            f"{tokens / seconds * 60:,.0f} a minute.",
        ]
        if self._costed:
            known = f"known for {self._costed} of {called} rows"
            lines.append(f"{self._cost:.6f} USD, {known}.")
        if self._errors:
            found = ", ".join(f"{count:,} {code}" for code, count in self._errors.most_common())
            lines.append(f"Failed: {found}.")
        if (outcome.failed or outcome.failed_before) and outcome.stopped_by is None:
            many = f"{outcome.failed + outcome.failed_before:,}"
            lines.append(f"With --retry-failed the same command runs the {many} failed rows again.")
        lines.append(f"The results are in {place}.")
        if outcome.stopped_by is not None:
            error = outcome.stopped_by
            lines.append(f"error: stopped: {error.message} [{error.code}]")
            if error.hint:
                lines.append(f"hint: {error.hint}")
            lines.append("Run the same command again to go on.")
        return lines


def is_shown() -> bool:
    """Whether there is a terminal for the bar."""
    return sys.stderr is not None and sys.stderr.isatty()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
