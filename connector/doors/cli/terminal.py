"""The streams of the command line: results on standard output, messages on standard error.

Control characters are escaped, so that no text can move the cursor, reverse its direction or forge
a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

_JOINERS = "\u200c\u200d"
"""Zero-width characters that Persian words and many emoji need."""


class OutputError(Exception):
    """The output cannot be written; the message is the system's reason."""


def print_message(text: str) -> None:
    """Print one line on standard error."""
    print_painted(escape_controls(text))


def print_painted(line: str) -> None:
    """Print a line on standard error whose control characters are our own."""
    if sys.stderr is not None:  # to `print`, None means standard output
        print(line, file=sys.stderr, flush=True)


def escape_controls(text: str) -> str:
    """Return `text` as one line in which every control character is escaped.

    This includes invisible and bidirectional controls, line separators and unpaired surrogates.
    """
    return _escaped(text, lambda character: repr(character)[1:-1])


def text_lines(text: str) -> list[str]:
    """Return the lines of `text`, with control characters escaped except for tabs."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return [_escaped(line, lambda character: repr(character)[1:-1], keep="\t") for line in lines]


def encode_json(value: Any, indent: int | None = None) -> bytes:
    """Return `value` as strict JSON in UTF-8, with no control characters but its line breaks.

    They are escaped as JSON does it, so that a parser reads the same value.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return _escaped(text, lambda character: json.dumps(character)[1:-1], keep="\n").encode()


def _escaped(text: str, escape: Callable[[str], str], keep: str = "") -> str:
    if text.isprintable():
        return text
    found = {*text} - {*keep, *_JOINERS}
    return text.translate({ord(c): escape(c) for c in found if not _is_shown(c)})


def _is_shown(character: str) -> bool:
    import unicodedata  # most texts hold printable characters only

    return character.isprintable() or unicodedata.category(character) == "Zs"


def print_json(value: Any) -> None:
    """Print a JSON value on standard output, indented if that is a terminal.

    Raises:
        BrokenPipeError: the reader has closed the output.
        OutputError: the output cannot be written for another reason.
    """
    _write(encode_json(value, indent=2 if is_terminal() else None))


def print_text(text: str) -> None:
    """Print a text as it is, but with control characters escaped on a terminal.

    Raises BrokenPipeError and OutputError, as `print_json` does.
    """
    if is_terminal():
        text = _escaped(text, lambda character: repr(character)[1:-1], keep="\n\t")
    _write(text.encode(errors="backslashreplace"))


def print_event(value: Any) -> None:
    """Print a JSON value on one line of standard output, at once. Raises as `print_json` does."""
    _write(encode_json(value))


def print_piece(text: str) -> None:
    """Print a part of a text at once, without a line break. Raises as `print_json` does."""
    text = _escaped(text, lambda character: repr(character)[1:-1], keep="\n\t")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    _write(text.encode(encoding, "backslashreplace"), end=b"")


def print_lines(lines: Iterable[str], end: str = "\n") -> None:
    """Print lines on standard output whose control characters are our own.

    Characters that its encoding lacks are escaped. Raises as `print_json` does.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    _write("\n".join(lines).encode(encoding, "backslashreplace"), end.encode())


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def _write(data: bytes, end: bytes = b"\n") -> None:
    out = sys.stdout
    if out is None:
        raise OutputError("it is closed")
    try:
        out.flush()
        out.buffer.write(data + end)
        out.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror) from None


def discard_output() -> None:
    """Discard buffered output, which the process would otherwise try to write again at its exit."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError):  # the limit of open files is reached
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
