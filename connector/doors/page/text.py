"""Markdown that tables, MDX and plain viewers all show unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_CODE_SPAN = re.compile(r"(`[^`]*`)")
_TEXT = str.maketrans({"|": "\\|", "<": "&lt;", "{": "&#123;", "}": "&#125;"})
_CODE_ELEMENT = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": "&#124;", "*": "&#42;", "_": "&#95;", "`": "&#96;"}
)


def escaped(text: str) -> str:
    """Return Markdown `text` for a table cell; what is in backticks stays as it is."""
    parts = _CODE_SPAN.split(text.replace("\n", " "))
    return "".join(
        part.replace("|", "\\|") if index % 2 else part.translate(_TEXT)
        for index, part in enumerate(parts)
    )


def code(text: str) -> str:
    """Return `text` as code in a table cell."""
    if "`" in text or "|" in text:
        return f"<code>{text.translate(_CODE_ELEMENT)}</code>"
    return f"`{text}`"


def value(item: Any) -> str:
    """Return a default as a table cell: a text as it is, lists and objects as indented code."""
    if isinstance(item, str):
        return escaped(item)
    if isinstance(item, list | dict):
        text = json.dumps(item, indent=2, ensure_ascii=False).translate(_CODE_ELEMENT)
        lines = [line.strip() for line in text.splitlines()]
        joined = "<br /> ".join(lines[:-1]) + f"<br />{lines[-1]}"
        return f"<code>{joined}</code>"
    return json.dumps(item)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('-' * len(name) for name in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def json_block(item: Any) -> Iterator[str]:
    """Yield the lines of a block of JSON, and a blank line."""
    yield "```json"
    yield json.dumps(item, indent=2, ensure_ascii=False)
    yield from ("```", "")
