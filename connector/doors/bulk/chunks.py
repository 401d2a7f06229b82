"""Rows that wait for workers, in chunks, beside the results: a message names only its chunk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from connector.doors.bulk.runner import Job
from connector.doors.bulk.store import METADATA, Store
from connector.errors import ConnectorError
from connector.text import strict_json

_CHUNKS = sa.Table(
    "chunks",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text),
)
_ROWS = sa.Table(
    "waiting_rows",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("chunk", sa.String(32), nullable=False, index=True),
    sa.Column("row", sa.BigInteger, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
)

_DEADLY = 2
"""So many workers a row may end; it gets no other one."""


class Chunk(NamedTuple):
    """The rows of one message. `run` is what they have in common."""

    run: Mapping[str, Any]
    jobs: list[Job]
    is_suspect: bool


class Chunks:
    """The chunks in the database of the results. Safe in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, run: Mapping[str, Any], jobs: Iterable[Job]) -> str:
        """Add a chunk and return its id."""
        name = uuid.uuid4().hex
        rows = [
            {
                "key": job.key,
                "chunk": name,
                "row": job.number,
                "inputs": strict_json.dumps(job.inputs).decode(),
                "size": job.size,
                "tries": 0,
            }
            for job in jobs
        ]
        values = {"id": name, "run": strict_json.dumps(run).decode(), "tries": 0}

        def add(connection: sa.Connection) -> None:
            connection.execute(sa.insert(_CHUNKS).values(**values, ended=False))
            connection.execute(sa.insert(_ROWS), rows)

        self._store.run(add)
        return name

    def open(self) -> dict[str, list[str]]:
        """Return the keys of each chunk that is not removed yet."""
        query = sa.select(_ROWS.c.chunk, _ROWS.c.key)
        found: dict[str, list[str]] = {}
        for chunk, key in self._all(query):
            found.setdefault(chunk, []).append(key)
        return found

    def begin(self, name: str) -> Chunk | None:
        """Return a chunk to be worked on, None if it has ended.

        If its rows have ended workers before, it is suspect, and each of its rows is counted.
        """
        update = sa.update(_CHUNKS).where(_CHUNKS.c.id == name, sa.not_(_CHUNKS.c.ended))
        returning = update.values(tries=_CHUNKS.c.tries + 1).returning(
            _CHUNKS.c.run, _CHUNKS.c.tries
        )

        def begin(connection: sa.Connection) -> Any:
            return connection.execute(returning).first()

        found = self._store.run(begin)
        if found is None:
            return None
        rows = self._all(sa.select(_ROWS).where(_ROWS.c.chunk == name))
        jobs = [
            Job(row.row, row.key, strict_json.loads(row.inputs), row.size, _error(row))
            for row in rows
        ]
        return Chunk(strict_json.loads(found.run), jobs, found.tries > 1)

    def count_try(self, key: str) -> None:
        """Note that a suspect row is called now."""
        update = sa.update(_ROWS).where(_ROWS.c.key == key).values(tries=_ROWS.c.tries + 1)
        self._store.run(lambda connection: connection.execute(update))

    def end(self, name: str, error: ConnectorError | None) -> None:
        """Mark a chunk as ended; `error` is what stops the run."""
        text = None if error is None else strict_json.dumps(error.to_dict()).decode()
        update = sa.update(_CHUNKS).where(_CHUNKS.c.id == name).values(ended=True, error=text)
        self._store.run(lambda connection: connection.execute(update))

    def ended(self, names: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        """Return which of these chunks have ended, with the error that stops the run or None."""
        query = sa.select(_CHUNKS.c.id, _CHUNKS.c.error)
        query = query.where(_CHUNKS.c.id.in_(names), _CHUNKS.c.ended)
        return {
            name: None if error is None else strict_json.loads(error)
            for name, error in self._all(query)
        }

    def remove(self, names: Sequence[str]) -> None:
        """Forget chunks and their rows."""

        def remove(connection: sa.Connection) -> None:
            connection.execute(sa.delete(_ROWS).where(_ROWS.c.chunk.in_(names)))
            connection.execute(sa.delete(_CHUNKS).where(_CHUNKS.c.id.in_(names)))

        self._store.run(remove)

    def _all(self, query: Any) -> Any:
        return self._store.run(lambda connection: connection.execute(query).all())


def _error(row: Any) -> ConnectorError | None:
    if row.tries < _DEADLY:
        return None
    return ConnectorError(
        "internal_error", f"The row has ended {row.tries} workers.", sent="unknown"
    )
