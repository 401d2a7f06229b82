"""Prepares what a command needs: the connector, the payload, the connection, the sandbox."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from connector import payload
from connector.connections.configured import usual_path
from connector.connector import Connector
from connector.doors.cli import parser
from connector.doors.cli.terminal import print_message
from connector.errors import ConnectorError
from connector.files import resources
from connector.manifest import reader
from connector.payload import Payload
from connector.result import Result
from connector.text.secrets import MASK
from connector.validation.suggestions import nearest
from connector.version import DISTRIBUTION

_WORD = re.compile(r"[A-Za-z_]{1,24}\Z")
_WORDS = re.compile(r"[A-Za-z_ -]{1,24}\Z")
"""A word that cannot be a key; and words that cannot if they are close to a known name."""

_SANDBOX_FILES = 32
"""Files and sockets that a run with a sandbox may have open: both ends of 8 requests, and more."""


class UsageError(Exception):
    """The command line itself is wrong."""


def system_reason(error: Exception) -> str:
    """Return the system's own words for an error, without arguments that it may quote."""
    return getattr(error, "strerror", None) or type(error).__name__


def mask_unless_known(word: str, known: Collection[str]) -> str:
    """Return `word` if it is a known name or close to one.

    Any other word may be a misplaced key, and is masked.
    """
    if word in known or (_WORDS.match(word) and nearest(word, known)):
        return word
    return MASK


def bundled_connector(connections: Path | None = None) -> Connector:
    """Return the bundled connector, without the imports of `Connector.load`.

    Unlike the library, the command line also knows the connections that `connections add` wrote.
    """
    spec = reader.load(resources.manifest())
    usual = usual_path(spec.key, os.environ)
    if connections is None and usual.exists():
        connections = usual
    return Connector(spec, configured=connections)


def command_line_inputs(arguments: argparse.Namespace, connector: Connector) -> dict[str, str]:
    """Return the inputs from -i.

    A name that may be a misplaced key is masked, because the error for an unknown input quotes it.
    """
    action = connector.manifest.actions.get(arguments.known)
    keys = [item.key for item in action.inputs] if action else []
    return {
        name if _WORD.match(name) else mask_unless_known(name, keys): value
        for name, value in arguments.input
    }


@contextlib.contextmanager
def prepare(
    arguments: argparse.Namespace,
) -> Iterator[tuple[Connector, Mapping[str, Any], Any]]:
    """Yield the connector, the inputs of the payload and the connection.

    The connection is the sandbox's, the payload's or the environment's; None if there is none or if
    -i names one.
    """
    connector = bundled_connector(arguments.connections)
    if "action" in arguments:
        arguments.known = mask_unless_known(arguments.action, connector.manifest.actions)
    inputs, connection = _payload(arguments.payload)
    if connection is None and not _names_connection(arguments):
        connection = inputs.get("connection")
        if connection is None and not arguments.sandbox:
            connection = _from_environment()
    with contextlib.ExitStack() as stack:
        if arguments.sandbox:
            connection = _sandbox_connection(stack, connector, arguments.sandbox)
        stack.callback(connector.close)
        yield connector, inputs, connection


def _sandbox_connection(stack: contextlib.ExitStack, connector: Connector, kind: str) -> Any:
    """Start a sandbox that `stack` stops, and return a connection to it."""
    try:
        sandbox = stack.enter_context(make_sandbox(connector, 0))
    except OSError as error:
        raise ConnectorError(
            "connect_failed", f"The sandbox cannot be started ({system_reason(error)})."
        ) from None
    try:
        return sandbox.connection(kind)
    except ValueError as error:
        raise UsageError(f"--sandbox: {error}") from None


def _names_connection(arguments: argparse.Namespace) -> bool:
    return "connection" in dict(getattr(arguments, "input", ()))


def _from_environment() -> dict[str, Any] | None:
    """Return the environment's connection or None; warn if there are several keys."""
    from connector.providers.api_key import from_environment

    found = from_environment(os.environ)
    keys = [name for name, value in os.environ.items() if from_environment({name: value})]
    if len(keys) > 1:
        # The used key is the one without which the connection would be different.
        (used,) = (
            key
            for key in keys
            if from_environment({k: v for k, v in os.environ.items() if k != key}) != found
        )
        others = " and ".join(sorted({*keys} - {used}))
        print_message(f"warning: the key of {used} is used; {others} is set too and is not used")
    return found


def with_connection_hint(result: Result, connection: Any, arguments: argparse.Namespace) -> Result:
    """Add a hint about where to give a connection, if there was none at all."""
    error = result.error
    missing = connection is None and not _names_connection(arguments)
    if missing and error is not None and error.code == "invalid_connection":
        error.hint = parser.connection_hint()
    return result


def _payload(source: str | None) -> Payload:
    if source is None:
        return Payload({}, None)
    try:
        text = _standard_input() if source == "-" else Path(source).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        reason = system_reason(error)
        hint = "give the name of a JSON file, or - for standard input"
        raise UsageError(f"--payload: {reason}; {hint}") from None
    return payload.parse(text)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read()


def make_sandbox(connector: Connector, port: int, show: Any = None) -> Any:
    """Return a sandbox that is not started.

    Raises:
        UsageError: the extra is not installed.
        OSError: the process may not open enough files. Without this check asyncio would print its
            own traceback, or wait.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(_SANDBOX_FILES):
            stack.enter_context(open(os.devnull))
    try:
        from connector.sandbox import Sandbox
    except ModuleNotFoundError:
        raise UsageError(
            f"the sandbox needs the extra 'sandbox' of {DISTRIBUTION}: pip install aiohttp"
        ) from None
    return Sandbox(connector.manifest.raw.get("models", {}), port, show, keep=0)
