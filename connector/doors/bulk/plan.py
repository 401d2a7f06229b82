"""Turns rows into jobs: the inputs of each row, checked, and its key."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector.connector import Connector
from connector.doors.bulk.keys import row_key
from connector.doors.bulk.mapping import Mapper, MappingError
from connector.doors.bulk.rows import Row
from connector.doors.bulk.runner import Job
from connector.errors import ConnectorError

CHECKED_FIRST = 100
"""Rows that are checked before anything is sent."""


class Plan:
    """How the rows of a run become calls of one action."""

    def __init__(
        self, connector: Connector, action: str, shared: Mapping[str, Any], connection: str
    ) -> None:
        self._action = action
        self._form = connector.catalog.form(action)
        keys = [item.key for item in connector.catalog.action(action).inputs]
        self.mapper = Mapper(keys, shared)
        self._connection = connection

    def jobs(self, rows: Iterable[tuple[int, Row]]) -> Iterator[Job]:
        """Yield the job of each row. A row whose inputs are wrong has one too: its call fails
        before anything is sent."""
        for number, row in rows:
            error = None
            try:
                inputs = self.mapper.inputs(row)
            except MappingError as missing:
                inputs = dict(row)
                error = ConnectorError("invalid_input", f"{missing}.")
            cleaned = self._form.clean(inputs)
            known = inputs if cleaned.problems else cleaned.values
            key, size = row_key(self._action, known, self._connection)
            yield Job(number, key, inputs, size, error)

    def problems(self, rows: Iterable[tuple[int, Row]]) -> list[str]:
        """Return what is wrong with the first rows, a line each."""
        lines = []
        for number, row in itertools.islice(rows, CHECKED_FIRST):
            for found in self._form.clean(self.mapper.inputs(row)).problems:
                lines.append(f"row {number}: {found['input'] or found['path']}: {found['message']}")
        return lines
