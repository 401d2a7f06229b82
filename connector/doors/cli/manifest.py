"""The commands that show or check a manifest: `describe`, `schema`, `check` and `docs`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from connector.doors.cli.preparation import (
    UsageError,
    bundled_connector,
    mask_unless_known,
    system_reason,
)
from connector.doors.cli.terminal import OutputError, escape_controls, print_json, print_message
from connector.files import resources
from connector.handlers import HANDLERS


def describe(arguments: argparse.Namespace) -> int:
    print_json(bundled_connector().describe())
    return 0


def schema(arguments: argparse.Namespace) -> int:
    connector = bundled_connector()
    print_json(
        connector.schema(
            mask_unless_known(arguments.name, ["connection", *connector.manifest.actions])
        )
    )
    return 0


def check(arguments: argparse.Namespace) -> int:
    from connector.check.report import check

    path = arguments.manifest or resources.root() / "connector.yaml"
    if arguments.manifest and not os.path.isfile(path):
        raise UsageError("MANIFEST: no such file")
    # A user's own handlers are in the working directory, which an installed script does not search.
    before = [*sys.path]
    if arguments.handlers != HANDLERS:
        sys.path.insert(0, "")
    try:
        if not _is_package(arguments.handlers):
            raise UsageError("--handlers: no such package")
        problems = check(path, arguments.handlers)
    finally:
        sys.path[:] = before
    for text in problems:
        print_message(text)
    if problems:
        print_message(f"{len(problems)} problem{'s' * (len(problems) > 1)} found.")
        return 1
    print(f"{escape_controls(path.name)}: no problems found.")
    return 0


def _is_package(name: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except ValueError:  # an empty name
        return False


def docs(arguments: argparse.Namespace) -> int:
    from connector.doors import page

    connector = bundled_connector()
    text = page.render(connector)
    path = Path("docs") / f"{connector.manifest.key}.md"
    if arguments.check:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            print(f"{path} is current.")
            return 0
        print_message(f"{path} is not current; run: connector docs")
        return 1
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(system_reason(error)) from None
    print(f"{path} written.")
    return 0
