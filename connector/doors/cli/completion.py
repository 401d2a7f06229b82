"""Completion in shells: the command `completion`, and the answers to its script."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial

from connector.connector import Connector
from connector.doors.cli import parser
from connector.doors.cli.argument_parser import Parser
from connector.doors.cli.inputs import choices
from connector.doors.cli.preparation import connector_of
from connector.doors.cli.terminal import print_text
from connector.doors.cli.values import UsageError
from connector.errors import ConnectorError
from connector.manifest.model import Action, Input
from connector.version import DISTRIBUTION

Completer = Callable[..., Mapping[str, str]]
"""Returns what an argument may be, each with its description."""


def script(arguments: argparse.Namespace) -> int:
    """Print the script that makes a shell ask `connector` how a command line may go on."""
    try:
        from argcomplete.shell_integration import shellcode
    except ModuleNotFoundError:
        raise UsageError(
            f"completion needs the extra 'cli': pip install '{DISTRIBUTION}[cli]'"
        ) from None
    print_text(shellcode(["connector"], shell=arguments.shell).rstrip())
    return 0


def complete() -> None:
    """Print how the command line of the shell may go on, and end the process."""
    import argcomplete
    from argcomplete.lexers import split_line

    line, end = os.environ["COMP_LINE"], int(os.environ["COMP_POINT"])
    words = split_line(line, end)[3][1:]
    arguments = parser.beginning(words)
    connector = connector_of(arguments)
    root, commands = parser.build(words, connector.manifest)
    for command in commands.values():
        _add_completers(command, connector)
    # bash leaves this mark in the word that it replaces, which argcomplete does not know.
    breaks = "_ARGCOMPLETE_COMP_WORDBREAKS"
    os.environ[breaks] = os.environ.get(breaks, "").replace("@", "")
    argcomplete.autocomplete(
        root, always_complete_options="long", exclude=["--help"], exit_method=sys.exit
    )


def _add_completers(command: Parser, connector: Connector) -> None:
    """Give each argument whose values are known a completer."""
    manifest = connector.manifest
    actions = {action.key: action.label for action in manifest.actions.values()}
    sources = {source.key: source.label for source in manifest.data_sources.values()}
    completers: dict[str, Completer] = {
        "action": lambda **_: actions,
        "name": lambda **_: {**actions, "connection": "the fields of a connection"},
        "source": lambda **_: sources,
        "--connection": lambda **_: _connections(connector),
        "--sandbox": lambda **_: _kinds(),
        "-i": partial(_pairs, command.action),
    }
    for flag in command.flags:
        for name in flag.argument.option_strings:
            completers[name] = partial(_values, flag.item)
    for argument in command.arguments():
        for name in argument.option_strings or [argument.dest]:
            if name in completers:
                argument.completer = completers[name]  # type: ignore[attr-defined] # argcomplete's


def _connections(connector: Connector) -> dict[str, str]:
    with contextlib.suppress(ConnectorError):  # the file cannot be used
        return dict.fromkeys(connector.connection_names(), "a configured connection")
    return {}


def _kinds() -> dict[str, str]:
    with contextlib.suppress(ModuleNotFoundError):  # the extra is not installed
        from connector.sandbox import Sandbox

        return dict.fromkeys(Sandbox.kinds, "a kind of sandbox")
    return {}


def _pairs(action: Action | None, /, **_: object) -> dict[str, str]:
    found = {}
    for item in action.inputs if action else ():
        for value in choices(item) or [""]:
            found[f"{item.key}={value}"] = item.label
    return found


def _values(item: Input, /, prefix: str, **_: object) -> dict[str, str]:
    """Return the choices of an input; after @, the names of files."""
    from argcomplete.completers import FilesCompleter

    if prefix.startswith("@"):
        return {f"@{name}": "" for name in FilesCompleter()(prefix[1:])}
    return dict.fromkeys(choices(item), item.label)
