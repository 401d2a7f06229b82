"""The arguments of `connector mcp`."""

from __future__ import annotations

import argparse
from pathlib import Path

from connector.doors.cli.numbers import port_number


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    command.add_argument(
        "--connections",
        type=Path,
        metavar="FILE",
        help="file of named connections (default: the value of CONNECTOR_CONNECTIONS)",
    )
    command.add_argument(
        "--sandbox",
        metavar="KIND",
        help="add a connection named sandbox, which leads to the offline provider",
    )
    command.add_argument(
        "--http",
        action="store_true",
        help="serve streamable HTTP instead of standard input and output",
    )
    command.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="with --http, listen here (default: 127.0.0.1); other than loopback only with a token "
        "in CONNECTOR_TOKEN",
    )
    command.add_argument(
        "--port",
        type=port_number,
        default=8792,
        metavar="N",
        help="with --http (default: 8792; 0: any free port)",
    )
    command.add_argument(
        "--server-name",
        action="append",
        default=[],
        metavar="NAME",
        help="accept this name in the Host header, beside loopback; may be repeated",
    )
    command.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin call the tools; may be repeated",
    )
