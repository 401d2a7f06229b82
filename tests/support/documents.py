"""The programs of a document."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(
    r"[Ss]ave\s(?:this|it)\sas\s`([\w.]+)`.*?\n\n```\w+\n(.*?)^```$", re.DOTALL | re.M
)


def section(name: str, heading: str) -> str:
    """Return the text below a heading of `docs/NAME`."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def files(text: str) -> dict[str, str]:
    """Return the files that a text says to save."""
    return dict(_FILE.findall(text))


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of a text in one language."""
    return [block for found, block in _BLOCK.findall(text) if found == language]
