"""The problems of a payload, each with a JSON pointer, and the error that lists them.

Names that a payload holds are shown only if they cannot be keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from connector.errors import ConnectorError, ErrorCode

_PLAIN_NAME = re.compile(r"\w[\w .-]{0,23}\Z")
_MOST_DIGITS = 2
_LONGEST_PART = 100
_LONGEST_POINTER = 500


def problem(path: str, message: str, label: str | None = None) -> dict[str, str]:
    """Return one row of `details`.

    `path` is a JSON pointer, `label` the input's label in the form, `message` a sentence without
    its subject.
    """
    row = {"path": path, "message": message}
    return {"path": path, "input": label, "message": message} if label else row


def error_of(
    code: ErrorCode, problems: Sequence[Mapping[str, str]], hint: str | None = None
) -> ConnectorError:
    """Return the error that lists `problems`; its message gives the first one and their number."""
    first = problems[0]
    where = first.get("input") or first["path"]
    _, part, inside = first["path"].partition("/inputs/")
    inside = inside.partition("/")[2]
    if part and inside and "input" in first:
        where = f"{where} ({inside})"  # many engines show the message but not the details
    message = f"{where}: {first['message']}"
    if len(problems) > 1:
        message += f" (and {len(problems) - 1} more, see details)"
    return ConnectorError(code, message, hint=hint, details=list(problems))


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer of `parts`, or of an enclosing value if it would be too long.

    A long part is replaced with its length, because each of many problems would repeat it.
    """
    result = ""
    for part in map(str, parts):
        if len(result) > _LONGEST_POINTER:
            return f"{result}/…"
        if len(part) > _LONGEST_PART:
            part = f"({len(part)} characters)"
        result += "/" + part.replace("~", "~0").replace("/", "~1")
    return result


def unknown_pointer(name: str) -> str:
    """Return the JSON pointer of an unknown name, `/***` if the name may be a key."""
    return pointer(name if is_plain_name(name) else "***")


def shown_name(name: str) -> str:
    """Return an unknown name for a sentence: in quotes, or only its length if it may be a key.

    It is never shortened, because half a key could no longer be recognized and masked.
    """
    return repr(name) if is_plain_name(name) else f"of {len(name)} characters"


def is_plain_name(name: str) -> bool:
    """Whether `name` looks like a name, and not like a key that was put in its place."""
    return bool(_PLAIN_NAME.match(name)) and sum(map(str.isdigit, name)) <= _MOST_DIGITS
