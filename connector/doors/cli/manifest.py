"""The commands that show or check a manifest: `describe`, `schema`, `check` and `docs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from connector.doors.cli import manifest_option
from connector.doors.cli.preparation import check_manifest_options, connector_of
from connector.doors.cli.terminal import OutputError, escape_controls, print_json, print_message
from connector.doors.cli.values import mask_unless_known, system_reason
from connector.files import resources


def describe(arguments: argparse.Namespace) -> int:
    print_json(connector_of(arguments).describe())
    return 0


def schema(arguments: argparse.Namespace) -> int:
    connector = connector_of(arguments)
    print_json(
        connector.schema(
            mask_unless_known(arguments.name, ["connection", *connector.manifest.actions])
        )
    )
    return 0


def check(arguments: argparse.Namespace) -> int:
    from connector.check.report import check

    check_manifest_options(arguments)
    path = manifest_option.chosen(arguments) or resources.root() / "connector.yaml"
    problems = check(path, arguments.handlers)
    for text in problems:
        print_message(text)
    if problems:
        print_message(f"{len(problems)} problem{'s' * (len(problems) > 1)} found.")
        return 1
    bundled = "" if manifest_option.chosen(arguments) else " (the bundled one)"
    print(f"{escape_controls(path.name)}{bundled}: no problems found.")
    return 0


def docs(arguments: argparse.Namespace) -> int:
    from connector.doors import page

    connector = connector_of(arguments)
    path = Path("docs") / f"{connector.manifest.key}.md"
    own = manifest_option.chosen(arguments)
    text = page.render(connector, page.folder_from(path, own)) if own else page.render(connector)
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
