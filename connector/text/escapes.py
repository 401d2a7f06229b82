"""Undoes the escapes with which a response may quote a text: those of JSON, URLs and HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

LAYERS = 8
"""How often escapes are undone. JSON inside JSON, inside a URL, inside HTML takes one layer each;
remaining backslashes take one or two more."""

_WINDOW = 1 << 16
"""Characters that are processed at once, because the regular expression keeps a list of matches."""

_LONGEST = 24
"""Characters of the longest escape. For this the repetitions are bounded; no encoder needs more."""

_NAMED = dict(
    zip(
        "amp lt gt quot apos sol bsol plus equals lowbar underbar period colon semi comma num "
        "percnt commat dollar excl quest ast lpar rpar lsqb rsqb lbrack rbrack lcub rcub lbrace "
        "rbrace verbar vert grave hat".split(),
        "&<>\"'/\\+=__.:;,#%@$!?*()[][]{}{}||`^",
        strict=True,
    )
)

_HEX = "[0-9A-Fa-f]"
_ESCAPE = re.compile(  # alternatives start with a fixed character: other text is skipped fast
    rf"%(?:[Uu]00)?(?P<url>{_HEX}{{2}})|"
    # A backslash before the possible start of another escape is left for the next layer.
    rf"\\(?:(?:[Uu]00|[Xx])(?P<json>{_HEX}{{2}})|(?P<itself>[^%&UuXx]))|"
    rf"&(?:#[Xx]0{{0,8}}(?P<html>{_HEX}{{2}})|#0{{0,8}}(?P<number>[0-9]{{2,3}})|"
    r"(?P<name>[A-Za-z]{2,8}));"
)
_OPEN = re.compile(
    rf"(?:[\\%](?:[Uu]0{{0,2}}{_HEX}?)?|\\[Xx]{_HEX}?|%{_HEX}?|&#?[0-9A-Za-z]{{0,12}})\Z"
)


def unescaped(text: str, tick: Callable[[], object]) -> str:
    """Return `text` without one layer of escapes; `text` itself if it has none.

    It takes time in proportion to the length and, besides the result, memory for one window.
    `tick` is called for each window, and may raise.
    """
    if "\\" not in text and "%" not in text and "&" not in text:
        return text
    plain = "".join(_ESCAPE.sub(_found, window) for window in _windows(text, tick))
    # No other escape is left: remaining backslashes belong to none.
    return plain if plain != text else text.replace("\\", "")


def closed(text: str) -> str:
    """Return a truncated text without the escape in which it may end."""
    return _OPEN.sub("", text)


def _windows(text: str, tick: Callable[[], object]) -> Iterator[str]:
    """Yield `text` in pieces that do not end inside an escape."""
    start = 0
    while len(text) - start > _WINDOW:
        tick()
        end = start + _last_escape(text[start : start + _WINDOW])
        yield text[start:end]
        start = end
    tick()
    yield text[start:]


def _last_escape(text: str) -> int:
    """Return where an escape starts that may continue after `text`, or the length of `text`."""
    last = max(text.rfind(mark, -_LONGEST) for mark in "\\%&")
    if last < 0:
        return len(text)
    pairs = last - len(text[:last].rstrip("\\"))
    return last - pairs % 2  # two backslashes are a complete escape


def _found(match: re.Match[str]) -> str:
    return _plain(match[0])


@lru_cache(maxsize=4096)  # there are few different escapes, and matching each again costs more
def _plain(escape: str) -> str:
    match = _ESCAPE.match(escape)
    assert match is not None
    kind = match.lastgroup
    assert kind is not None
    if kind == "itself":
        return match[kind]
    if kind == "name":
        return _NAMED.get(match[kind].lower(), escape)
    return chr(int(match[kind], 10 if kind == "number" else 16))
