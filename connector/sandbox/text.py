"""The parts of a reply: tokens, ids and quotations.

They depend on the request alone, so that the same request always gets the same response.
"""

from __future__ import annotations

import hashlib
import re

# 2026-11-01T00:00:00Z, the sandbox's fixed date.
CREATED = 1_793_491_200

_QUOTED = 200


def tokens(text: str) -> int:
    """Count tokens of four characters each, rounded up: close enough to real tokenizers."""
    return -(-len(text) // 4)


def split(text: str) -> list[str]:
    """Return the tokens of a text."""
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def digest(*parts: str | bytes) -> str:
    """Hash the parts to 64 hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        # JSON allows lone surrogates, which UTF-8 does not.
        state.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        state.update(b"\0")
    return state.hexdigest()


def quote(text: str) -> str:
    """Quote a text for a reply; a long one is shortened."""
    shown = text if len(text) <= _QUOTED else text[:_QUOTED] + "…"
    return f'"{shown}"'


def summary(text: str) -> str:
    """Return the sandbox's summary of a text: its first words and the number of words.

    If a part is marked by `<x …>` and `</x …>`, as prompts mark material, only that part counts.
    """
    marked = re.search(r"<(\w+)[^<>\n]*>\n(.*)\n</\1", text, re.DOTALL)
    words = (marked[2] if marked else text).split()
    return f"Summary (sandbox): {' '.join(words[:12])}… [{len(words)} words]"


def number_choice(text: str, index: int, count: int) -> str:
    """Add the number of a choice to its text, unless it is the only one."""
    return text if count == 1 else f"{text} [choice {index + 1} of {count}]"


def truncate(text: str, limit: int | None, stop: object) -> tuple[str, str]:
    """Apply stop sequences, then the token limit; return the text and the finish reason."""
    for mark in (stop,) if isinstance(stop, str) else stop if isinstance(stop, list) else ():
        if mark:
            text = text.partition(mark)[0]
    if limit is not None and limit < tokens(text):
        return text[: limit * 4], "length"
    return text, "stop"
