"""Writes the head of a request, strictly: nothing in it can start another line."""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEAD = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)+\r\n"
)


def encoded(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request, to its empty line.

    Raises ValueError, without quoting anything, if a part of it is malformed.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join([*lines, "", ""])
    head = text.encode("latin-1", "ignore")  # an exception would hold the key
    whole = len(head) == len(text) and head.count(b"\n") == len(lines) + 1
    if not whole or not _HEAD.fullmatch(head):
        raise ValueError("a malformed request head")
    return head
