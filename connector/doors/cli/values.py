"""The values of inputs on the command line: as they stand, or read from a file."""

from __future__ import annotations

import argparse
import errno
import re
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from connector.doors.cli.inputs import resolved
from connector.manifest.model import Action, Input
from connector.manifest.schemas import Schemas
from connector.text.secrets import MASK
from connector.validation.suggestions import nearest

_WORD = re.compile(r"[A-Za-z_]{1,24}\Z")
_WORDS = re.compile(r"[A-Za-z_ -]{1,24}\Z")
"""A word that cannot be a key; and words that cannot if they are close to a known name."""


class UsageError(Exception):
    """The command line itself is wrong."""


def system_reason(error: Exception) -> str:
    """Return the system's own words for an error, without arguments that it may quote."""
    return getattr(error, "strerror", None) or type(error).__name__


def mask_unless_known(word: str, known: Collection[str]) -> str:
    """Return `word` if it is a known name or close to one.

    Any other word may be a misplaced key, and is masked.
    """
    if word in known or (_WORDS.match(word) and nearest(word, known)):
        return word
    return MASK


def given(arguments: argparse.Namespace, action: Action | None, schemas: Schemas) -> dict[str, Any]:
    """Return the inputs of the command line; of two values of one input, the later one.

    A name that may be a misplaced key is masked, because the error for an unknown input quotes it.

    Raises:
        UsageError: a file cannot be read, or a secret is on the command line.
    """
    items = {item.key: item for item in action.inputs} if action else {}
    inputs: dict[str, Any] = {}
    for key, text in arguments.input:
        name = key if _WORD.match(key) else mask_unless_known(key, [*items])
        value = _value(name, text, items.get(key), schemas)
        if isinstance(value, list) and isinstance(inputs.get(name), list):
            value = inputs[name] + value
        inputs[name] = value
    return inputs


def _value(name: str, text: str, item: Input | None, schemas: Schemas) -> Any:
    if name == "connection":
        return text
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        return _from_file(name, text[1:], item, schemas)
    if item is not None and item.secret:
        raise UsageError(f"{name}: is secret; give it in --payload, or its file as {name}=@FILE")
    return text


def _from_file(name: str, path: str, item: Input | None, schemas: Schemas) -> Any:
    """Return the text of a file; for an input that holds files, a binary object or a list of it."""
    try:
        content = standard_input() if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise UsageError(
            f"{name}: {system_reason(error)} (@ names a file; write @@ for a value that begins "
            "with @)"
        ) from None
    schema = resolved(item.schema, schemas) if item is not None else {}
    if not path.endswith(".json"):
        if _is_binary(schema):
            return _binary(content, path)
        if _is_binary(resolved(schema.get("items", {}), schemas)):
            return [_binary(content, path)]
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name}: the file is not text in UTF-8") from None


def _is_binary(schema: Mapping[str, Any]) -> bool:
    return "encoding" in schema.get("required", ())


def _binary(content: bytes, path: str) -> dict[str, str]:
    import base64
    import mimetypes

    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    data = base64.b64encode(content).decode("ascii")
    return {"contentType": kind, "encoding": "base64", "data": data}


def standard_input() -> bytes:
    """Return all of standard input. Raises OSError where it is closed."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read()


def check_standard_input(arguments: argparse.Namespace) -> None:
    """Raise UsageError where two values are to be read from standard input."""
    uses = [arguments.payload == "-", *(text == "@-" for _, text in arguments.input)]
    if uses.count(True) > 1:
        raise UsageError("standard input can be read only once, by --payload - or by one @-")
