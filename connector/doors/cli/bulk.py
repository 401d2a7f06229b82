"""The command `bulk`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from connector.doors.cli.preparation import prepare
from connector.doors.cli.terminal import print_json, print_message
from connector.doors.cli.values import UsageError
from connector.errors import ConnectorError
from connector.policy.cancellation import Cancellation
from connector.version import DISTRIBUTION

if TYPE_CHECKING:
    from connector.connector import Connector
    from connector.doors.bulk.coordinator import Coordinator
    from connector.doors.bulk.plan import Plan
    from connector.doors.bulk.report import Bar
    from connector.doors.bulk.rows import Rows
    from connector.doors.bulk.runner import Runner
    from connector.doors.bulk.store import Store

_SHOWN = 3
"""Requests that a dry run shows, and problems that are printed."""
_PROBLEMS = 20


def bulk(arguments: argparse.Namespace) -> int:
    """Run an action over the rows of a file. Exit codes: 0 all good, 1 some failed, 130 stopped."""
    try:
        from connector.doors.bulk import keys, mapping, plan, rows, store
    except ModuleNotFoundError as error:
        raise UsageError(
            f"bulk needs the extra 'bulk' ({error.name} is missing): "
            f"pip install '{DISTRIBUTION}[bulk]'"
        ) from None
    with prepare(arguments) as (connector, inputs, connection):
        shared = {key: inputs[key] for key in inputs if key != "connection"}
        identity = f"sandbox:{arguments.sandbox}" if arguments.sandbox else None
        try:
            source = rows.Rows(arguments.rows)
            made = plan.Plan(
                connector,
                arguments.known,
                shared,
                identity or keys.identity(connector, connection),
            )
            _check(made, source, arguments)
            if arguments.dry_run:
                return _show(connector, made, source, connection, arguments)
            return _run(connector, made, source, connection, arguments)
        except (mapping.MappingError, rows.RowError, store.StoreError) as error:
            raise UsageError(str(error)) from None


def _chosen(source: Rows, arguments: argparse.Namespace) -> Iterator[Any]:
    from connector.doors.bulk import rows

    return rows.chosen(source, arguments.limit, arguments.sample)


def _check(made: Plan, source: Rows, arguments: argparse.Namespace) -> None:
    """Check the first rows before anything is sent. Raises UsageError."""
    columns = source.columns()
    if not columns:
        raise UsageError("ROWS: the file has no rows")
    if unused := made.mapper.unused(columns):
        print_message(f"columns that no input uses: {', '.join(unused[:_PROBLEMS])}")
    problems = made.problems(_chosen(source, arguments))
    for line in problems[:_PROBLEMS]:
        print_message(line)
    if problems:
        raise UsageError(f"ROWS: {len(problems)} problems in the first rows; nothing was sent")


def _show(
    connector: Connector, made: Plan, source: Rows, connection: Any, arguments: argparse.Namespace
) -> int:
    shown: list[Any] = []
    count = size = 0
    for job in made.jobs(_chosen(source, arguments)):
        count += 1
        size += len(str(job.inputs))
        if len(shown) < _SHOWN:
            result = connector.invoke(arguments.known, job.inputs, connection, dry_run=True)
            shown.append(result.to_dict()["data"] if result.ok else result.to_dict()["error"])
    print_json({"rows": count, "estimatedInputTokens": size // 4, "requests": shown})
    return 0


def _run(
    connector: Connector, made: Plan, source: Rows, connection: Any, arguments: argparse.Namespace
) -> int:
    from connector.doors.bulk import export, limits, report, rows, runner, store

    connector.import_all()
    gc.set_threshold(5_000, 10, 10)  # `main` all but turns it off, for commands that end soon
    cancel = Cancellation()
    results = store.Store(arguments.results)
    with contextlib.closing(results), results.locked():
        results.create()
        shown = report.is_shown()
        bar = report.Bar(
            rows.number_of(source, arguments.limit, arguments.sample) if shown else None
        )
        running: Runner | Coordinator
        if arguments.celery is not None:
            running = _coordinator(results, bar, connection, arguments)
        else:
            running = runner.Runner(
                results,
                lambda job, turn: connector.invoke(
                    arguments.known, job.inputs, connection, cancel=cancel, throttle=turn
                ),
                limits.Limiter(arguments.requests_per_minute, arguments.tokens_per_minute),
                bar,
                concurrency=arguments.concurrency,
                retry_failed=arguments.retry_failed,
            )
        try:
            with contextlib.closing(bar), _signals(running, cancel) as interrupted:
                outcome = running.run(made.jobs(_chosen(source, arguments)))
        except store.StoreError as error:
            raise ConnectorError(
                "internal_error", f"{error}.", hint="Then run the same command again to go on."
            ) from None
        took = bar.seconds()
        for line in bar.summary(outcome, results.place):
            print_message(line)
        missing = 0
        if arguments.export is not None:
            try:
                missing = export.export(
                    results, made.jobs(_chosen(source, arguments)), arguments.export
                )
            except OSError as error:
                raise ConnectorError(
                    "internal_error", f"--export: {error.strerror or type(error).__name__}"
                ) from None
        good, failed = results.counts()
    if interrupted:
        print_message("Stopped. Run the same command again to go on.")
    if arguments.json or not (sys.stdout is not None and sys.stdout.isatty()):
        print_json(
            {
                "called": outcome.called,
                "failed": outcome.failed,
                "doneBefore": outcome.skipped,
                "failedBefore": outcome.failed_before,
                "results": {"ok": good, "failed": failed},
                "durationMs": round(took * 1000),
                "missing": missing,
            }
        )
    if interrupted:
        return 130
    return 1 if outcome.failed or outcome.failed_before or outcome.stopped_by is not None else 0


def _coordinator(
    results: Store, bar: Bar, connection: Any, arguments: argparse.Namespace
) -> Coordinator:
    """Return what gives the rows to workers. Raises UsageError."""
    try:
        from connector.doors.bulk import broker
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--celery needs the extra 'celery' ({error.name} is missing): "
            f"pip install '{DISTRIBUTION}[celery]'"
        ) from None
    from connector.doors.bulk.chunks import Chunks
    from connector.doors.bulk.coordinator import Coordinator

    if not isinstance(connection, str):
        raise UsageError("--celery: give --connection NAME; each worker reads it from its own file")
    if results.is_file:
        raise UsageError("--celery: --results must be the URL of a PostgreSQL database")
    results.create()  # the tables of the chunks
    run = {
        "action": arguments.known,
        "connection": connection,
        "concurrency": arguments.concurrency,
        "requestsPerMinute": arguments.requests_per_minute,
        "tokensPerMinute": arguments.tokens_per_minute,
        "retryFailed": arguments.retry_failed,
    }
    try:
        send = broker.sender(broker.make_app(arguments.celery))
    except broker.BrokerError as error:
        raise UsageError(f"--celery: the broker cannot be reached ({error})") from None
    retry_failed = arguments.retry_failed
    return Coordinator(results, Chunks(results), send, run, bar, retry_failed=retry_failed)


@contextlib.contextmanager
def _signals(running: Runner | Coordinator, cancel: Cancellation) -> Iterator[list[int]]:
    """Let the first signal stop the run once its calls have ended, and the second end them."""
    seen: list[int] = []

    def stop(number: int, _: Any) -> None:
        seen.append(number)
        running.stop()
        if len(seen) == 1:
            os.write(2, b"\nStopping: calls under way may end; press Ctrl-C again to end them.\n")
        else:
            cancel.cancel()

    old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
