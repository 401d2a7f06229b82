"""A text that knows it is secret, and the scrubber for texts that may quote one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from connector.text import escapes

T = TypeVar("T")

MASK = "***"

_SHORTEST = 8
"""Shorter texts are placeholders of local servers ("none", "x"): replacing them in data would only
garble it."""

_SHORTEST_WORD = 4
"""Of these the whole word is masked, in messages only."""

_TICKS = 4096
"""Values of a list or an object between two looks at the clock."""


def _no_tick() -> None:
    pass


class Secret:
    """A value that shows as `***` wherever it is printed, logged or formatted.

    It refuses to be pickled. `reveal()` is called only where the value is put on the wire.
    `also` are texts that its scrubber masks with it, such as a proxy's password.

    Scrubbing takes time and memory in proportion to the text. Where a method takes `tick`, it is
    called now and again while the work goes on, and may raise to end it.
    """

    __slots__ = ("__forms", "__value", "_shortest", "longest")

    def __init__(self, value: str, *also: str) -> None:
        self.__value = value
        forms = {form for text in (value, *also) if len(text) >= _SHORTEST for form in _forms(text)}
        # The longest first: a shorter one may be a part of it.
        self.__forms = [(form, form.encode()) for form in sorted(forms, key=len, reverse=True)]
        self.longest = max((len(needle) for _, needle in self.__forms), default=0)
        """The length in bytes of the longest form that `scrub_bytes` looks for; 0 for none."""
        self._shortest = min((len(form) for form, _ in self.__forms), default=0)

    def reveal(self) -> str:
        """Return the value itself."""
        return self.__value

    def scrub(self, text: str, tick: Callable[[], object] = _no_tick) -> str:
        """Return `text` with every occurrence of the value masked, in any usual form; `text` itself
        where there is none.

        A text that hides the value behind escapes is returned without them.
        """
        if len(text) < self._shortest or not self.longest:
            return text
        result = shown = self._masked(text)
        for _ in range(escapes.LAYERS):
            before, shown = shown, escapes.unescaped(shown, tick)
            if shown == before:
                break
            masked = self._masked(shown)
            if masked is not shown:
                result = shown = masked
        return result

    def scrub_message(self, text: str) -> str:
        """Return a sentence with the value masked, a short one too where it stands as a word."""
        if _SHORTEST_WORD <= len(self.__value) < _SHORTEST:
            text = re.sub(rf"(?<![\w-]){re.escape(self.__value)}(?![\w-])", MASK, text)
        return self.scrub(text)

    def scrub_beginning(self, text: str) -> str:
        """Return a sentence that was cut off, with the value masked, and without an end in which
        the value may begin: what is left of it could not be told from other text later."""
        result = shown = self._ended(self.scrub_message(escapes.closed(text)))
        for _ in range(escapes.LAYERS):
            before, shown = shown, escapes.closed(escapes.unescaped(shown, _no_tick))
            if shown == before:
                break
            ended = self._ended(shown)
            if ended is not shown:
                result = shown = ended
        return result

    def _ended(self, text: str) -> str:
        """Return `text` without the longest end that one of the forms begins with."""
        forms = [form for form, _ in self.__forms]
        if len(self.__value) >= _SHORTEST_WORD:
            forms.append(self.__value)
        end = text[-max(map(len, forms), default=0) :]
        for start in range(len(end)):
            if any(form.startswith(end[start:]) for form in forms):
                return text[: start - len(end)]
        return text

    def _masked(self, text: str) -> str:
        for form, _ in self.__forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def is_in(self, data: bytes, tick: Callable[[], object] = _no_tick) -> bool:
        """Whether the JSON text that `data` encodes shows the value: one look at the whole, which
        spares most answers the search of each of their texts."""
        if not self.longest:
            return False
        if any(needle in data for _, needle in self.__forms):
            return True
        if not (b"%" in data or b"&" in data or (b"\\" in data and _MARKS.search(data))):
            return False
        text = data.decode("latin-1")
        return self.scrub(text, tick) is not text

    def scrub_bytes(self, data: bytes) -> bytes:
        """Return `data` with the value masked where it stands in one of its usual forms; `data`
        itself where there is none."""
        for _, needle in self.__forms:
            if needle in data:
                data = data.replace(needle, MASK.encode())
        return data

    def scrub_json(self, value: Any, tick: Callable[[], object] = _no_tick) -> Any:
        """Return JSON data with every occurrence masked in its texts, keys included; lists and
        objects are changed in place, however deep they nest."""
        whole = [value]
        pending: list[Any] = [whole]
        while pending:
            node = pending.pop()
            if isinstance(node, dict):
                for key in [k for k in _ticking(node, tick) if self.scrub(k, tick) is not k]:
                    node[self.scrub(key)] = node.pop(key)
            # No list of pairs: it would take more memory than what it lists.
            pairs = node.items() if isinstance(node, dict) else enumerate(node)
            for key, item in _ticking(pairs, tick):
                if isinstance(item, str):
                    node[key] = self.scrub(item, tick)
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


_MARKS = re.compile(rb"\\[ux/\\]")
"""The escapes of JSON but for those that any text has, such as a line break's."""


def _ticking(items: Iterable[T], tick: Callable[[], object]) -> Iterator[T]:
    for count, item in enumerate(items):
        if not count % _TICKS:
            tick()
        yield item


def _forms(text: str) -> Iterator[str]:
    """Yield the ways in which an answer may quote `text`."""
    raw = text.encode()
    in_json = json.dumps(text)[1:-1]
    in_url = quote(text, safe="")
    yield from (text, text.lower(), text.upper())  # a host's name, a header's
    yield from (in_json, in_json.replace("/", "\\/"), in_url, quote(text))
    yield re.sub("%..", lambda match: match[0].lower(), in_url)
    yield text.replace("~", "~0").replace("/", "~1")  # in a JSON pointer
    yield text.encode().decode("latin-1")
    # A text that looks like escapes itself is shown without them too.
    for _ in range(escapes.LAYERS):
        text = escapes.unescaped(text, _no_tick)
        if len(text) >= _SHORTEST:
            yield text
    # base64 of a text that contains this one, wherever it begins: the characters that also
    # depend on its neighbours are left out.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        known = (before + len(raw)) * 8 // 6
        form = encoded[(before * 8 + 5) // 6 : known]
        yield form
        yield form.replace("+", "-").replace("/", "_")
