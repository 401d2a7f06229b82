"""The command `mcp`."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from connector.connections import configured
from connector.connector import Connector
from connector.doors.cli.listening import listen, run_for_long, shown_address, token_for
from connector.doors.cli.preparation import connector_of, environment_connection, make_sandbox
from connector.doors.cli.terminal import print_message
from connector.doors.cli.values import UsageError
from connector.version import DISTRIBUTION


def mcp(arguments: argparse.Namespace) -> int:
    try:
        from connector.doors.mcp import process
        from connector.doors.mcp.server import Tools
    except ModuleNotFoundError as error:
        raise UsageError(
            f"mcp needs the extra 'mcp' ({error.name} is missing): "
            f"pip install '{DISTRIBUTION}[mcp]'"
        ) from None
    run_for_long()
    with contextlib.ExitStack() as stack:
        connector = _connector(arguments, stack)
        names = connector.connection_names()
        connection = None if names else environment_connection(connector)
        if not names and connection is None:
            raise UsageError(
                "mcp: there is no connection; run connector connections add NAME, or try --sandbox"
            )
        tools = Tools(connector, connection)
        if not arguments.http:
            process.serve_stdio(tools)
            return 0
        _serve_http(tools, arguments)
    return 0


def _connector(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Connector:
    """Return the connector of the arguments, with a sandbox if they ask for one."""
    connector = stack.enter_context(connector_of(arguments))
    connector.import_all()
    if not arguments.sandbox:
        return connector
    from connector.sandbox.connection import connection_to

    running = stack.enter_context(make_sandbox(connector, 0))
    try:
        connection = connection_to(running, arguments.sandbox, connector.manifest.raw)
    except ValueError as error:
        raise UsageError(f"--sandbox: {error}") from None
    given: dict[str, Any] = {"sandbox": connection}
    if arguments.connections is not None:
        given = {**configured.read(arguments.connections).connections, **given}
    made = Connector(connector.manifest, arguments.handlers, given)
    made.import_all()
    return stack.enter_context(made)


def _serve_http(tools: Any, arguments: argparse.Namespace) -> None:
    from connector.doors.mcp import process
    from connector.doors.server.settings import Settings

    token = token_for(arguments.host)
    listener = listen(arguments.host, arguments.port)
    print_message(f"The tools are served at http://{shown_address(listener)}{process.PATH}.")
    settings = Settings(hosts=tuple(arguments.server_name), origins=tuple(arguments.allow_origin))
    with contextlib.suppress(KeyboardInterrupt):
        process.serve_http(tools, listener, settings, token)
