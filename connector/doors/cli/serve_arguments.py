"""The arguments of `connector serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from connector.doors.cli.numbers import count, port_number


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    command.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen here (default: 127.0.0.1); other than loopback only with a token in "
        "CONNECTOR_TOKEN",
    )
    command.add_argument(
        "--port",
        type=port_number,
        default=8791,
        metavar="N",
        help="(default: 8791; 0: any free port)",
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
        help="add a connection named sandbox, which leads to the offline provider",
    )
    command.add_argument(
        "--allow-inline-connections",
        action="store_true",
        help="accept connections in payloads; they reach public hosts only",
    )
    command.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="let these reach this host, address or network too; may be repeated",
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
        help="let web pages of this origin call the connector; may be repeated",
    )
    command.add_argument(
        "--concurrency",
        type=count,
        default=256,
        metavar="N",
        help="calls at a time in each process (default: 256)",
    )
    command.add_argument(
        "--workers", type=count, default=1, metavar="N", help="processes (default: 1)"
    )
