"""The arguments of the command `connections`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from connector.connections.configured import VARIABLE
from connector.problems import is_plain_name


def add(command: Any) -> None:
    """Add the arguments to the parser of the command."""
    operations = command.add_subparsers(
        dest="operation", metavar="OPERATION", required=True, prog=command.prog
    )
    text = "Write a connection to the connections file, and test it."
    adding = operations.add_parser("add", help=text, description=text)
    _name(adding)
    _file(adding)
    adding.add_argument("--kind", metavar="KIND", help="(default: the first kind of connection)")
    adding.add_argument(
        "--field",
        action="append",
        type=_field,
        default=[],
        metavar="KEY=VALUE",
        help="set one field and do not ask for it; a secret only as ${VARIABLE}; may be repeated",
    )
    adding.add_argument(
        "--key-from-stdin",
        action="store_true",
        help="read the key from standard input, where there is no terminal to ask for it",
    )
    adding.add_argument(
        "--replace", action="store_true", help="replace the connection if the name exists"
    )
    text = "List the names, kinds and providers of the connections, never the keys."
    _file(operations.add_parser("list", help=text, description=text))
    text = "Test a connection with an unbilled call."
    test = operations.add_parser("test", help=text, description=text)
    _name(test)
    _file(test)


def _name(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", type=_plain, help="its name, such as office")


def _file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--file",
        dest="connections_file",
        type=Path,
        metavar="FILE",
        help=f"the connections file, YAML or JSON (default: the value of {VARIABLE}, else "
        "connections.yaml in the user's configuration folder)",
    )


def _plain(text: str) -> str:
    if not is_plain_name(text):
        raise argparse.ArgumentTypeError(
            "NAME is a short name, such as office; the key is asked for, and never an argument"
        )
    return text


def _field(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise argparse.ArgumentTypeError("write KEY=VALUE, such as isOpenAIKey=true")
    return key, value
