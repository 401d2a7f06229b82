"""A text that knows it is secret, and the scrubber for texts that may quote one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import quote

MASK = "***"

_SHORTEST = 8
"""Shorter texts are placeholders of local servers ("none", "x"): replacing them would only
garble messages."""


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
        """Return `text` with every occurrence of the value (in any usual form) masked."""
        for form, _ in self.__forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def scrub_bytes(self, data: bytes) -> bytes:
        """Return `data` with every occurrence masked; `data` itself where there is none."""
        for _, needle in self.__forms:
            if needle in data:
                data = data.replace(needle, MASK.encode())
        return data

    def scrub_json(self, value: Any) -> Any:
        """Return JSON data with every occurrence masked, keys included: what its text could hide
        behind escapes."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, list):
            return [self.scrub_json(item) for item in value]
        if isinstance(value, dict):
            return {self.scrub(key): self.scrub_json(item) for key, item in value.items()}
        return value

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


def _forms(text: str) -> Iterator[str]:
    """Yield the ways in which an answer may quote `text`."""
    in_json = json.dumps(text)[1:-1]
    yield from (text, in_json, in_json.replace("/", "\\/"), quote(text, safe=""))
    # base64 of a text that contains this one, wherever it begins: the characters that also
    # depend on its neighbours are left out.
    raw = text.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        known = (before + len(raw)) * 8 // 6
        form = encoded[(before * 8 + 5) // 6 : known]
        yield form
        yield form.replace("+", "-").replace("/", "_")
