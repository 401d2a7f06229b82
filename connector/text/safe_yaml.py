"""Reads YAML as plain data: no tags, no aliases, no duplicate keys, no surprising scalars.

It uses the parser's events: nesting is limited here before anything recurses, and an alias is
rejected before it is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from connector.problems import pointer, shown_name

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES = 1 << 20
_MAX_DEPTH = 100
_LONGEST_POINTER = 300
_MOST_LINES = 100_000
"""The most lines that are noted. A value beyond it, or with a long pointer, has the line of what
encloses it: every pointer repeats all the keys above it, which takes memory."""
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})\Z")
# Only numbers that are written back unchanged: 3.10 and 007 would lose a digit, so they are text.
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.(0|[0-9]{0,17}[1-9]))?([eE][-+]?[0-9]{1,2})?\Z")
_TOKENS = {"true": True, "false": False, "null": None, "~": None, "": None}


def loads(text: str, lines: dict[str, int] | None = None) -> Any:
    """Return the value of a YAML document.

    Every scalar is text except `true`, `false`, `null` (also `~` and an empty value), decimal
    integers and floats: `no`, `0x10`, `3.10` and `2024-10-21` are text. If `lines` is given, it is
    filled with the line of each JSON pointer (see `problems.pointer`), except very long ones.

    Raises ValueError with the line of the problem.
    """
    if len(text) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES} bytes")
    try:
        return _Reader(yaml.parse(text, Loader=_Loader), lines).document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


class _Reader:
    def __init__(self, events: Iterator[Any], lines: dict[str, int] | None) -> None:
        self.events = events
        self.lines = lines

    def document(self) -> Any:
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        value = self.value(next(self.events), "" if self.lines is not None else None, 0)
        next(self.events)  # the end of the document
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise ValueError(f"line {_line(after)}: there is a second document")
        return value

    def value(self, event: Any, path: str | None, depth: int) -> Any:
        line = _line(event)
        if depth > _MAX_DEPTH:
            raise ValueError(f"line {line}: nested too deeply")
        _check_plain(event, line)
        if path is not None and self.lines is not None and len(self.lines) < _MOST_LINES:
            self.lines[path] = line
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return [
                self.value(item, _below(path, str(index)), depth + 1)
                for index, item in enumerate(self._until(yaml.SequenceEndEvent))
            ]
        return self._mapping(path, depth)

    def _mapping(self, path: str | None, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            line = _line(event)
            _check_plain(event, line)
            if not isinstance(event, yaml.ScalarEvent) or (event.value == "<<" and not event.style):
                raise ValueError(f"line {line}: a key must be text")
            key = event.value
            if key in result:
                raise ValueError(f"line {line}: the key {shown_name(key)} is duplicated")
            result[key] = self.value(next(self.events), _below(path, key), depth + 1)
        return result

    def _until(self, end: type[Any]) -> Iterator[Any]:
        while not isinstance(event := next(self.events), end):
            yield event


def _below(path: str | None, part: str) -> str | None:
    return None if path is None or len(path) > _LONGEST_POINTER else path + pointer(part)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _check_plain(event: Any, line: int) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise ValueError(f"line {line}: aliases are not allowed: write the value out")
    if event.tag is not None:
        raise ValueError(f"line {line}: the tag {shown_name(event.tag)} is not allowed")


def _scalar(event: Any) -> Any:
    text = event.value
    if event.style:  # quoted, or a block
        return text
    if text in _TOKENS:
        return _TOKENS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
