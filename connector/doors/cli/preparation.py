"""Prepares what a command needs: the connector, the payload, the connection, the sandbox."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connector import payload
from connector.connector import Connector
from connector.doors.cli import manifest_option, parser, values
from connector.doors.cli.terminal import print_message
from connector.doors.cli.values import UsageError, mask_unless_known, system_reason
from connector.errors import ConnectorError
from connector.payload import Payload
from connector.result import Result
from connector.version import DISTRIBUTION

_SANDBOX_FILES = 32
"""Files and sockets that a run with a sandbox may have open: both ends of 8 requests, and more."""


def check_manifest_options(arguments: argparse.Namespace) -> None:
    """Raise UsageError if there is no such manifest, or no such package of handlers."""
    path = manifest_option.chosen(arguments)
    if path is not None and not os.path.isfile(path):
        raise UsageError(f"{'--manifest' if arguments.manifest else 'MANIFEST'}: no such file")
    if arguments.handlers is not None and not _is_package(arguments.handlers):
        raise UsageError("--handlers: no such package")


def _is_package(name: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except ValueError:  # an empty name
        return False


def connector_of(arguments: argparse.Namespace) -> Connector:
    """Return the connector that a command is about, without the imports of `Connector.load`."""
    check_manifest_options(arguments)
    return manifest_option.load(arguments, getattr(arguments, "connections", None))


@contextlib.contextmanager
def prepare(
    arguments: argparse.Namespace,
) -> Iterator[tuple[Connector, Mapping[str, Any], Any]]:
    """Yield the connector, the inputs and the connection.

    The connection is the sandbox's, that of the command line, the payload's or the environment's;
    None if there is none.
    """
    connector = connector_of(arguments)
    manifest, action = connector.manifest, None
    if "words" in arguments:  # of `invoke`
        parser.parse_invocation(arguments, manifest)
    if "action" in arguments:
        arguments.known = mask_unless_known(arguments.action, manifest.actions)
        action = manifest.actions.get(arguments.action)
    if getattr(arguments, "query", None) is not None:
        from connector.doors.cli import query

        arguments.show = query.compiled(arguments.query)
    values.check_standard_input(arguments)
    given = values.given(arguments, action, manifest.schemas)
    inputs, connection = _payload(arguments.payload)
    inputs = {**inputs, **given}
    with contextlib.ExitStack() as stack:
        if arguments.sandbox:
            connection = _sandbox_connection(stack, connector, arguments.sandbox)
        elif "connection" in given or connection is None:
            connection = inputs.get("connection")
            if connection is None:
                connection = environment_connection(connector)
        stack.callback(connector.close)
        yield connector, inputs, connection


def _sandbox_connection(stack: contextlib.ExitStack, connector: Connector, kind: str) -> Any:
    """Start a sandbox that `stack` stops, and return a connection to it."""
    try:
        sandbox = stack.enter_context(make_sandbox(connector, 0))
        from connector.sandbox.connection import connection_to
    except OSError as error:
        raise ConnectorError(
            "connect_failed", f"The sandbox cannot be started ({system_reason(error)})."
        ) from None
    try:
        return connection_to(sandbox, kind, connector.manifest.raw)
    except ValueError as error:
        raise UsageError(f"--sandbox: {error}") from None


def environment_connection(connector: Connector) -> dict[str, Any] | None:
    """Return the environment's connection or None; warn if there are several keys.

    None too for a connector of another service, which must not get these keys.
    """
    from connector.providers.api_key import from_environment

    found = from_environment(os.environ)
    fields = {field["key"] for field in connector.manifest.raw["connections"][0]["fields"]}
    if found is None or not fields.issuperset(found["fields"]):
        return None
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
    if connection is None and error is not None and error.code == "invalid_connection":
        own = "Give a connection in --payload, or try --sandbox=echo."
        error.hint = own if manifest_option.chosen(arguments) else parser.connection_hint()
    return result


def _payload(source: str | None) -> Payload:
    if source is None:
        return Payload({}, None)
    try:
        text = values.standard_input() if source == "-" else Path(source).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        reason = system_reason(error)
        hint = "give the name of a JSON file, or - for standard input"
        raise UsageError(f"--payload: {reason}; {hint}") from None
    return payload.parse(text)


def make_sandbox(connector: Connector, port: int, show: Any = None, **limits: Any) -> Any:
    """Return a sandbox that is not started. `limits` are those of `Sandbox`.

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
    return Sandbox(connector.manifest.raw.get("models", {}), port, show, keep=0, **limits)
