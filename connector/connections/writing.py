"""Writes the operator's connections file: one entry at a time, everything else unchanged."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.connections import configured
from connector.errors import ConnectorError
from connector.text import strict_json


def put(path: Path, name: str, connection: Mapping[str, Any]) -> None:
    """Write `connection` under `name`, in the place of an earlier one.

    The file is replaced in one step, and only its owner may read it. A file in YAML keeps its
    comments. Raises ConnectorError `invalid_connection` where the file cannot be kept as it is,
    OSError where it cannot be written.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    old: Mapping[str, Any] = {}
    text = ""
    if path.exists():
        old = configured.read(path).connections
        text = path.read_text(encoding="utf-8-sig")
    wanted = {**old, name: connection}
    if path.suffix == ".json":
        text = json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
    else:
        text = _edited(text, old, name, connection)
        _check(text, wanted)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, text.encode())


def _edited(text: str, old: Mapping[str, Any], name: str, connection: Mapping[str, Any]) -> str:
    """Return the YAML `text` of the connections `old` with one entry replaced or added."""
    lines = text.splitlines(keepends=True)
    if not old:  # nothing but comments, or an empty object
        lines = [line for line in lines if line.lstrip().startswith("#")]
    start, end = _place(text, name) if name in old else (len(lines), len(lines))
    if start and not lines[start - 1].endswith("\n"):
        lines[start - 1] += "\n"
    return "".join([*lines[:start], _entry(name, connection), *lines[end:]])


def _place(text: str, name: str) -> tuple[int, int]:
    """Return the first line of an entry, and the line after its last one."""
    import yaml

    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value
    starts = [key.start_mark.line for key, _ in pairs]
    index = next(i for i, (key, _) in enumerate(pairs) if key.value == name)
    lines = text.splitlines()
    end = [*starts, len(lines)][index + 1]
    while end > starts[index] + 1 and _is_apart(lines[end - 1]):
        end -= 1  # the comment belongs to the next entry
    return starts[index], end


def _is_apart(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _entry(name: str, connection: Mapping[str, Any]) -> str:
    # A text in JSON is the same text in YAML, between double quotes.
    lines = [f"{json.dumps(name, ensure_ascii=False)}:"]
    lines += [f"  {k}: {json.dumps(v)}" for k, v in connection.items() if k != "fields"]
    lines += ["  fields:"] if connection["fields"] else ["  fields: {}"]
    lines += [f"    {key}: {json.dumps(value)}" for key, value in connection["fields"].items()]
    return "\n".join(lines) + "\n"


def _check(text: str, wanted: Mapping[str, Any]) -> None:
    from connector.text import safe_yaml

    with contextlib.suppress(ValueError):
        if strict_json.dumps(safe_yaml.loads(text)) == strict_json.dumps(wanted):
            return
    raise ConnectorError(
        "invalid_connection",
        "The connections file cannot be changed without changing its other entries.",
        hint="Write each connection on lines of its own, or add this one with an editor.",
    )


def _replace(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, in one step."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
