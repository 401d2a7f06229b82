"""Decides when a call may begin."""

from __future__ import annotations

import threading

from connector.doors.bulk.runner import Job
from connector.result import Result


class Unlimited:
    """Lets every call begin at once; the connector's own pauses after a 429 hold."""

    def acquire(self, job: Job, stopped: threading.Event) -> None:
        """Return at once."""

    def settle(self, job: Job, result: Result) -> None:
        """Learn nothing."""
