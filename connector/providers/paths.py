"""Checks paths, and single segments of paths, before they become part of a URL."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


def path_fault(url: str) -> str | None:
    """Return why `url`, however encoded, is not just a path and a query on the connection's host.

    None means that it is.
    """
    if not url.startswith("/"):
        return "must begin with a single slash"
    path, _, query = url.partition("?")
    if CONTROL_OR_SPACE.search(url):
        return "has white space or a control character"
    if "\\" in url or "#" in url:
        return "has a backslash or a #"
    for part in (path, query):
        if re.search(r"%(?![0-9A-Fa-f]{2})", part):
            return "has a % that is not followed by two hexadecimal digits"
    return _decoded_fault(path)


_LONGEST_SEGMENT = 1024
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_SEPARATORS = frozenset("/\\?#%;\u2044\u2215\u29f8")
"""Characters that end a segment, or start its parameters or an escape, and those that old code
pages convert to them."""


def segment_fault(name: str) -> str | None:
    """Return why `name` might not be exactly one segment of a path after a server has decoded and
    normalized it; None if it always is."""
    if _PLAIN_SEGMENT.match(name):
        return None
    if len(name) > _LONGEST_SEGMENT:  # normalizing combining marks takes quadratic time
        return "is too long"
    folded = unicodedata.normalize("NFKC", name)
    if not _SEPARATORS.isdisjoint(folded):
        return "has a character that ends a segment of a path"
    if not folded.isprintable() or not name.isprintable():
        return "has a character that is not printable"
    return None if folded.strip(". ") else "is nothing but dots"


def _decoded_fault(path: str) -> str | None:
    # A server may decode several times, and a proxy may normalize: every layer is checked.
    for _ in range(10):
        if path.startswith("//"):
            return "leads to another host"
        if any(_is_dots(segment) for segment in path.split("/")):
            return "has a . or .. segment"
        try:
            decoded = unicodedata.normalize("NFKC", unquote_to_bytes(path).decode())
        except UnicodeDecodeError:
            return "has an escape that is not UTF-8"
        decoded = decoded.replace("\\", "/")
        if re.search(r"[\x00-\x1f\x7f]", decoded):
            return "has a control character"
        if decoded == path:
            return None
        path = decoded
    return "is encoded too often"


def _is_dots(segment: str) -> bool:
    return segment.partition(";")[0].strip() in (".", "..")


OPERATIONS = "chat/completions|completions|images/generations|models|responses|embeddings"
"""What may follow the base address in a pasted URL, as alternatives of a regular expression."""
