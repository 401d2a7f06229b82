"""A text that knows it is secret, and the scrubber for texts that may quote one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import quote

MASK = "***"

_SHORTEST = 8
"""Shorter texts are placeholders of local servers ("none", "x"): replacing them in data would only
garble it."""

_SHORTEST_WORD = 4
"""Of these the whole word is masked, in messages only."""

_ESCAPE = re.compile(
    r"\\+u00(?P<json>[0-9a-f]{2})|%(?:25)*(?P<url>[0-9a-f]{2})|"
    r"&#x0*(?P<html>[0-9a-f]{2});|&#0*(?P<number>[0-9]{2,3});|&(?P<name>amp|lt|gt|quot);|\\+",
    re.IGNORECASE,
)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}
_LAYERS = 4
"""How often an answer may have escaped what it quotes: JSON in JSON, in an address, in a page."""


class Secret:
    """A value that shows as `***` wherever it is printed, logged or formatted.

    It refuses to be pickled. `reveal()` is called only where the value is put on the wire.
    `also` are texts that its scrubber masks with it, such as a proxy's password.
    """

    __slots__ = ("__forms", "__value", "longest")

    def __init__(self, value: str, *also: str) -> None:
        self.__value = value
        forms = {form for text in (value, *also) if len(text) >= _SHORTEST for form in _forms(text)}
        # The longest first: a shorter one may be a part of it.
        self.__forms = [(form, form.encode()) for form in sorted(forms, key=len, reverse=True)]
        self.longest = max((len(needle) for _, needle in self.__forms), default=0)
        """The length in bytes of the longest form that `scrub_bytes` looks for; 0 for none."""

    def reveal(self) -> str:
        """Return the value itself."""
        return self.__value

    def scrub(self, text: str) -> str:
        """Return `text` with every occurrence of the value masked, in any usual form.

        A text that hides the value behind escapes is returned without them.
        """
        text = self._masked(text)
        plain = text
        for _ in range(_LAYERS if self.longest else 0):
            before, plain = plain, _ESCAPE.sub(_unescaped, plain)
            if plain == before:
                break
            if (masked := self._masked(plain)) is not plain:
                return masked
        return text

    def scrub_message(self, text: str) -> str:
        """Return a sentence with the value masked, a short one too where it stands as a word."""
        if _SHORTEST_WORD <= len(self.__value) < _SHORTEST:
            word = rf"(?<![\w-]){re.escape(self.__value)}(?![\w-])"
            return re.sub(word, MASK, text)
        return self.scrub(text)

    def _masked(self, text: str) -> str:
        for form, _ in self.__forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def may_be_in(self, data: bytes) -> bool:
        """Whether the text that `data` encodes could show the value: a cheap look, so that most
        answers are spared the search of each of their texts."""
        return bool(self.longest) and any(
            needle in data for needle in (*(needle for _, needle in self.__forms), *_MARKS)
        )

    def scrub_bytes(self, data: bytes) -> bytes:
        """Return `data` with the value masked where it stands in one of its usual forms; `data`
        itself where there is none."""
        for _, needle in self.__forms:
            if needle in data:
                data = data.replace(needle, MASK.encode())
        return data

    def scrub_json(self, value: Any) -> Any:
        """Return JSON data with every occurrence masked in its texts, keys included; lists and
        objects are changed in place, however deep they nest."""
        whole = [value]
        pending: list[Any] = [whole]
        while pending:
            node = pending.pop()
            if isinstance(node, dict):
                for key in [key for key in node if self.scrub(key) != key]:
                    node[self.scrub(key)] = node.pop(key)
            for key, item in list(node.items() if isinstance(node, dict) else enumerate(node)):
                if isinstance(item, str):
                    node[key] = self.scrub(item)
                elif isinstance(item, dict | list):
                    pending.append(item)
        return whole[0]

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.__value == self.__value

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled")


_MARKS = (b"\\u", b"\\/", b"%", b"&")
"""What an escape begins with, as JSON may spell it."""


def _unescaped(match: re.Match[str]) -> str:
    kind, text = match.lastgroup, match[match.lastgroup or 0]
    if kind is None:  # a backslash that escapes nothing but itself
        return ""
    if kind == "name":
        return _NAMED[text.lower()]
    return chr(int(text, 10 if kind == "number" else 16))


def _forms(text: str) -> Iterator[str]:
    """Yield the ways in which an answer may quote `text`."""
    in_json = json.dumps(text)[1:-1]
    in_url = quote(text, safe="")
    yield from (text, text.lower(), text.upper())  # a host's name, a header's
    yield from (in_json, in_json.replace("/", "\\/"), in_url, quote(text))
    yield re.sub("%..", lambda match: match[0].lower(), in_url)
    # base64 of a text that contains this one, wherever it begins: the characters that also
    # depend on its neighbours are left out.
    raw = text.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        known = (before + len(raw)) * 8 // 6
        form = encoded[(before * 8 + 5) // 6 : known]
        yield form
        yield form.replace("+", "-").replace("/", "_")
