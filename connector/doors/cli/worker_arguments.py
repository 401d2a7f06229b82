"""The arguments of `connector worker`."""

from __future__ import annotations

import argparse
from pathlib import Path

from connector.doors.cli.numbers import count


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    command.add_argument(
        "--broker",
        metavar="URL",
        required=True,
        help="of RabbitMQ (amqp://…) or Redis (redis://…), the same as in bulk --celery",
    )
    command.add_argument(
        "--results",
        metavar="URL",
        required=True,
        help="of the PostgreSQL database with the rows and the results",
    )
    command.add_argument(
        "--connections",
        type=Path,
        metavar="FILE",
        help="file of named connections (default: the value of CONNECTOR_CONNECTIONS)",
    )
    command.add_argument(
        "--limiter",
        metavar="URL",
        help="of a Redis in which all workers share the limits (default: the broker, if it is "
        "Redis; otherwise each process keeps to the limits by itself)",
    )
    command.add_argument(
        "--processes",
        type=count,
        default=1,
        metavar="N",
        help="processes, each with the --concurrency of the run (default: 1)",
    )
