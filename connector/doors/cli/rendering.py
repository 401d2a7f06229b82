"""Data as a person reads it on a terminal: lines of text.

What is shown of an action's data is where the manifest's `outputPath` leads. How it is shown
depends on its shape, never on the action.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connector.doors.cli.screen import INDENT, Screen, unpainted, width
from connector.doors.cli.terminal import encode_json, escape_controls, text_lines
from connector.doors.cli.unnamed_files import UnnamedFiles
from connector.errors import ConnectorError

_STEP = re.compile(r"\.(\w+)|\[[0-9]+\]")
_MOST_NUMBERS = 6
_MARKS = {"ok": ("✓", "green"), "failed": ("✗", "red"), "unknown": ("?", "magenta")}


class _Found(NamedTuple):
    """A value to show, None where it is missing, and the object or item that it is part of."""

    whole: Any
    value: Any


def data_lines(data: Any, path: str, error: ConnectorError | None, screen: Screen) -> Iterator[str]:
    """Yield the lines of an action's data.

    `path` leads to what is shown, such as `data.items[0].name`: an index stands for all items,
    which are numbered if there are several. Bytes without a file are saved to a temporary one.
    `error` is that of the result; its message is not repeated.
    """
    found = _find(data, path) or [_Found(data, data)]
    files = UnnamedFiles()
    said = "" if error is None else error.message
    shown = [list(_item_lines(item, said, screen, files)) for item in found]
    if len(shown) == 1:
        yield from shown[0]
    elif _fit(shown, screen.columns() - len(f"{len(shown)}{INDENT}")):
        size = len(str(len(shown)))
        for number, (line,) in enumerate(shown, 1):
            yield f"{screen.paint(f'{number:{size}}', 'bold')}{INDENT}{line}"
    else:
        for number, lines in enumerate(shown, 1):
            if number > 1:
                yield ""
            yield screen.paint(f"[{number}]", "bold")
            yield from lines
    if files.written:
        yield screen.paint("Temporary; --output FILE saves where you want it.", "dim")


def _fit(items: Sequence[Sequence[str]], columns: int) -> bool:
    """Whether each item is one line that is not wider than `columns`."""
    return all(len(lines) == 1 and width(unpainted(lines[0])) <= columns for lines in items)


def _find(data: Any, path: str) -> list[_Found]:
    found = [_Found(data, data)]
    for step in _STEP.finditer(path):
        name = step[1]
        if name is None:
            lists = [value for _, value in found if isinstance(value, list)]
            found = [_Found(item, item) for items in lists for item in items]
        else:
            found = [
                _Found(whole, value.get(name) if isinstance(value, Mapping) else None)
                for whole, value in found
            ]
    return found


def _item_lines(item: _Found, said: str, screen: Screen, files: UnnamedFiles) -> Iterator[str]:
    whole, value = item
    if isinstance(whole, Mapping):
        if line := _media_line(whole, value, screen, files):
            yield line
            return
        if value is None:
            error = whole.get("error")
            if isinstance(error, Mapping) and {"code", "message"} <= error.keys():
                yield from _failure_lines(error, said, screen)
                return
            value = whole
    if isinstance(value, str):
        yield from text_lines(value) if value else [screen.paint("(an empty text)", "dim")]
    elif _is_vector(value):
        yield _vector(value)
    else:
        yield from json_lines(value)


def _media_line(
    whole: Mapping[str, Any], value: Any, screen: Screen, files: UnnamedFiles
) -> str | None:
    """Return the line of an object that describes a file, bytes or an address, else None."""
    content_type = whole.get("contentType")
    if not isinstance(content_type, str):
        return None
    if isinstance(whole.get("file"), str) and isinstance(whole.get("size"), int):
        return _file(whole["file"], whole["size"], content_type, screen)
    if (data := _bytes(whole, value)) is not None:
        return _file(files.save(data, content_type), len(data), content_type, screen)
    if isinstance(whole.get("url"), str):
        return escape_controls(whole["url"]) + _note(content_type, screen)
    return None


def _failure_lines(error: Mapping[str, Any], said: str, screen: Screen) -> list[str]:
    text = f"[{error['code']}]"
    if error["message"] not in said:
        text = f"{error['message']} {text}"
    return screen.lines("error: ", escape_controls(text), "red", "bold")


def _bytes(whole: Mapping[str, Any], value: Any) -> bytes | None:
    """Return the bytes of a binary object, or of the base64 text `value`; None if it is neither."""
    text = whole.get("data") if whole.get("encoding") == "base64" else value
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        return None


def _file(name: str | None, size: int, content_type: str, screen: Screen) -> str:
    where = screen.paint(escape_controls(name), "bold") if name else "(not saved)"
    return where + _note(f"{content_type}, {_size(size)}", screen)


def _note(text: str, screen: Screen) -> str:
    return INDENT + screen.paint(escape_controls(text), "dim")


def _size(count: int) -> str:
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > _MOST_NUMBERS
        and all(isinstance(item, int | float) for item in value)
    )


def _vector(value: Sequence[float]) -> str:
    start = ", ".join(json.dumps(number) for number in value[:_MOST_NUMBERS])
    return f"[{start}, …] ({len(value)} numbers)"


def json_lines(value: Any) -> list[str]:
    """Return JSON, indented."""
    return encode_json(value, indent=2).decode().split("\n")


def request_lines(data: Any, screen: Screen) -> Iterator[str]:
    """Yield the lines of a dry run's requests: method and address, headers, body."""
    for number, request in enumerate(data if isinstance(data, list) else [data]):
        if number:
            yield ""
        yield screen.paint(f"{request['method']} {escape_controls(request['url'])}", "bold")
        for name, value in request["headers"].items():
            yield f"{screen.paint(escape_controls(f'{name}:'), 'dim')} {escape_controls(value)}"
        body = request["body"]
        if body is not None:
            yield ""
            yield from text_lines(body) if isinstance(body, str) else json_lines(body)


def verdict_lines(
    data: Mapping[str, Mapping[str, str]], error: ConnectorError | None, screen: Screen
) -> Iterator[str]:
    """Yield a line for each verdict of a connection's test.

    A message that `error` has too is left out, because it is printed with the error.
    """
    size = max(map(width, data), default=0)
    for name, verdict in data.items():
        mark, colour = _MARKS.get(verdict["verdict"], _MARKS["unknown"])
        mark = f"{screen.paint(mark, colour, 'bold')} " if screen.shows(mark) else ""
        text = verdict["verdict"]
        if error is None or verdict["message"] != error.message:
            text += f": {verdict['message']}"
        padding = " " * (size - width(name))
        name = screen.paint(escape_controls(name), "bold")
        yield f"{mark}{name}{padding}{INDENT}{escape_controls(text)}"


def option_lines(data: Sequence[Mapping[str, str]], screen: Screen) -> Iterator[str]:
    """Yield a line for each choice of a dropdown: its key, and its label if that says more."""
    for row in data:
        key, label = escape_controls(row["key"]), escape_controls(row["label"])
        more = label.removeprefix(key).strip()
        yield f"{key}{INDENT}{screen.paint(more, 'dim')}" if more else key
