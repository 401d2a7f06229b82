"""Reads rows from a file, one at a time: JSON Lines, CSV or Parquet."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from connector.text import strict_json
from connector.version import DISTRIBUTION

Row = dict[str, Any]

_LONGEST_FIELD = 128 << 20
"""Characters of one CSV field; the library's own limit is 128 KiB."""


class RowError(Exception):
    """A file of rows cannot be read; the message says where and why, and quotes no value."""


class Rows:
    """The rows of a file, as often as they are needed; their numbers count from 1."""

    def __init__(self, path: Path) -> None:
        try:
            self._read = _READERS[path.suffix.lower()]
        except KeyError:
            kinds = ", ".join(_READERS)
            raise RowError(f"ROWS: the name of the file must end with one of {kinds}") from None
        self._path = path

    def __iter__(self) -> Iterator[Row]:
        try:
            yield from self._read(self._path)
        except OSError as error:
            raise RowError(f"ROWS: {error.strerror or type(error).__name__}") from None

    def columns(self) -> list[str]:
        """Return the names of the columns: those of the first row."""
        return list(next(iter(self), {}))

    def count(self) -> int:
        """Return how many rows there are. It reads the file once."""
        kind = self._path.suffix.lower()
        if kind == ".parquet":
            return int(_parquet(self._path).metadata.num_rows)
        if kind == ".csv":
            return sum(1 for _ in self)
        with self._path.open("rb") as file:
            return sum(1 for line in file if line.strip())


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = strict_json.loads(line, unique=True)
            except ValueError as error:
                raise RowError(f"ROWS: line {number} is not strict JSON: {error}") from None
            if not isinstance(row, dict):
                raise RowError(f"ROWS: line {number} is not a JSON object")
            yield row


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            reader = csv.DictReader(file, strict=True)
            if len({*(reader.fieldnames or ())}) != len(reader.fieldnames or ()):
                raise RowError("ROWS: two columns have the same name")
            for row in reader:
                if None in row or None in row.values():
                    raise RowError(
                        f"ROWS: line {reader.line_num} has another number of fields than the header"
                    )
                yield row
        except csv.Error as error:
            raise RowError(f"ROWS: line {reader.line_num} is not CSV: {error}") from None
        except UnicodeDecodeError:
            raise RowError("ROWS: the file is not UTF-8") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    for batch in _parquet(path).iter_batches(1024):
        yield from (
            {name: _plain(value) for name, value in row.items()} for row in batch.to_pylist()
        )


def _plain(value: Any) -> Any:
    """Return a value of Parquet as JSON has it: dates and decimals as text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, bytes):
        raise RowError("ROWS: a column holds binary data; leave it out")
    is_json = value is None or isinstance(value, str | int | float)
    return value if is_json else getattr(value, "isoformat", value.__str__)()


def _parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise RowError(
            "ROWS: Parquet needs the extra 'parquet' (pyarrow is missing): "
            f"pip install '{DISTRIBUTION}[parquet]'"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException:
        raise RowError("ROWS: the file is not Parquet") from None


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet_rows,
}


def chosen(rows: Rows, limit: int | None, sample: int | None) -> Iterator[tuple[int, Row]]:
    """Yield the rows to call with their numbers: the first `limit`, or about every n-th so that
    there are `sample` of them; all where both are None."""
    numbered: Iterator[tuple[int, Row]] = enumerate(rows, 1)
    if sample is not None:
        total = rows.count()
        some = min(sample, total)
        numbered = ((n, row) for n, row in numbered if (n - 1) * some % total < some)
    return itertools.islice(numbered, limit)


def number_of(rows: Rows, limit: int | None, sample: int | None) -> int:
    """Return how many rows `chosen` yields. It reads the file once."""
    return min(number for number in (rows.count(), limit, sample) if number is not None)
