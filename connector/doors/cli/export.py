"""The command `export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from connector.doors import export as exports
from connector.doors.cli.preparation import connector_of
from connector.doors.cli.terminal import OutputError, escape_controls
from connector.doors.cli.values import UsageError, system_reason
from connector.version import DISTRIBUTION


def export(arguments: argparse.Namespace) -> int:
    try:
        files = exports.files(connector_of(arguments), arguments.target)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"export {arguments.target} needs the extra 'export' ({error.name} is missing): "
            f"pip install '{DISTRIBUTION}[export]'"
        ) from None
    folder: Path = arguments.out
    try:
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise OutputError(system_reason(error)) from None
    print(f"{len(files)} files written to {escape_controls(str(folder))}.")
    return 0
