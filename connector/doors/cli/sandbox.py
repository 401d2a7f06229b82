"""The command `sandbox`."""

from __future__ import annotations

import argparse
import contextlib
import sys

from connector.doors.cli.preparation import connector_of, make_sandbox
from connector.doors.cli.terminal import print_json, print_message
from connector.doors.cli.values import UsageError


def serve(arguments: argparse.Namespace) -> int:
    def show(method: str, path: str, status: int) -> None:
        print_message(f"{status} {method} {path}")

    connector = connector_of(arguments)
    try:
        sandbox = make_sandbox(
            connector,
            arguments.port,
            show,
            requests_per_minute=arguments.requests_per_minute,
            tokens_per_minute=arguments.tokens_per_minute,
            minute=arguments.minute,
        )
        from connector.sandbox.connection import connection_to

        sandbox.start()
    except OSError as error:
        raise UsageError(f"port {arguments.port}: {error.strerror}") from None
    print(f"The offline provider listens on {sandbox.url} (press Ctrl-C to stop it).")
    for kind in sandbox.kinds:
        print(f"\n# a connection to it of the kind {kind}")
        print_json(connection_to(sandbox, kind, connector.manifest.raw))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        sandbox.serve_forever()
    return 0
