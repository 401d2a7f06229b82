"""Prefect's tasks: one for each action."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from prefect import Task
from prefect.blocks.core import Block, UnknownBlockType
from prefect.logging import get_run_logger

from connector.connector import Connector
from connector.doors.names import only_a_name
from connector.doors.prefect.blocks import blocks, loaded
from connector.errors import ConnectorError
from connector.problems import error_of, problem

_RETRIES = 3
_DELAYS = [1.0, 5.0, 30.0]
"""Seconds before each retry, unless the provider asks for more."""


def tasks(load: Callable[[], Connector] = Connector.load) -> dict[str, Task[..., Any]]:
    """Return a task for each action, by the action's key. `load` returns the connector.

    A task takes `inputs` and the name of a connection: that of a saved block, as `TYPE/NAME`, or of
    a configured connection. It returns the action's data and raises its ConnectorError. Only what
    is worth a retry is retried, no sooner than the provider asked. `with_options` changes the
    number of retries, their delays and the time limit.
    """
    return {
        action.key: Task(
            fn=_function(load, action.key),
            name=action.key,
            description=action.description,
            retries=_RETRIES,
            retry_delay_seconds=_DELAYS,
            retry_condition_fn=_wait_and_retry,
        )
        for action in loaded(load).manifest.actions.values()
    }


def _function(load: Callable[[], Connector], key: str) -> Callable[..., Any]:
    def run(inputs: Mapping[str, Any] | None = None, connection: str | None = None) -> Any:
        # The engine repeats tasks, so the connector repeats no request.
        blocks(load)  # so that Prefect can load them
        result = loaded(load).invoke(key, inputs, _connection(connection), max_retries=0)
        for text in result.meta["warnings"]:
            get_run_logger().warning("%s", text)
        if result.error is not None:
            raise result.error
        return result.data

    run.__name__ = run.__qualname__ = key
    return run


def _connection(name: Any) -> Any:
    """Return the connection of a saved block, or the name of a configured one."""
    name = only_a_name(name)
    if name is None or "/" not in name:
        return name
    try:
        block: Any = Block.load(name, _sync=True)
    except (UnknownBlockType, ValueError):
        row = problem("/connection", "no block of this type and name is saved")
        raise error_of("invalid_connection", [row]) from None
    return block.connection()


def _wait_and_retry(_task: Any, _run: Any, state: Any) -> bool:
    """Whether to run a task again. Waits as long as the provider asked; then the engine waits too,
    because it takes no delay from a failure."""
    error = state.data
    if not isinstance(error, ConnectorError):
        return True  # the engine's own failure, such as its time limit
    if error.retryable and error.retry_after_ms:
        time.sleep(error.retry_after_ms / 1000)
    return error.retryable
