"""The arguments of the command line, and their help."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from connector.doors.cli import manifest_option
from connector.doors.cli.numbers import port_number
from connector.validation.suggestions import nearest
from connector.version import __version__

_SANDBOX_DEFAULT = "openai"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; `command` in the result is the command's name.

    A wrong command line ends the process with exit code 2. No message quotes the arguments, because
    any of them may be a misplaced key.
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
            command.fail(f"no such option{nearest(options[0], known)}")
        kind = " (write the kind of sandbox after an equals sign: --sandbox=KIND)"
        command.fail("unexpected argument" + (kind if "--sandbox" in argv else ""))
    return arguments


class _Parser(argparse.ArgumentParser):
    """Imports what the help needs only for the help, and never quotes an argument.

    The width is fixed, because argparse makes a formatter for each argument and each one would ask
    the terminal for its width.
    """

    takes_connection = False

    def __init__(self, **settings: Any) -> None:
        # No abbreviations: a new option could make one ambiguous, and argparse quotes it then.
        super().__init__(
            formatter_class=partial(argparse.HelpFormatter, width=80),
            allow_abbrev=False,
            **settings,
        )

    def error(self, message: str) -> NoReturn:
        # argparse quotes the argument at the end of its message.
        self.fail(re.split("['\"]", message)[0].rstrip(": "))

    def fail(self, reason: str) -> NoReturn:
        """End the process with exit code 2 and a message that quotes no argument."""
        super().error(f"{reason}; see: {self.prog} --help")

    def format_help(self) -> str:
        from connector.providers.api_key import environment_help

        if self.takes_connection:
            self.epilog = (
                "Without a connection in the payload, these environment variables are used: "
                f"{environment_help()}. "
                f"A key cannot be given on the command line. {_kinds()}"
            )
        return _with_optional_kind(super().format_help())

    def format_usage(self) -> str:
        return _with_optional_kind(super().format_usage())


def _with_optional_kind(text: str) -> str:
    # argparse cannot show an optional value that must follow an equals sign.
    for shown in ("--sandbox KIND  ", "--sandbox KIND"):
        text = text.replace(shown, "--sandbox[=KIND]")
    return text


def connection_hint() -> str:
    """Return a hint that says where the command line looks for a connection."""
    from connector.providers.api_key import environment_help

    return f"Set {environment_help()}; or give a connection in --payload, or try --sandbox."


def _kinds() -> str:
    """Return a sentence about the kinds of sandbox, or about the extra that is missing."""
    try:
        from connector.sandbox import Sandbox
    except ImportError:
        return "--sandbox needs the extra 'sandbox': pip install aiohttp."
    return f"The kinds of --sandbox: {', '.join(Sandbox.kinds)}."


def _build(words: Sequence[str]) -> tuple[_Parser, dict[str, _Parser]]:
    parser = _Parser(
        prog="connector",
        description="Run and inspect the actions of a connector.",
        epilog="Try: connector invoke ACTION --sandbox",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    # `prog` is given, because argparse would otherwise format the usage at each start.
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, prog="connector"
    )
    # A named command needs no other one; a wrong word, or --help, needs all.
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        text, options = _COMMANDS[name]
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=name)
        options(command)
        if name != "new":
            manifest_option.add(command)
    return parser, commands.choices


def _invoke(command: _Parser) -> None:
    command.add_argument(
        "action", metavar="ACTION", help="an action's key; see: connector describe"
    )
    _connection(command)
    _inputs(command)
    _run_options(command)
    command.add_argument(
        "--force", action="store_true", help="on a terminal, replace FILE if it exists"
    )
    _json(command)


def _json(command: _Parser) -> None:
    command.add_argument(
        "--json", action="store_true", help="on a terminal, print JSON, as in a pipe"
    )


def _inputs(command: _Parser) -> None:
    command.add_argument(
        "-i",
        "--input",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=VALUE",
        help="set one input, overriding the payload; may be repeated; VALUE may be JSON",
    )


def _run_options(command: _Parser) -> None:
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
    # The bytes are UTF-8, whatever the locale.
    text = os.fsencode(text).decode(errors="surrogateescape")
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise argparse.ArgumentTypeError("KEY=VALUE needs an equals sign, and a key before it")
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
    _json(command)


def _test_connection(command: _Parser) -> None:
    _connection(command)
    _json(command)


def _check(command: _Parser) -> None:
    command.add_argument(
        "file", nargs="?", type=Path, metavar="MANIFEST", help="the same as --manifest MANIFEST"
    )


def _docs(command: _Parser) -> None:
    command.add_argument(
        "--check", action="store_true", help="only check whether the page is current"
    )


def _new(command: _Parser) -> None:
    command.add_argument("folder", type=Path, metavar="DIR", help="the folder, such as acme")


def _sandbox(command: _Parser) -> None:
    command.add_argument(
        "--port",
        type=port_number,
        default=8790,
        metavar="N",
        help="(default: 8790; 0: any free port)",
    )


def _bulk(command: _Parser) -> None:
    from connector.doors.cli import bulk_arguments

    command.add_argument("action", metavar="ACTION", help="an action's key")
    bulk_arguments.add(command)
    _connection(command)
    _inputs(command)


def _serve(command: _Parser) -> None:
    from connector.doors.cli import serve_arguments

    serve_arguments.add(command)


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
        help="file of named connections (default: the value of CONNECTOR_CONNECTIONS)",
    )
    command.add_argument(
        "--sandbox",
        metavar="KIND",
        help="run against the offline provider: no key, no network. --sandbox alone is "
        f"--sandbox={_SANDBOX_DEFAULT}; the kinds are below",
    )


def _no_options(command: _Parser) -> None:
    """Add nothing: the command has no options."""


_COMMANDS: dict[str, tuple[str, Callable[[_Parser], None]]] = {
    "invoke": ("Run one action and print its result.", _invoke),
    "describe": ("Print the manifest as JSON, with all that a form builder needs.", _no_options),
    "schema": ("Print the JSON Schema that inputs are validated with.", _schema),
    "test-connection": (
        "Test the key, the endpoint and the version with an unbilled call.",
        _test_connection,
    ),
    "options": ("Print the choices of a dropdown.", _options),
    "check": ("Check a manifest: schema, defaults, references, handlers.", _check),
    "docs": ("Write the connector's page to docs/, from the manifest.", _docs),
    "new": ("Write a connector of your own, ready to run, into a new folder.", _new),
    "sandbox": ("Serve the offline provider until interrupted.", _sandbox),
    "bulk": ("Run one action over the rows of a file; go on where it stopped.", _bulk),
    "serve": ("Serve the actions over HTTP, with a console, until interrupted.", _serve),
}
