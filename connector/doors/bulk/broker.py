"""Celery between coordinator and workers: its messages carry the names of chunks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from connector.connector import Connector
from connector.doors.bulk.limits import Limiter
from connector.doors.bulk.redis_bucket import RedisBucket
from connector.doors.bulk.store import Store
from connector.doors.bulk.worker import Run, Worker

_QUEUE = "connector-bulk"
_TASK = "connector.bulk.chunk"


class BrokerError(Exception):
    """The broker cannot be reached."""


def make_app(broker: str) -> Any:
    """Return an application that leaves a message in the queue until its chunk is done."""
    app = Celery("connector", broker=broker)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_default_queue=_QUEUE,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={} if broker.startswith("redis") else {"confirm_publish": True},
    )
    return app


def sender(app: Any) -> Callable[[str], None]:
    """Return what sends the name of a chunk to the workers.

    Raises BrokerError if the broker cannot be reached now. Later it may be away for a while, for
    example to be restarted: what is not sent then is sent again by the coordinator.
    """
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=2, interval_start=0.5, interval_step=0)
    except (OperationalError, OSError) as error:
        raise BrokerError(type(error).__name__) from None

    def send(name: str) -> None:
        with contextlib.suppress(OperationalError):
            app.send_task(_TASK, args=[name], queue=_QUEUE, retry=False)

    return send


def serve(
    app: Any, connector: Connector, results: str, limiter: str | None, processes: int
) -> None:
    """Work on chunks until interrupted, in so many processes."""
    workers: dict[int, Worker] = {}

    def worker() -> Worker:
        # A child must not share the sockets of its parent.
        if os.getpid() not in workers:
            workers[os.getpid()] = Worker(Store(results), connector, _limiters(limiter))
        return workers[os.getpid()]

    def chunk(name: str) -> None:
        worker().work(name)

    app.task(name=_TASK)(chunk)
    app.worker_main(
        [
            *("worker", "--queues", _QUEUE, "--concurrency", str(processes)),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        ]
    )


def _limiters(url: str | None) -> Callable[[Run], Limiter]:
    """Return what makes the limiter of a run; that of a Redis at `url` is shared."""

    def make(run: Run) -> Limiter:
        limits = run["requestsPerMinute"], run["tokensPerMinute"]
        if url is None:
            return Limiter(*limits)
        import redis

        client: Any = redis.Redis.from_url(url)
        buckets = {
            name: RedisBucket(client, f"{run['connection']}:{name}", redis.RedisError)
            for name in ("requests", "tokens")
        }
        return Limiter(*limits, buckets=buckets)

    return make
