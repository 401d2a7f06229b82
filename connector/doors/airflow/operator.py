"""The operator: any action as a task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from connector.doors.airflow.hook import ConnectorHook  # first: it says what to install
from connector.doors.airflow.retries import RetryAsAsked
from connector.policy.cancellation import Cancellation

from airflow.sdk import BaseOperator, RetryPolicy  # isort: skip


class ConnectorOperator(BaseOperator):
    """Runs an action; its data is the task's result.

    `inputs` may hold templates and results of other tasks. `max_retries` replaces the number of
    retries within one try of the task; 0 leaves them all to Airflow.

    Raises ConnectorError if the action fails; `retry_policy`, by default RetryAsAsked, decides
    what follows.
    """

    template_fields: Sequence[str] = ("inputs", "conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"inputs": "json"}
    _cancel: Cancellation | None = None

    def __init__(
        self,
        *,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        conn_id: str = ConnectorHook.default_conn_name,
        max_retries: int | None = None,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(retry_policy=retry_policy or RetryAsAsked(), **kwargs)
        self.action = action
        self.inputs = inputs
        self.conn_id = conn_id
        self.max_retries = max_retries

    def execute(self, context: Any) -> Any:
        """Return the action's data."""
        self._cancel = Cancellation()
        try:
            result = ConnectorHook(self.conn_id).invoke(
                self.action, self.inputs, max_retries=self.max_retries, cancel=self._cancel
            )
        except BaseException as stopped:  # such as Airflow's time limit
            ended = getattr(stopped, "connector_result", None)
            if ended is not None:
                self.log.error("Stopped by %s: %s", type(stopped).__name__, _shown(ended.error))
            raise
        for warning in result.meta["warnings"]:
            self.log.warning(warning)
        if result.error is not None:
            self.log.error("%s", _shown(result.error))
            raise result.error
        self.log.info("%s", json.dumps(result.meta))
        return result.data

    def on_kill(self) -> None:
        """End the call; the provider sees a closed connection."""
        if self._cancel is not None:
            self._cancel.cancel()


def _shown(error: Any) -> str:
    return json.dumps(error.to_dict())
