"""The command `actions`, which lists them."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from connector.doors.cli.preparation import connector_of
from connector.doors.cli.terminal import escape_controls, is_terminal, print_json, print_text
from connector.manifest.model import Action

_HEAD = ("ACTION", "WHAT IT DOES", "REQUIRED INPUTS")
_GAP = 2
_NARROWEST = 10
"""Characters of a column."""


def actions(arguments: argparse.Namespace) -> int:
    """List the actions: as a table on a terminal, else a line each with tabs, or as JSON."""
    rows = connector_of(arguments).manifest.actions.values()
    if arguments.json:
        print_json([_data(action) for action in rows])
    elif is_terminal():
        print_text("\n".join(_table(rows, shutil.get_terminal_size().columns)))
    else:
        print_text("\n".join(map(_line, rows)))
    return 0


def _required(action: Action) -> list[str]:
    return [item.key for item in action.inputs if item.required]


def _data(action: Action) -> dict[str, object]:
    return {
        "key": action.key,
        "label": action.label,
        "description": action.description,
        "required": _required(action),
    }


def _line(action: Action) -> str:
    cells = (action.key, action.label, action.description, ",".join(_required(action)))
    return "\t".join(map(escape_controls, cells))


def _table(rows: Iterable[Action], width: int) -> Iterator[str]:
    """Yield the lines of a table; the texts are wrapped where `width` demands it."""
    cells = [(a.key, (a.label, a.description), (", ".join(_required(a)),)) for a in rows]
    key = max(len(_HEAD[0]), *(len(row[0]) for row in cells)) + _GAP
    room = width - key - _GAP
    wanted = max(len(text) for _, texts, _ in cells for text in texts)
    last = max(len(_HEAD[2]), min(room - wanted, max(len(row[2][0]) for row in cells)))
    middle = max(_NARROWEST, min(room - last, wanted))
    yield _row(_HEAD, key, middle)
    for name, texts, required in cells:
        columns = ([name], _wrapped(texts, middle), _wrapped(required, last))
        for parts in zip_longest(*columns, fillvalue=""):
            yield _row(parts, key, middle)


def _row(parts: Sequence[str], key: int, middle: int) -> str:
    return f"{parts[0]:{key}}{parts[1]:{middle + _GAP}}{parts[2]}".rstrip()


def _wrapped(texts: Iterable[str], width: int) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(escape_controls(text), width)]
