"""The commands of the command line and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connector.doors import export
from connector.doors.cli import manifest_option
from connector.doors.cli.argument_parser import SANDBOX_DEFAULT, Parser
from connector.doors.cli.inputs import named_connection, pair, with_values
from connector.manifest.model import Manifest
from connector.version import __version__

SHELLS = ("bash", "zsh", "fish")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; `command` in the result is the command's name.

    What may follow `invoke` depends on the action: the result has its `words`, which
    `parse_invocation` parses. A wrong command line ends the process with exit code 2. No message
    quotes the arguments, because any of them may be a misplaced key.
    """
    # A bare --sandbox must not swallow the action that follows it.
    words = [f"--sandbox={SANDBOX_DEFAULT}" if word == "--sandbox" else word for word in argv]
    if words[:1] == ["invoke"] and any(not word.startswith("-") for word in words[1:]):
        return beginning(words)
    parser, commands = build(words)
    if not words:
        parser.print_help()
        parser.exit()
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        commands[arguments.command].refuse(unknown, words)
    return arguments


def beginning(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments that lead to the manifest, without looking at the others."""
    parser = Parser(prog="connector invoke", add_help=False)
    _connections_file(parser)
    manifest_option.add(parser)
    arguments, _ = parser.parse_known_args(words)
    arguments.command, arguments.words = "invoke", words
    return arguments


def parse_invocation(arguments: argparse.Namespace, manifest: Manifest) -> None:
    """Parse the `words` of `arguments` into it, with the inputs of their action as flags."""
    parser, commands = build(arguments.words, manifest)
    invoke = commands["invoke"]
    words = [*with_values(arguments.words, invoke.flags)]
    _, unknown = parser.parse_known_args(words, arguments)
    # The flags of an action that does not exist are not known: the action is what is wrong.
    if unknown and invoke.action is not None:
        invoke.refuse(unknown, words)


def build(
    words: Sequence[str], manifest: Manifest | None = None
) -> tuple[Parser, Mapping[str, Parser]]:
    """Return the parser of a command line, and those of the commands that it may mean.

    With a manifest, `invoke` has the inputs of the first action among the words.
    """
    parser = Parser(
        prog="connector",
        description="Run and inspect the actions of a connector.",
        epilog="Begin with: connector actions. Without a key: connector invoke ACTION --sandbox",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    # `prog` is given, because argparse would otherwise format the usage at each start.
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, prog="connector"
    )
    # A named command needs no other one; a wrong word, or --help, needs all.
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        text, options = _COMMANDS[name]
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            add_help=False,
            conflict_handler="resolve",  # an option has precedence over an input's flag
        )
        command.set_defaults(command=name)
        if manifest is not None and name == "invoke":
            _take_inputs(command, words, manifest)
        command.begin_options()
        options(command)
        if name != "new":
            manifest_option.add(command)
    return parser, commands.choices


def _take_inputs(command: Parser, words: Sequence[str], manifest: Manifest) -> None:
    action = next((manifest.actions[word] for word in words if word in manifest.actions), None)
    if action is not None:
        command.take_inputs(action, manifest.schemas)


def connection_hint() -> str:
    """Return a hint that says where the command line looks for a connection."""
    from connector.providers.api_key import usual_help

    return (
        f"Set {usual_help()}; or run connector connections add NAME; or give a connection in "
        "--payload, or try --sandbox."
    )


def _invoke(command: Parser) -> None:
    name, flags = "an action's key; see: connector actions", ""
    if command.action is not None:
        name = argparse.SUPPRESS
    else:
        command.usage = f"{command.prog} ACTION [--INPUT VALUE]... [OPTION]..."
        flags = "; inputs are flags too, see: connector invoke ACTION --help"
    command.add_argument("action", metavar="ACTION", help=name)
    _connection(command)
    _inputs(command, flags)
    _run_options(command)
    command.add_argument(
        "--force", action="store_true", help="on a terminal, replace FILE if it exists"
    )
    _json(command)


def _json(command: Parser) -> None:
    command.add_argument(
        "--json", action="store_true", help="on a terminal, print JSON, as in a pipe"
    )


def _inputs(command: Parser, note: str = "") -> None:
    command.add_argument(
        "-i",
        # An input of this name has precedence: -i is what is documented.
        *(["--input"] if "--input" not in (flag.name for flag in command.flags) else []),
        dest="input",
        action="append",
        type=pair,
        default=[],
        metavar="KEY=VALUE",
        help=f"set an input by its key, overriding the payload; may be repeated{note}",
    )


def _run_options(command: Parser) -> None:
    command.add_argument(
        "--dry-run", action="store_true", help="send nothing; show the request, secrets as ***"
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="write a binary result to FILE; the second image goes to FILE-2, and so on",
    )
    command.add_argument(
        "--stream",
        action="store_true",
        help="print the answer while it is written: text on a terminal, in a pipe one event a line "
        "and the envelope last",
    )
    _query(command)


def _schema(command: Parser) -> None:
    command.add_argument("name", metavar="ACTION", help="an action's key, or: connection")


def _options(command: Parser) -> None:
    command.add_argument("source", metavar="SOURCE", help="a data source's key")
    _connection(command)
    _json(command)


def _check(command: Parser) -> None:
    command.add_argument(
        "file", nargs="?", type=Path, metavar="MANIFEST", help="the same as --manifest MANIFEST"
    )


def _docs(command: Parser) -> None:
    command.add_argument(
        "--check", action="store_true", help="only check whether the page is current"
    )


def _new(command: Parser) -> None:
    command.add_argument("folder", type=Path, metavar="DIR", help="the folder, such as acme")


def _sandbox(command: Parser) -> None:
    from connector.doors.cli import sandbox_arguments

    sandbox_arguments.add(command)


def _bulk(command: Parser) -> None:
    from connector.doors.cli import bulk_arguments

    command.add_argument("action", metavar="ACTION", help="an action's key")
    bulk_arguments.add(command)
    _connection(command)
    _inputs(command)


def _worker(command: Parser) -> None:
    from connector.doors.cli import worker_arguments

    worker_arguments.add(command)


def _serve(command: Parser) -> None:
    from connector.doors.cli import serve_arguments

    serve_arguments.add(command)


def _mcp(command: Parser) -> None:
    from connector.doors.cli import mcp_arguments

    mcp_arguments.add(command)


def _actions(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="print a JSON array")


def _completion(command: Parser) -> None:
    command.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))
    command.epilog = (
        'For bash add eval "$(connector completion bash)" to ~/.bashrc, for zsh the same with zsh '
        "to ~/.zshrc, after compinit. For fish: connector completion fish > "
        "~/.config/fish/completions/connector.fish"
    )


def _export(command: Parser) -> None:
    command.add_argument(
        "target", metavar="TARGET", choices=export.TARGETS, help=" or ".join(export.TARGETS)
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="write the files into this folder"
    )


def _query(command: Parser) -> None:
    command.set_defaults(show=None)
    command.add_argument(
        "--query",
        metavar="EXPR",
        help="print one value of the result, chosen by a JMESPath expression such as "
        "data.choices[0].text; a text is printed without quotes",
    )


def _connection(command: Parser) -> None:
    command.takes_connection = True
    command.add_argument(
        "--connection",
        dest="input",
        action="append",
        type=named_connection,
        default=[],
        metavar="NAME",
        help="use the configured connection of this name",
    )
    command.add_argument(
        "--payload",
        metavar="FILE",
        help='JSON file with "connection" and "inputs"; - reads standard input',
    )
    _connections_file(command)
    command.add_argument(
        "--sandbox",
        metavar="KIND",
        help="run against the offline provider: no key, no network. --sandbox alone is "
        f"--sandbox={SANDBOX_DEFAULT}; the kinds are below",
    )


def _connections_file(command: Parser) -> None:
    command.add_argument(
        "--connections",
        type=Path,
        metavar="FILE",
        help="file of named connections (default: the value of CONNECTOR_CONNECTIONS)",
    )


def _test_connection(command: Parser) -> None:
    _connection(command)
    _query(command)
    _json(command)


def _no_options(command: Parser) -> None:
    """Add nothing: the command has no options."""


def _named_connections(command: Parser) -> None:
    from connector.doors.cli import connections_arguments

    connections_arguments.add(command)


_COMMANDS: dict[str, tuple[str, Callable[[Parser], None]]] = {
    "actions": ("List the actions and the inputs that they require.", _actions),
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
    "connections": ("Add, list and test named connections.", _named_connections),
    "sandbox": ("Serve the offline provider until interrupted.", _sandbox),
    "bulk": ("Run one action over the rows of a file; go on where it stopped.", _bulk),
    "worker": ("Call the rows that bulk --celery gives away, until interrupted.", _worker),
    "serve": ("Serve the actions over HTTP, with a console, until interrupted.", _serve),
    "mcp": ("Serve the actions as tools of the Model Context Protocol.", _mcp),
    "export": ("Write files for other tools: OpenAPI, Node-RED, Power Platform.", _export),
    "completion": ("Print the script that lets a shell complete commands.", _completion),
}
