"""Secret values, and the masking of texts that may quote them."""

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
"""The shortest value that is masked everywhere. Shorter ones are placeholders for local servers
("none", "x"); to replace them in data would only damage it."""

_SHORTEST_WORD = 4
"""The shortest value that is masked in messages, if it is a whole word."""

_TICKS = 4096
"""How many members of a list or an object are processed between two calls of `tick`."""


def _no_tick() -> None:
    pass


class Secret:
    """A value that is printed, logged and formatted as `***`, and cannot be pickled.

    Call `reveal()` only to send the value. `also` are further texts to mask, such as a proxy's
    password.

    Masking takes time and memory in proportion to the text. The methods that take `tick` call it
    from time to time; it may raise to stop the work.
    """

    __slots__ = ("__also", "__firsts", "__forms", "__starts", "__value", "_shortest", "longest")

    def __init__(self, value: str, *also: str) -> None:
        self.__value = value
        self.__also = also
        forms = {form for text in (value, *also) if len(text) >= _SHORTEST for form in _forms(text)}
        # The longest first, because it may contain a shorter one.
        self.__forms = [(form, form.encode()) for form in sorted(forms, key=len, reverse=True)]
        self.longest = max((len(needle) for _, needle in self.__forms), default=0)
        """The length in bytes of the longest form that `scrub_bytes` masks, 0 if there is none."""
        self.__starts = [form for form, _ in self.__forms]
        if len(value) >= _SHORTEST_WORD:
            self.__starts.append(value)
        self.__firsts = frozenset(form[0] for form in self.__starts)
        self._shortest = min((len(form) for form, _ in self.__forms), default=0)

    def reveal(self) -> str:
        """Return the value itself."""
        return self.__value

    def also(self, *texts: str) -> Secret:
        """Return a secret of the same value that masks `texts` too."""
        return Secret(self.__value, *self.__also, *texts)

    def scrub(self, text: str, tick: Callable[[], object] = _no_tick) -> str:
        """Return `text` with the value masked in all its usual forms; `text` itself if it has none.

        If escapes hide the value, the text is returned without them.
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
        """Return a sentence with the value masked, even a short value if it is a whole word."""
        if _SHORTEST_WORD <= len(self.__value) < _SHORTEST:
            text = re.sub(rf"(?<![\w-]){re.escape(self.__value)}(?![\w-])", MASK, text)
        return self.scrub(text)

    def scrub_beginning(self, text: str) -> str:
        """Return a truncated sentence with the value masked.

        Its end is removed if the value may start there: nothing could recognize a part of it later.
        """
        result = shown = self._ended(self.scrub_message(escapes.closed(text)))
        for _ in range(escapes.LAYERS):
            before, shown = shown, escapes.closed(escapes.unescaped(shown, _no_tick))
            if shown == before:
                break
            ended = self._ended(shown)
            if ended is not shown:
                result = shown = ended
        return result

    def split(self, text: str) -> tuple[str, str]:
        """Return `text` masked, and its end apart if the value may start there."""
        masked = self._masked(text)
        shown = self._ended(masked)
        return shown, masked[len(shown) :]

    def _ended(self, text: str) -> str:
        """Return `text` without the longest end that is the start of one of the forms."""
        if not self.__starts:
            return text
        end = text[-max(map(len, self.__starts)) :]
        for start, character in enumerate(end):
            if character in self.__firsts and any(
                form.startswith(end[start:]) for form in self.__starts
            ):
                return text[: start - len(end)]
        return text

    def _masked(self, text: str) -> str:
        for form, _ in self.__forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def is_in(self, data: bytes, tick: Callable[[], object] = _no_tick) -> bool:
        """Whether the JSON text in `data` contains the value in any form.

        One search of the whole saves most responses the search of each of their texts.
        """
        if not self.longest:
            return False
        if any(needle in data for _, needle in self.__forms):
            return True
        if not (b"%" in data or b"&" in data or (b"\\" in data and _MARKS.search(data))):
            return False
        text = data.decode("latin-1")
        return self.scrub(text, tick) is not text

    def scrub_bytes(self, data: bytes) -> bytes:
        """Return `data` with the value masked in its usual forms, escapes aside; `data` itself if
        it has none."""
        for _, needle in self.__forms:
            if needle in data:
                data = data.replace(needle, MASK.encode())
        return data

    def scrub_json(self, value: Any, tick: Callable[[], object] = _no_tick) -> Any:
        """Return JSON data with the value masked in all texts and keys.

        Lists and objects are changed in place, however deeply they nest.
        """
        whole = [value]
        pending: list[Any] = [whole]
        while pending:
            node = pending.pop()
            if isinstance(node, dict):
                for key in [k for k in _ticking(node, tick) if self.scrub(k, tick) is not k]:
                    node[self.scrub(key)] = node.pop(key)
            # Not a list of the pairs, which would take more memory than the data.
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


class Held:
    """Masks a text that arrives in pieces; only what may be the start of the value is held back."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._end = ""

    def feed(self, piece: str) -> str:
        """Return what may be shown of the text so far."""
        shown, self._end = self._secret.split(self._end + piece)
        return shown

    def rest(self) -> str:
        """Return what was held back, at the end of the text."""
        rest, self._end = self._end, ""
        return rest


_MARKS = re.compile(rb"\\[ux/\\]")
"""The escapes of JSON except common ones, such as that of a line break."""


def _ticking(items: Iterable[T], tick: Callable[[], object]) -> Iterator[T]:
    for count, item in enumerate(items):
        if not count % _TICKS:
            tick()
        yield item


def _forms(text: str) -> Iterator[str]:
    """Yield the forms in which a response may quote `text`."""
    raw = text.encode()
    in_json = json.dumps(text)[1:-1]
    in_url = quote(text, safe="")
    yield from (text, text.lower(), text.upper())  # as in names of hosts and headers
    yield from (in_json, in_json.replace("/", "\\/"), in_url, quote(text))
    yield re.sub("%..", lambda match: match[0].lower(), in_url)
    yield text.replace("~", "~0").replace("/", "~1")  # in a JSON pointer
    yield text.encode().decode("latin-1")
    # If the text itself looks like escapes, it may be quoted without them.
    for _ in range(escapes.LAYERS):
        text = escapes.unescaped(text, _no_tick)
        if len(text) >= _SHORTEST:
            yield text
    # The base64 of a text that contains this one at any offset, without the characters that
    # depend on its neighbours too.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        known = (before + len(raw)) * 8 // 6
        form = encoded[(before * 8 + 5) // 6 : known]
        yield form
        yield form.replace("+", "-").replace("/", "_")
