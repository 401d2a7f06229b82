"""The command `serve`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys

from connector.connections.configured import usual_path
from connector.doors.cli.listening import listen, run_for_long, shown_address, token_for
from connector.doors.cli.preparation import connector_of, make_sandbox
from connector.doors.cli.values import UsageError
from connector.http.reach import Reach
from connector.version import DISTRIBUTION


def serve(arguments: argparse.Namespace) -> int:
    try:
        from connector.doors.server import process
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serve needs the extra 'server' ({error.name} is missing): "
            f"pip install '{DISTRIBUTION}[server]'"
        ) from None
    from connector.doors.server.settings import Settings

    token_for(arguments.host)
    run_for_long()
    own = connector_of(arguments)
    with contextlib.ExitStack() as stack:
        sandbox = ""
        if arguments.sandbox:
            running = stack.enter_context(make_sandbox(own, 0))
            from connector.sandbox.connection import connection_to

            try:
                sandbox = json.dumps(connection_to(running, arguments.sandbox, own.manifest.raw))
            except ValueError as error:
                raise UsageError(f"--sandbox: {error}") from None
        settings = Settings(
            manifest=str(arguments.manifest or ""),
            handlers=arguments.handlers or "",
            connections=str(arguments.connections or _usual_file(own.manifest.key)),
            inline=arguments.allow_inline_connections,
            reach=tuple(arguments.allow_host),
            hosts=tuple(arguments.server_name),
            origins=tuple(arguments.allow_origin),
            concurrency=arguments.concurrency,
            sandbox=sandbox,
            sandbox_kind=arguments.sandbox or "",
        )
        try:
            Reach(allow=settings.reach)
        except ValueError:  # its message quotes the value
            raise UsageError(
                "--allow-host: give a network, an address or the name of a host"
            ) from None
        for connector in process.load(settings):  # a wrong file is reported here, once
            if connector is not None:
                connector.connection_names()
        listener = listen(arguments.host, arguments.port)
        print(
            f"The connector serves at http://{shown_address(listener)} (press Ctrl-C to stop it)."
        )
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            process.serve(listener, settings, arguments.workers)
    return 0


def _usual_file(key: str) -> str:
    """Return the file that `connections add` writes, empty if there is none."""
    path = usual_path(key, os.environ)
    return str(path) if path.exists() else ""
