"""The arguments of `connector sandbox`."""

from __future__ import annotations

import argparse

from connector.doors.cli.numbers import amount, port_number, seconds


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    command.add_argument(
        "--port",
        type=port_number,
        default=8790,
        metavar="N",
        help="(default: 8790; 0: any free port)",
    )
    command.add_argument(
        "--requests-per-minute",
        type=amount,
        metavar="N",
        help="answer 429 to more requests than these",
    )
    command.add_argument(
        "--tokens-per-minute", type=amount, metavar="N", help="answer 429 beyond these tokens"
    )
    command.add_argument(
        "--minute",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a minute of these limits is (default: 60)",
    )
