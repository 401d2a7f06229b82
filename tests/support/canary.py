"""A key that must not appear anywhere, and the places to look for it."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

KEY: Final = "sk-CANARY-7f3a9c51d2e84b60"
PROXY_PASSWORD: Final = "CANARYproxy-52c1e7"
PROXY_USER: Final = "robot"


def _spellings(secret: str) -> Iterator[str]:
    """The secret itself, and its base64 forms at each offset."""
    yield secret
    yield secret.lower()
    yield secret.upper()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret.encode()).decode()
        yield encoded[before + 1 : -4]


_NEEDLES: Final = [
    *_spellings(KEY),
    *_spellings(PROXY_PASSWORD),
    base64.b64encode(f"{PROXY_USER}:{PROXY_PASSWORD}".encode()).decode(),
]


def assert_absent(where: str, content: str | bytes) -> None:
    """Fail if the key is in `content`; the message names `where`."""
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    for layer in _layers(text):
        for needle in _NEEDLES:
            assert needle not in layer, f"the key is in {where}: {text[:2000]!r}"


def _layers(text: str) -> Iterator[str]:
    """The text itself, and with its escapes and quotations undone."""
    yield text
    for _ in range(3):
        text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
        text = html.unescape(unquote(text)).replace("\\", "").replace("\0", "")
        yield text


def everything_of(result: Any) -> Iterator[tuple[str, str | bytes]]:
    """Every form in which a caller may show or store a result."""
    yield "the envelope", json.dumps(result.to_dict())
    yield "the escaped envelope", json.dumps(result.to_dict(), ensure_ascii=False)
    yield "repr(result)", repr(result)
    yield "the attributes", f"{result.data!r} {result.meta!r}"
    yield "a pickled result", pickle.dumps(result)
    error = result.error
    if error is not None:
        yield "repr(error)", repr(error)
        yield "str(error)", str(error)
        yield "vars(error)", repr(vars(error))
        yield (
            "the cause",
            f"{error.__cause__!r} {error.__context__!r} {error.__notes__!r}"
            if (hasattr(error, "__notes__"))
            else f"{error.__cause__!r} {error.__context__!r}",
        )
        yield "a pickled error", pickle.dumps(error)


class Opaque:
    """A call whose arguments appear in no traceback."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = [function]

    def __repr__(self) -> str:
        return "<opaque>"

    def traceback(self, kind: type[BaseException] = Exception) -> str:
        """What a crash reporter would write, with local variables; "" if nothing is raised."""
        function = self._function[0]
        try:
            function()
        except kind as error:
            # From the first frame below this one and its caller's lambda on.
            trace = error.__traceback__
            assert trace is not None
            assert trace.tb_next is not None
            below = error.with_traceback(trace.tb_next.tb_next)
            text = traceback.TracebackException.from_exception(below, capture_locals=True)
            return "".join(text.format())
        return ""


@contextmanager
def all_logs() -> Iterator[io.StringIO]:
    """Collect every record of every logger at DEBUG, as a handler writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("connector", "urllib3", "requests"))]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def assert_no_part(where: str, content: str) -> None:
    """Fail if six consecutive characters of the key are in `content`, in any form."""
    for layer in _layers(content):
        for spelling in _spellings(KEY):
            for start in range(len(spelling) - 5):
                part = spelling[start : start + 6]
                assert part not in layer, f"{part} of the key is in {where}: {content[:2000]!r}"
