"""When Airflow runs a failed task again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from connector.errors import ConnectorError


class RetryAsAsked(RetryPolicy):
    """Waits as long as the provider asked, and fails at once where a retry cannot help.

    In all other cases the `retries` and `retry_delay` of the task decide.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> RetryDecision:
        """Return the decision about an error of a task."""
        # A cancelled task was not refused: whether it runs again is Airflow's decision.
        if not isinstance(exception, ConnectorError) or exception.code == "cancelled":
            return RetryDecision.default()
        if not exception.retryable:
            return RetryDecision.fail(f"{exception.code} is not retryable")
        if exception.retry_after_ms is None:
            return RetryDecision.default()
        delay = timedelta(milliseconds=exception.retry_after_ms)
        return RetryDecision.retry(delay, f"{exception.code}: the provider asked for this delay")
