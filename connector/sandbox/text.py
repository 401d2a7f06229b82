"""What every answer is made of: token counts, ids and quotations.

All of it is a function of the request alone, so the same request gets the same answer, always.
"""

from __future__ import annotations

import hashlib
import re

# 2026-11-01T00:00:00Z, the day on which the sandbox's world stands still.
CREATED = 1_793_491_200

_QUOTED = 200


def tokens(text: str) -> int:
    """Count tokens as four characters each, rounded up: close enough to the real tokenizers."""
    return -(-len(text) // 4)


def split(text: str) -> list[str]:
    """Return the tokens of a text."""
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def digest(*parts: str | bytes) -> str:
    """Hash the parts to 64 hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        # A lone surrogate is legal in JSON and must not crash the hash.
        state.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        state.update(b"\0")
    return state.hexdigest()


def quote(text: str) -> str:
    """Quote a text for a reply, shortened where it is long."""
    shown = text if len(text) <= _QUOTED else text[:_QUOTED] + "…"
    return f'"{shown}"'


def summary(text: str) -> str:
    """Summarize a text as the sandbox does: its first words, and how many there are.

    A text between `<x …>` and `</x …>`, as prompts mark material, stands for the whole.
    """
    marked = re.search(r"<(\w+)[^<>\n]*>\n(.*)\n</\1", text, re.DOTALL)
    words = (marked[2] if marked else text).split()
    return f"Summary (sandbox): {' '.join(words[:12])}… [{len(words)} words]"


def numbered(text: str, index: int, count: int) -> str:
    """Tell the choices of one request apart."""
    return text if count == 1 else f"{text} [choice {index + 1} of {count}]"


def finish(text: str, limit: int | None, stop: object) -> tuple[str, str]:
    """Apply stop sequences, then the token limit; return the text and its finish reason."""
    for mark in (stop,) if isinstance(stop, str) else stop if isinstance(stop, list) else ():
        if mark:
            text = text.partition(mark)[0]
    if limit is not None and limit < tokens(text):
        return text[: limit * 4], "length"
    return text, "stop"
