"""The commands that run something: `invoke`, `test-connection` and `options`."""

from __future__ import annotations

import argparse
import sys

from connector.doors.cli.preparation import prepare, with_connection_hint
from connector.doors.cli.terminal import (
    print_json,
    print_message,
    print_result,
    print_warnings,
    progress,
)
from connector.doors.cli.values import mask_unless_known


def invoke(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, inputs, connection):
        result = connector.invoke(
            arguments.known,
            inputs,
            connection,
            dry_run=arguments.dry_run,
            output=arguments.output,
            progress=progress if sys.stderr is not None and sys.stderr.isatty() else None,
        )
        return print_result(with_connection_hint(result, connection, arguments), arguments.show)


def test_connection(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, _, connection):
        result = connector.test_connection(connection)
        for name, verdict in (result.data or {}).items():
            print_message(f"{name}: {verdict['verdict']} ({verdict['message']})")
        return print_result(with_connection_hint(result, connection, arguments), arguments.show)


def options(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, _, connection):
        source = mask_unless_known(arguments.source, connector.manifest.data_sources)
        result = connector.options(source, connection)
        if not result.ok:
            return print_result(with_connection_hint(result, connection, arguments))
        print_json(result.data)
        print_warnings(result)
        return 0
