"""The results of a bulk run, in SQLite or PostgreSQL: one for each key, the first one wins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects import postgresql, sqlite

from connector.text import strict_json

_METADATA = sa.MetaData()
RESULTS = sa.Table(
    "results",
    _METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("row", sa.BigInteger, nullable=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("data", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("meta", sa.Text, nullable=False),
)
_LOCK = 7_364_528_183_901
"""The advisory lock of PostgreSQL that a run holds: any number that nobody else uses."""


class StoreError(Exception):
    """The results cannot be read or written; the message names no password."""


class Stored(NamedTuple):
    """One result as it is stored."""

    key: str
    row: int
    envelope: Mapping[str, Any]


class Store:
    """The results at a URL, or in a SQLite file at a path. Safe in threads."""

    def __init__(self, place: str) -> None:
        self._url = place if "://" in place else f"sqlite:///{Path(place).absolute()}"
        try:
            url = sa.make_url(self._url)
            self._is_sqlite = url.get_backend_name() == "sqlite"
            self._engine = sa.create_engine(url, hide_parameters=True)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
            raise StoreError("--results: give a file or the URL of a database") from None
        except ModuleNotFoundError as error:
            raise StoreError(f"--results: this URL needs {error.name}") from None
        if self._is_sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        with self._errors():
            _METADATA.create_all(self._engine)

    @property
    def place(self) -> str:
        """Where the results are, without a password."""
        url = self._engine.url
        return url.database or "memory" if self._is_sqlite else url.render_as_string()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the results for this run alone. Raises StoreError while another run holds them."""
        busy = StoreError("--results: another run writes these results; wait until it has ended")
        if self._is_sqlite:
            file = self._engine.url.database or ""
            lock = FileLock(f"{file}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise busy from None
            try:
                yield
            finally:
                lock.release()
            return
        with self._errors():
            holder = self._engine.connect()
        with holder:
            if not holder.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))):
                raise busy
            holder.commit()
            yield

    def done(self, keys: Sequence[str]) -> dict[str, bool]:
        """Return those of `keys` that have a result, and whether it is a good one."""
        query = sa.select(RESULTS.c.key, RESULTS.c.ok).where(RESULTS.c.key.in_(keys))
        with self._errors(), self._engine.connect() as connection:
            return {key: bool(ok) for key, ok in connection.execute(query)}

    def write(self, results: Sequence[Stored]) -> None:
        """Commit results. A good one that is there already stays; a failed one is replaced."""
        rows = [_row(result) for result in results]
        insert: Any = sqlite.insert if self._is_sqlite else postgresql.insert
        statement = insert(RESULTS)
        given = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[RESULTS.c.key],
            set_={name: given[name] for name in ("row", "ok", "data", "error", "meta")},
            where=sa.not_(RESULTS.c.ok),
        )
        with self._errors(), self._engine.begin() as connection:
            connection.execute(statement, rows)

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the results of these keys."""
        query = sa.select(RESULTS).where(RESULTS.c.key.in_(keys))
        with self._errors(), self._engine.connect() as connection:
            return {row.key: _result(row) for row in connection.execute(query)}

    def counts(self) -> tuple[int, int]:
        """Return how many results are good and how many failed."""
        query = sa.select(RESULTS.c.ok, sa.func.count()).group_by(RESULTS.c.ok)
        with self._errors(), self._engine.connect() as connection:
            found = {bool(ok): count for ok, count in connection.execute(query)}
        return found.get(True, 0), found.get(False, 0)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None)
            reason = str(cause or type(error).__name__).splitlines()[0]
            if password := self._engine.url.password:
                reason = reason.replace(password, "***")
            raise StoreError(f"--results: {reason}") from None


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    # Readers do not block the writer; every commit reaches the disk before it counts.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _row(result: Stored) -> dict[str, Any]:
    envelope = result.envelope
    return {
        "key": result.key,
        "row": result.row,
        "ok": envelope["ok"],
        "data": _text(envelope.get("data")),
        "error": _text(envelope.get("error")),
        "meta": _text(envelope["meta"]),
    }


def _text(value: Any) -> str | None:
    return None if value is None else strict_json.dumps(value).decode()


def _result(row: Any) -> dict[str, Any]:
    parsed = {
        name: None if text is None else strict_json.loads(text)
        for name, text in (("data", row.data), ("error", row.error), ("meta", row.meta))
    }
    return {"row": row.row, "key": row.key, "ok": row.ok, **parsed}
