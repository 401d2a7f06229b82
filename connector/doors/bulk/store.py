"""The results of a bulk run, in SQLite or PostgreSQL: one for each key, the first one wins."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects import postgresql, sqlite

from connector.text import strict_json

METADATA = sa.MetaData()
RESULTS = sa.Table(
    "results",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("row", sa.BigInteger, nullable=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("data", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("meta", sa.Text, nullable=False),
)
T = TypeVar("T")

_PAUSE_SECONDS = 0.5
_AWAY_SECONDS = 60.0
"""How long a database may be away, for example to be restarted, until a run ends."""


class StoreError(Exception):
    """The results cannot be read or written; the message names no password."""


class Stored(NamedTuple):
    """One result as it is stored."""

    key: str
    row: int
    envelope: Mapping[str, Any]


class Store:
    """The results at a URL, or in a SQLite file at a path. Safe in threads.

    A server that is restarted is waited for; a claim ends with its connection.
    """

    def __init__(self, place: str) -> None:
        self._url = place if "://" in place else f"sqlite:///{Path(place).absolute()}"
        try:
            url = sa.make_url(self._url)
            self.is_file = url.get_backend_name() == "sqlite"
            self._engine = sa.create_engine(
                url, hide_parameters=True, pool_pre_ping=not self.is_file
            )
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
            raise StoreError("--results: give a file or the URL of a database") from None
        except ModuleNotFoundError as error:
            raise StoreError(f"--results: this URL needs {error.name}") from None
        self._was_there = False
        if self.is_file:
            # The lock would make it.
            if not Path(url.database or "").parent.is_dir():
                raise StoreError("--results: the folder of the file does not exist")
            sa.event.listen(self._engine, "connect", _prepare_sqlite)

    def create(self) -> None:
        """Create the tables that are missing. Raises StoreError."""
        with self._errors():
            METADATA.create_all(self._engine)
        self._was_there = True

    @property
    def place(self) -> str:
        """Where the results are, without a password."""
        url = self._engine.url
        return url.database or "memory" if self.is_file else url.render_as_string()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the results for this run alone. Raises StoreError while another run holds them."""
        with self.claimed("run") as is_mine:
            if not is_mine:
                raise StoreError(
                    "--results: another run writes these results; wait until it has ended"
                )
            yield

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Claim a name for this process; False while another one has claimed it.

        The claim of a process that dies ends with it.
        """
        if self.is_file:
            lock = FileLock(f"{self._engine.url.database}.{name}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                yield False
                return
            try:
                yield True
            finally:
                lock.release()
            return
        number = int.from_bytes(
            hashlib.sha256(f"connector {name}".encode()).digest()[:8], signed=True
        )

        def claim() -> tuple[sa.Connection, bool]:
            made = self._engine.connect()
            is_mine = bool(made.scalar(sa.select(sa.func.pg_try_advisory_lock(number))))
            made.commit()
            return made, is_mine

        holder, is_mine = self._again(claim)
        with contextlib.closing(holder):
            yield is_mine
            # The connection goes back to the pool, where it would keep the claim.
            holder.invalidate()

    def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, in a transaction. It is done again if the server was away.

        Raises StoreError.
        """

        def transact() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return self._again(transact)

    def done(self, keys: Sequence[str]) -> dict[str, bool]:
        """Return those of `keys` that have a result, and whether it is a good one."""
        query = sa.select(RESULTS.c.key, RESULTS.c.ok).where(RESULTS.c.key.in_(keys))
        return {key: bool(ok) for key, ok in self._select(query)}

    def write(self, results: Sequence[Stored]) -> None:
        """Commit results. A good one that is there already stays; a failed one is replaced."""
        rows = [_row(result) for result in results]
        insert: Any = sqlite.insert if self.is_file else postgresql.insert
        statement = insert(RESULTS)
        given = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[RESULTS.c.key],
            set_={name: given[name] for name in ("row", "ok", "data", "error", "meta")},
            where=sa.not_(RESULTS.c.ok),
        )
        self.run(lambda connection: connection.execute(statement, rows))

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the results of these keys."""
        query = sa.select(RESULTS).where(RESULTS.c.key.in_(keys))
        return {row.key: _result(row) for row in self._select(query)}

    def counts(self) -> tuple[int, int]:
        """Return how many results are good and how many failed."""
        query = sa.select(RESULTS.c.ok, sa.func.count()).group_by(RESULTS.c.ok)
        found = {bool(ok): count for ok, count in self._select(query)}
        return found.get(True, 0), found.get(False, 0)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _select(self, query: Any) -> Sequence[Any]:
        return self.run(lambda connection: connection.execute(query).all())

    def _again(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done again while a server of the database is away."""
        end = time.monotonic() + _AWAY_SECONDS
        with self._errors():
            while True:
                try:
                    found = work()
                    self._was_there = True
                    return found
                except sa.exc.OperationalError:
                    if self.is_file or time.monotonic() > end or not self._was_there:
                        raise
                    time.sleep(_PAUSE_SECONDS)

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
