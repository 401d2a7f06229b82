"""Writes the results in the order of the rows, as JSON Lines or CSV."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connector.doors.bulk.runner import Job
from connector.doors.bulk.store import Store
from connector.text import strict_json

_BATCH = 500
_COLUMNS = ("row", "key", "ok", "data", "error", "meta")


def export(store: Store, jobs: Iterable[Job], path: Path) -> int:
    """Write the results of these jobs; return how many of them have none.

    A row that repeats an earlier one gets the same result under its own number. Raises OSError.
    """
    missing = 0
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        write = _csv_writer(file) if path.suffix.lower() == ".csv" else _json_writer(file)
        for result in _results(store, jobs):
            if result is None:
                missing += 1
            else:
                write(result)
    part.replace(path)
    return missing


def _results(store: Store, jobs: Iterable[Job]) -> Iterator[dict[str, Any] | None]:
    source = iter(jobs)
    while batch := list(itertools.islice(source, _BATCH)):
        found = store.read([job.key for job in batch])
        for job in batch:
            result = found.get(job.key)
            yield None if result is None else {**result, "row": job.number}


def _json_writer(file: Any) -> Any:
    return lambda result: file.write(strict_json.dumps(result).decode() + "\n")


def _csv_writer(file: Any) -> Any:
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)

    def write(result: dict[str, Any]) -> None:
        writer.writerow([_cell(result[name]) for name in _COLUMNS])

    return write


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    return strict_json.dumps(value).decode()
