"""The words of the command line, and their help."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from connector.handlers import HANDLERS
from connector.validation.suggestions import nearest
from connector.version import __version__

_SANDBOX_DEFAULT = "openai"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return what the command line says; `command` is the command's name.

    Ends the process with 2 where it says nothing that is known. No message quotes what was typed:
    any word may be a misplaced key.
    """
    # A bare --sandbox must not swallow the action that follows it.
    words = [f"--sandbox={_SANDBOX_DEFAULT}" if word == "--sandbox" else word for word in argv]
    parser, commands = _build(words)
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        command = commands[arguments.command]
        options = [word.partition("=")[0] for word in unknown if word.startswith("-")]
        if options:
            known = [name for action in command._actions for name in action.option_strings]
            command.refuse(f"there is no such option{nearest(options[0], known)}")
        kind = " (a kind of sandbox goes behind an =, as in --sandbox=KIND)"
        command.refuse("a word too many" + (kind if "--sandbox" in argv else ""))
    return arguments


class _Parser(argparse.ArgumentParser):
    """Imports what its help tells only when the help is asked for, and quotes nothing.

    argparse makes a formatter for each argument, and one without a width asks the terminal.
    """

    takes_connection = False

    def __init__(self, **settings: Any) -> None:
        # Without abbreviations, which a later option would make ambiguous: argparse then quotes.
        super().__init__(
            formatter_class=partial(argparse.HelpFormatter, width=80),
            allow_abbrev=False,
            **settings,
        )

    def error(self, message: str) -> NoReturn:
        # argparse quotes what was typed in quotation marks, at the end.
        self.refuse(re.split("['\"]", message)[0].rstrip(": "))

    def refuse(self, reason: str) -> NoReturn:
        """End the process with 2, and with a sentence that quotes nothing of the command line."""
        super().error(f"{reason}; see: {self.prog} --help")

    def format_help(self) -> str:
        from connector.providers.api_key import environment_help

        if self.takes_connection:
            self.epilog = (
                f"Without a connection in the payload these variables serve: {environment_help()}. "
                f"A key is never taken from the command line. {_kinds()}"
            )
        return _with_optional_kind(super().format_help())

    def format_usage(self) -> str:
        return _with_optional_kind(super().format_usage())


def _with_optional_kind(text: str) -> str:
    # argparse knows no form for a value that may be left out but never stands alone.
    for shown in ("--sandbox KIND  ", "--sandbox KIND"):
        text = text.replace(shown, "--sandbox[=KIND]")
    return text


def connection_hint() -> str:
    """Return, for a person, where the command line looks for a connection."""
    from connector.providers.api_key import environment_help

    return f"Set {environment_help()}; or give a connection in --payload, or try --sandbox."


def _kinds() -> str:
    """Return, for a person, the kinds of sandbox, which only its extra knows."""
    try:
        from connector.sandbox import KINDS
    except ImportError:
        return "--sandbox needs the extra sandbox: pip install aiohttp."
    return f"The kinds of --sandbox: {', '.join(KINDS)}."


def _build(words: Sequence[str]) -> tuple[_Parser, dict[str, _Parser]]:
    parser = _Parser(
        prog="connector",
        description="Run the actions of a connector, and look into it.",
        epilog="Try: connector invoke ACTION --sandbox",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    # With its own `prog`, or argparse would format the usage of each start.
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, prog="connector"
    )
    # A command that is named needs no other one; a wrong word, or a call for help, needs all.
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        text, options = _COMMANDS[name]
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=name)
        options(command)
    return parser, commands.choices


def _invoke(command: _Parser) -> None:
    command.add_argument(
        "action", metavar="ACTION", help="an action's key; see: connector describe"
    )
    _connection(command)
    command.add_argument(
        "-i",
        "--input",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=VALUE",
        help="set one input, on top of the payload's; may be repeated; JSON values are understood",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="send nothing; show the request, secrets as ***"
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="write a binary result to FILE; the second image goes to FILE-2, and so on",
    )


def _pair(text: str) -> tuple[str, str]:
    # As bytes they are UTF-8 whatever the locale says.
    text = os.fsencode(text).decode(errors="surrogateescape")
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise argparse.ArgumentTypeError("KEY=VALUE needs an =, and a key before it")
    if key == "connection" and value.lstrip().startswith("{"):
        raise argparse.ArgumentTypeError(
            "connection=NAME takes the name of a configured connection, never a key"
        )
    return key, value


def _schema(command: _Parser) -> None:
    command.add_argument("name", metavar="ACTION", help="an action's key, or: connection")


def _options(command: _Parser) -> None:
    command.add_argument("source", metavar="SOURCE", help="a data source's key")
    _connection(command)


def _check(command: _Parser) -> None:
    command.add_argument(
        "manifest", nargs="?", type=Path, metavar="MANIFEST", help="(the bundled one)"
    )
    command.add_argument(
        "--handlers", default=HANDLERS, metavar="PACKAGE", help="the package of its handlers"
    )


def _docs(command: _Parser) -> None:
    command.add_argument(
        "--check", action="store_true", help="only say whether the page is current"
    )


def _sandbox(command: _Parser) -> None:
    command.add_argument(
        "--port", type=_port, default=8790, metavar="N", help="(default: 8790; 0: any free one)"
    )


def _port(text: str) -> int:
    if not re.match(r"[0-9]{1,5}\Z", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _connection(command: _Parser) -> None:
    command.takes_connection = True
    command.add_argument(
        "--payload",
        metavar="FILE",
        help='JSON file with "connection" and "inputs"; - reads standard input',
    )
    command.add_argument(
        "--connections",
        type=Path,
        metavar="FILE",
        help="file of named connections (default: the one that CONNECTOR_CONNECTIONS names)",
    )
    command.add_argument(
        "--sandbox",
        metavar="KIND",
        help="run against the offline provider: no key, no network. --sandbox alone is "
        f"--sandbox={_SANDBOX_DEFAULT}; the kinds are below",
    )


def _nothing(command: _Parser) -> None:
    """The command takes no options."""


_COMMANDS: dict[str, tuple[str, Callable[[_Parser], None]]] = {
    "invoke": ("Run one action and print its result as JSON.", _invoke),
    "describe": ("Print the manifest as JSON: all that a form builder needs.", _nothing),
    "schema": ("Print the JSON Schema that the runtime validates with.", _schema),
    "test-connection": ("Prove key, endpoint and version by an unbilled call.", _connection),
    "options": ("Print the choices of a dropdown as JSON.", _options),
    "check": ("Prove a manifest: schema, defaults, references, handlers.", _check),
    "docs": ("Write the connector's page below docs/, from the manifest.", _docs),
    "sandbox": ("Serve the offline provider until interrupted.", _sandbox),
}
