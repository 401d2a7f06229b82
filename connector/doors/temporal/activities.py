"""Temporal's activities: one for each action, and one that tests a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from connector.connector import Connector
from connector.doors.names import only_a_name
from connector.errors import ConnectorError
from connector.policy.cancellation import Cancellation
from connector.result import Result
from connector.text import strict_json

Activity = Callable[[Any], Coroutine[Any, Any, Any]]

TEST = "test-connection"
"""The name of the activity that tests a connection."""

_LONGEST_SILENCE = timedelta(seconds=10)
"""Between two heartbeats of an activity without a heartbeat timeout."""


def activities(connector: Connector, concurrency: int = 100) -> list[Activity]:
    """Return the activities for a worker, named by the keys of their actions.

    Each takes `{"inputs": {…}, "connection": NAME}`, where the name is that of a configured
    connection, and returns the action's data. `test-connection` takes the connection only and
    returns the verdicts. At most `concurrency` calls run at once, by default as many as a worker
    runs activities.
    """
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="activity")

    def test(_: Any, connection: str | None, *, progress: Any, **options: Any) -> Result:
        return connector.test_connection(connection, **options)

    # The engine repeats activities, so the connector repeats no request.
    calls: dict[str, Callable[..., Result]] = {
        key: partial(connector.invoke, key, max_retries=0) for key in connector.manifest.actions
    }
    calls[TEST] = test
    return [_activity(connector, name, call, pool) for name, call in calls.items()]


def _activity(
    connector: Connector, name: str, call: Callable[..., Result], pool: Executor
) -> Activity:
    async def run(payload: Any = None) -> Any:
        inputs, connection = _parsed(connector, payload)
        # The provider's work must not go on, and be billed, after the engine's limit.
        limit = activity.info().start_to_close_timeout
        timeout_ms = limit and limit / timedelta(milliseconds=1)
        return _data(await _finish(partial(call, inputs, connection, timeout_ms=timeout_ms), pool))

    run.__name__ = run.__qualname__ = name
    made: Activity = activity.defn(name=name)(run)
    return made


async def _finish(call: Callable[..., Result], pool: Executor) -> Result:
    """Run a call in a thread, with heartbeats, and end it if the activity is cancelled."""
    cancel = Cancellation()
    progress: tuple[int, ...] = ()

    def note(done: int, total: int) -> None:
        nonlocal progress
        progress = (done, total)

    work = asyncio.get_running_loop().run_in_executor(
        pool, partial(call, progress=note, cancel=cancel)
    )
    timeout = activity.info().heartbeat_timeout
    pause = min(timeout / 3, _LONGEST_SILENCE) if timeout else _LONGEST_SILENCE
    try:
        while not work.done():
            activity.heartbeat(*progress)
            await asyncio.wait([work], timeout=pause.total_seconds())
    finally:
        cancel.cancel()  # harmless once the call has ended
        await asyncio.wait([work])
    return work.result()


def _parsed(connector: Connector, payload: Any) -> tuple[Any, str | None]:
    """Return the inputs and the name of the connection. Raises ApplicationError."""
    try:
        inputs, connection = connector.parse_payload(strict_json.dumps(payload))
        return inputs, only_a_name(connection)
    except ConnectorError as error:
        raise _failure(error, None) from None


def _data(result: Result) -> Any:
    for text in result.meta["warnings"]:
        activity.logger.warning("%s", text)
    if result.error is None:
        return result.data
    raise _failure(result.error, result.data)


def _failure(error: ConnectorError, data: Any) -> ApplicationError:
    """Return the failure of an activity: its details are the error, and what was done before."""
    wait = error.retry_after_ms if error.retryable else None
    return ApplicationError(
        error.message,
        error.to_dict(),
        *([] if data is None else [data]),
        type=error.code,
        non_retryable=not error.retryable,
        next_retry_delay=timedelta(milliseconds=wait) if wait else None,
    )
