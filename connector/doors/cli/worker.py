"""The command `worker`."""

from __future__ import annotations

import argparse
import gc

from connector.doors.cli.preparation import connector_of
from connector.doors.cli.values import UsageError
from connector.version import DISTRIBUTION


def worker(arguments: argparse.Namespace) -> int:
    """Call the rows that `connector bulk --celery` gives away, until interrupted."""
    try:
        from connector.doors.bulk import broker, store
    except ModuleNotFoundError as error:
        raise UsageError(
            f"worker needs the extra 'celery' ({error.name} is missing): "
            f"pip install '{DISTRIBUTION}[celery]'"
        ) from None
    limiter = arguments.limiter
    if limiter is None and arguments.broker.startswith("redis"):
        limiter = arguments.broker
    with connector_of(arguments) as connector:
        connector.import_all()
        gc.set_threshold(5_000, 10, 10)  # `main` all but turns it off
        try:
            store.Store(arguments.results).close()
        except store.StoreError as error:
            raise UsageError(str(error)) from None
        app = broker.make_app(arguments.broker)
        broker.serve(app, connector, arguments.results, limiter, arguments.processes)
    return 0
