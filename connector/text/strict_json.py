"""Reads and writes strict JSON: rejects NaN, overflow and duplicates, which `json` accepts."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from connector.problems import shown_name

UNPAIRED = "holds an unpaired surrogate"
"""What is wrong with a text that cannot be encoded."""

_BOM = b"\xef\xbb\xbf"

MAX_DEPTH = 200
"""Deeper nesting is rejected: no payload or response needs it, and the interpreter's own limit
differs between versions."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        unseen = set(result)
        for key, _ in pairs:
            if key not in unseen:
                raise ValueError(f"the key {shown_name(key)} is duplicated in one object")
            unseen.remove(key)
    return result


_lenient = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_strict = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique
)


def loads(text: str | bytes, *, unique: bool = False) -> Any:
    """Return the value of a JSON text.

    Bytes are read as UTF-8, with or without a byte order mark. With `unique`, duplicate keys in
    an object are rejected. Raises ValueError with a message that quotes no value.
    """
    try:
        if isinstance(text, bytes):
            text = text.removeprefix(_BOM).decode()
        value = (_strict if unique else _lenient).decode(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        # The message of int() about thousands of digits names a setting of the interpreter.
        if "integer string conversion" in str(error):
            raise ValueError("an integer has too many digits") from None
        raise
    # A text with few brackets cannot nest deeply and is not checked.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        check_depth(value)
    return value


def check_depth(value: Any, most: int = MAX_DEPTH) -> None:
    """Raise ValueError if `value` nests deeper than `most`, or contains itself."""
    level = [value]
    depth = 0
    while level:
        depth += 1
        if depth > most:
            raise ValueError("nested too deeply")
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]


_compact = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    separators=(",", ":"),
    check_circular=False,  # a cycle raises RecursionError, which costs the usual case nothing
)


def dumps(value: Any) -> bytes:
    """Return `value` as compact JSON in UTF-8.

    Raises ValueError for NaN, infinities, unpaired surrogates, cycles and values that JSON lacks.
    """
    try:
        return _compact.encode(value).encode()
    except UnicodeEncodeError:
        raise ValueError(f"a text {UNPAIRED}") from None
    except (TypeError, RecursionError):
        raise ValueError("a value is not JSON") from None


def is_encodable(text: str) -> bool:
    """Whether a text can be encoded as UTF-8, as it cannot if it has an unpaired surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def copy(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    return json.loads(dumps(value))
