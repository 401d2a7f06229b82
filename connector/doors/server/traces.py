"""A span of OpenTelemetry for each call, where its API is installed (the extra `otel`).

The names are those of its conventions for generative AI. What users and models write is in no span.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connector.connector import Connector
from connector.result import Result
from connector.version import DISTRIBUTION, __version__

try:
    from opentelemetry import propagate, trace

    HAS_API = True
except ModuleNotFoundError:
    HAS_API = False

Finish = Callable[[Result], None]


class Traces:
    """Makes the spans. Without OpenTelemetry, or where no SDK is set up, it does nothing."""

    def __init__(self, connector: Connector) -> None:
        self._actions = connector.manifest.actions
        self._tracer = trace.get_tracer(DISTRIBUTION, __version__) if HAS_API else None

    @contextlib.contextmanager
    def span(self, action: str | None, headers: Mapping[str, str]) -> Iterator[Finish]:
        """Make the span of a call, below the one that the headers name. None makes no span."""
        if self._tracer is None or action is None:
            yield lambda result: None
            return
        operation = self._actions[action].operation
        with self._tracer.start_as_current_span(
            operation or action,
            context=propagate.extract(headers),
            kind=trace.SpanKind.CLIENT,
            attributes={"connector.action": action},
            record_exception=False,  # a message may hold what a user wrote
        ) as span:
            yield lambda result: _finish(span, operation, result)


def _finish(span: Any, operation: str | None, result: Result) -> None:
    meta = result.meta
    found: dict[str, Any] = {"connector.attempts": meta["attempts"]}
    if operation is not None:
        usage = meta["usage"] or {}
        model = result.data.get("model") if isinstance(result.data, Mapping) else None
        found |= {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": meta["provider"],
            "gen_ai.response.model": model,
            "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
        }
        if isinstance(model, str):
            span.update_name(f"{operation} {model}")
    if result.error is not None:
        found["error.type"] = result.error.code
        span.set_status(trace.StatusCode.ERROR, result.error.code)
    span.set_attributes(
        {key: value for key, value in found.items() if isinstance(value, str | int)}
    )
