"""The actions as tasks of a Celery application of one's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from connector.connector import Connector

_MOST_RETRIES = 5
_LONGEST_SECONDS = 60.0


class ActionFailed(Exception):
    """An action failed; its arguments are the error's code, its message, and the whole result."""


def register(app: Any, connector: Connector | None = None) -> dict[str, Any]:
    """Add a task `connector.ACTION` for each action to a Celery application; return the tasks.

    A task takes the inputs and the name of a connection, which each worker has in its own file,
    and returns the result as JSON data. An error that is `retryable` is retried after
    `retryAfterMs`, or after a growing delay, at most 5 times. Any other raises `ActionFailed`. Pass
    options of the tasks, such as `soft_time_limit`, when you send them. Without `connector`, the
    bundled one is loaded.
    """
    used = connector or Connector.load()
    return {
        name: app.task(
            bind=True, name=f"connector.{name}", acks_late=True, max_retries=_MOST_RETRIES
        )(_task(used, name))
        for name in used.manifest.actions
    }


def _task(connector: Connector, action: str) -> Callable[..., Any]:
    def run(
        task: Any, inputs: Mapping[str, Any] | None = None, connection: str | None = None
    ) -> dict[str, Any]:
        if isinstance(connection, Mapping):
            message = "Give the name of a connection: a message would carry its key."
            raise ActionFailed("invalid_connection", message, None)
        # An engine's own exception, such as a soft time limit, passes through `invoke`: the task
        # fails, it never counts as done.
        result = connector.invoke(action, inputs, connection)
        error = result.error
        if error is None:
            return result.to_dict()
        failure = ActionFailed(error.code, error.message, result.to_dict())
        if error.retryable:
            raise task.retry(
                exc=failure, countdown=_delay(error.retry_after_ms, task.request.retries)
            )
        raise failure

    return run


def _delay(asked_ms: int | None, retries: int) -> float:
    growing = min(2.0**retries, _LONGEST_SECONDS) * random.uniform(0.5, 1)  # noqa: S311 - jitter
    return max((asked_ms or 0) / 1000, growing)
