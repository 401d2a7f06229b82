"""What the command line prints: JSON on standard output, sentences on standard error.

Nothing that is printed moves a cursor, reverses a text or forges a line, whoever wrote it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from connector.result import Result

_JOINERS = "\u200c\u200d"
"""Zero-width characters that Persian words and many emoji consist of."""


class Unwritable(Exception):
    """The output cannot be written; the text says why, in the system's own words."""


def tell(text: str) -> None:
    """Print one line on standard error."""
    if sys.stderr is not None:  # None is what `print` takes for standard output
        print(visible(text), file=sys.stderr, flush=True)


def visible(text: str) -> str:
    """Return `text` as one line in which every control character shows as an escape.

    So do bidirectional and other invisible controls, line separators and unpaired surrogates.
    """
    return _escaped(text, lambda character: repr(character)[1:-1])


def pretty(value: Any, indent: int | None = None) -> bytes:
    """Return `value` as strict JSON in UTF-8, in which nothing but its layout controls a terminal.

    What `visible` escapes is escaped in JSON's own way, so that a parser reads the same value.
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
    """Print a JSON value, indented for a person.

    Raises Unwritable, or BrokenPipeError where the reader has gone.
    """
    out = sys.stdout
    if out is None:
        raise Unwritable("it is closed")
    try:
        out.flush()
        out.buffer.write(pretty(value, indent=2 if out.isatty() else None) + b"\n")
        out.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritable(error.strerror) from None


def print_result(result: Result) -> int:
    """Print the envelope, and on standard error what a person should know of it.

    Returns the exit code.
    """
    print_json(result.to_dict())
    tell_warnings(result)
    error = result.error
    if error is None:
        return 0
    tell(f"error: {error.message} [{error.code}]")
    for row in error.details or ():
        tell(f"  {row['path']}: {row['message']}")
    if error.hint:
        tell(f"hint: {error.hint}")
    return 130 if error.code == "cancelled" else 1


def tell_warnings(result: Result) -> None:
    """Print the warnings of a result on standard error."""
    for warning in result.meta["warnings"]:
        tell(f"warning: {warning}")


def progress(done: int, total: int) -> None:
    """Show on standard error how much of an action is finished."""
    end = "\n" if done == total else ""
    print(f"\r{done} of {total}", end=end, file=sys.stderr, flush=True)


def abandon_output() -> None:
    """Drop what is still buffered, or the exit of the process would try to write it again."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError):  # no more files may be opened
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
