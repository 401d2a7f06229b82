"""The arguments of `connector bulk`."""

from __future__ import annotations

import argparse
from pathlib import Path

from connector.doors.cli.numbers import amount, count


def add(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command; those of the connection and the inputs come from
    `parser`."""
    command.add_argument(
        "rows", metavar="ROWS", type=Path, help="a file of rows: .jsonl, .csv or .parquet"
    )
    command.add_argument(
        "--results",
        metavar="FILE|URL",
        required=True,
        help="where the results are kept: a SQLite file, or the URL of a PostgreSQL database",
    )
    command.add_argument(
        "--concurrency", type=count, default=16, metavar="N", help="calls at a time (default: 16)"
    )
    command.add_argument(
        "--celery",
        metavar="URL",
        help="give the rows to workers (see connector worker) through this broker: RabbitMQ "
        "(amqp://…) or Redis (redis://…); --results is then the URL of a PostgreSQL database",
    )
    command.add_argument(
        "--requests-per-minute",
        type=amount,
        metavar="N",
        help="attempts per minute at the most (default: what the provider allows)",
    )
    command.add_argument(
        "--tokens-per-minute",
        type=amount,
        metavar="N",
        help="tokens per minute at the most (default: what the provider allows)",
    )
    command.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="at the end write the results in the order of the rows, as .jsonl or .csv",
    )
    command.add_argument("--limit", type=amount, metavar="N", help="the first N rows only")
    command.add_argument(
        "--sample", type=amount, metavar="N", help="N rows only, spread evenly over the file"
    )
    command.add_argument(
        "--retry-failed", action="store_true", help="run the rows again that have failed"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="send nothing; show the first requests"
    )
    command.add_argument(
        "--json", action="store_true", help="print the counts as JSON on a terminal too"
    )
