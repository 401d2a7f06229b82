"""The commands that run something: `invoke`, `test-connection` and `options`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from connector.connector import Connector
from connector.doors.cli.preparation import prepare, with_connection_hint
from connector.doors.cli.results import View, print_result
from connector.doors.cli.screen import Screen
from connector.doors.cli.terminal import is_terminal, print_message
from connector.doors.cli.values import UsageError, mask_unless_known
from connector.result import Result


def invoke(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, inputs, connection):
        _check_replacing(arguments)
        if arguments.stream:
            return _stream(arguments, connector, inputs, connection)
        with _progress() as progress:
            result = connector.invoke(
                arguments.known,
                inputs,
                connection,
                dry_run=arguments.dry_run,
                output=arguments.output,
                progress=progress,
            )
        view = _view(arguments, connector)
        return print_result(with_connection_hint(result, connection, arguments), arguments, view)


def _stream(
    arguments: argparse.Namespace, connector: Connector, inputs: Any, connection: Any
) -> int:
    if arguments.dry_run or arguments.output is not None:
        raise UsageError("--stream: it goes with neither --dry-run nor --output")
    from connector.doors.cli import streaming  # most calls have no stream

    result = with_connection_hint(
        streaming.stream(connector, arguments, inputs, connection), connection, arguments
    )
    return print_result(result, arguments, lambda *_: (), line=True)


def _check_replacing(arguments: argparse.Namespace) -> None:
    """Raise UsageError where a person would replace a file without having said so.

    Programs name their files on purpose, and run the same command again.
    """
    path = arguments.output
    if path is None or arguments.force or arguments.dry_run or not is_terminal():
        return
    if os.path.isfile(path):
        raise UsageError(f"--output: {path} exists; give --force to replace it, or another name")


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """Yield what is told of the progress, None where nobody would see it."""
    if not Screen(sys.stderr).is_terminal:
        yield None
        return
    from connector.doors.cli.progress import Progress

    progress = Progress(sys.stderr)
    try:
        yield progress
    finally:
        progress.close()


def _view(arguments: argparse.Namespace, connector: Connector) -> View:
    def view(result: Result, screen: Screen) -> Iterable[str]:
        from connector.doors.cli import rendering  # a pipe gets JSON

        if arguments.dry_run and result.ok:
            return rendering.request_lines(result.data, screen)
        path = connector.manifest.actions[arguments.known].output_path
        return rendering.data_lines(result.data, path or "data", result.error, screen)

    return view


def test_connection(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, _, connection):
        result = connector.test_connection(connection)
        return print_verdicts(with_connection_hint(result, connection, arguments), arguments)


def print_verdicts(result: Result, arguments: argparse.Namespace) -> int:
    """Print the result of a connection's test; return the exit code."""

    def view(result: Result, screen: Screen) -> Iterable[str]:
        from connector.doors.cli.rendering import verdict_lines

        return verdict_lines(result.data, result.error, screen)

    if not is_terminal():
        for name, verdict in (result.data or {}).items():
            print_message(f"{name}: {verdict['verdict']} ({verdict['message']})")
    return print_result(result, arguments, view)


def options(arguments: argparse.Namespace) -> int:
    def view(result: Result, screen: Screen) -> Iterable[str]:
        from connector.doors.cli.rendering import option_lines

        return option_lines(result.data, screen)

    def value(result: Result) -> Any:
        return result.data if result.ok else result.to_dict()

    with prepare(arguments) as (connector, _, connection):
        source = mask_unless_known(arguments.source, connector.manifest.data_sources)
        result = connector.options(source, connection)
        hinted = with_connection_hint(result, connection, arguments)
        return print_result(hinted, arguments, view, value)
