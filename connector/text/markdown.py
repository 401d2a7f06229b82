"""Turns the Markdown of the manifest into plain text, for forms that show text only."""

from __future__ import annotations

import re

_INLINE = re.compile(
    r"(?P<ticks>`+) ?(?P<code>.+?) ?(?P=ticks)(?!`)"
    r"|!?\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]*)\)"
    r"|<(?P<address>https?://[^>\s]+)>"
    r"|(?P<stars>\*{1,3})(?=\S)(?P<strong>.+?)(?<=\S)(?P=stars)"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])",
    re.DOTALL,
)


def plain(markdown: str) -> str:
    """Return inline Markdown as plain text; the address of a link follows its text."""
    return _INLINE.sub(_plain, markdown)


def _plain(found: re.Match[str]) -> str:
    parts = found.groupdict()
    if parts["code"] is not None:
        return str(parts["code"])
    if parts["text"] is not None:
        text, target = plain(parts["text"]), parts["target"]
        return f"{text} ({target})" if "://" in target else text
    if parts["strong"] is not None:
        return plain(parts["strong"])
    return str(parts["address"] or parts["escaped"])
