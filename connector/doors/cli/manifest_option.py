"""The options --manifest and --handlers, which all commands take: a connector of one's own."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from connector.connections.configured import usual_path
from connector.connector import Connector
from connector.files import resources
from connector.manifest import reader


def add(command: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    command.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="the manifest of your own connector (default: the bundled one)",
    )
    command.add_argument(
        "--handlers",
        metavar="PACKAGE",
        help="the package of its functions (default: the one that the manifest names)",
    )


def chosen(arguments: argparse.Namespace) -> Path | None:
    """Return the manifest that the command line names, None for the bundled one."""
    # `check` also takes it as an argument.
    path: Path | None = getattr(arguments, "file", None) or arguments.manifest
    return path


def load(arguments: argparse.Namespace, connections: Path | None) -> Connector:
    """Return the chosen connector, without the imports of `Connector.load`.

    Unlike the library, the command line also knows the connections that `connections add` wrote.
    """
    path = chosen(arguments)
    if path is None:
        spec = reader.load(resources.manifest())
    else:
        from connector.check import loading  # the bundled manifest is checked before a release

        spec = loading.load(path)
    usual = usual_path(spec.key, os.environ)
    if connections is None and usual.exists():
        connections = usual
    folder = path.parent if path else None
    return Connector(spec, arguments.handlers, connections, folder=folder)


@contextlib.contextmanager
def import_path(arguments: argparse.Namespace) -> Iterator[None]:
    """Let packages beside the manifest be imported, and with --handlers those of the working
    directory, which an installed script does not search."""
    before = [*sys.path]
    path = chosen(arguments) if "manifest" in arguments else None
    if path is not None:
        sys.path.insert(0, str(_root(path)))
    if getattr(arguments, "handlers", None) is not None:
        sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path[:] = before


def _root(manifest: Path) -> Path:
    """Return the folder of the manifest; where that is a package, the folder of the package."""
    folder = manifest.resolve().parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder
