"""A stream as a person sees it: its colours, its width, its marks."""

from __future__ import annotations

import os
from typing import Any

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "magenta": "35"}
"""Colours of the terminal's own palette that can be read on black and on white. Yellow and cyan
vanish on white, blue on black."""

_DEFAULT_COLUMNS = 80

INDENT = "  "


class Screen:
    """The colours and the width of one stream; `stream` is None where it is closed.

    There are colours if the stream is a terminal, unless NO_COLOR is set or TERM is `dumb`.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self._coloured = self.is_terminal and _colours_wanted()

    def paint(self, text: str, *names: str) -> str:
        """Return `text` with the colours or weights `names`."""
        if not self._coloured or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def columns(self) -> int:
        """Return how many columns the terminal has."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or _DEFAULT_COLUMNS
        except (OSError, ValueError):  # no terminal, or a stream without a file
            return _DEFAULT_COLUMNS

    def shows(self, text: str) -> bool:
        """Whether the stream's encoding has the characters of `text`."""
        try:
            text.encode(getattr(self.stream, "encoding", None) or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def lines(self, label: str, text: str, *names: str) -> list[str]:
        """Return `label` with the colours `names`, and `text` after it.

        On a terminal, lines are broken between words and further lines are indented.
        """
        if not self.is_terminal:
            return [label + text]
        first, *others = wrapped(label + text, self.columns())
        return [self.paint(label, *names) + first[len(label) :], *others]


def _colours_wanted() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ  # older consoles print the codes


def unpainted(text: str) -> str:
    """Return `text` without the codes of `Screen.paint`."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def width(text: str) -> int:
    """Return how many columns `text` takes; wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata  # most texts are ASCII

    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(character) in ("W", "F"))
        for character in text
    )


def wrapped(text: str, columns: int) -> list[str]:
    """Return `text` in lines of at most `columns`, broken at spaces.

    The lines after the first are indented a little more than it. A word that is longer than a line
    is not broken, so that an address can be copied.
    """
    start = text[: len(text) - len(text.lstrip(" "))]
    lines, used, is_empty = [start], len(start), True
    for word in text[len(start) :].split(" "):
        size = width(word)
        if not is_empty and used + 1 + size > columns:
            lines.append(start + INDENT + word)
            used = len(start + INDENT) + size
        else:
            lines[-1] += word if is_empty else f" {word}"
            used += size + (not is_empty)
        is_empty = False
    return lines
