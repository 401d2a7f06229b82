"""The picture of a terminal shows what the command line prints."""

from __future__ import annotations

import html
import re

from connector.doors.cli.screen import unpainted

from . import terminal_picture


def test_the_picture_is_current() -> None:
    picture = terminal_picture.PICTURE.read_text(encoding="utf-8")
    drawn = "".join(re.findall(r"<text [^>]*>([^<]*)</text>", picture))
    shown = unpainted(terminal_picture.recorded())
    how = "run: python -m tests.terminal_picture"
    assert _comparable(html.unescape(drawn)) == _comparable(shown), how


def _comparable(text: str) -> str:
    """Return a text without spaces, and without the numbers, which differ between runs."""
    return re.sub(r"[0-9.]+", "0", "".join(text.split()))
