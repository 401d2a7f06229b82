"""The command `connections`: adds a connection to the operator's file, lists and tests them."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from connector.connections import configured, writing
from connector.connections.store import ConnectionStore
from connector.connector import Connector
from connector.doors.cli.actions import print_verdicts
from connector.doors.cli.preparation import connector_of
from connector.doors.cli.terminal import (
    escape_controls,
    is_terminal,
    print_json,
    print_message,
)
from connector.doors.cli.values import UsageError, system_reason
from connector.errors import ConnectorError
from connector.manifest.model import ABSENT, Connection, Input
from connector.validation.suggestions import nearest

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}\Z")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)|`")
_YES = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def run(arguments: argparse.Namespace) -> int:
    connector = connector_of(arguments)
    path = arguments.connections_file or configured.usual_path(connector.manifest.key, os.environ)
    if arguments.operation == "add":
        return _add(arguments, connector, path)
    if arguments.operation == "list":
        return _list(connector, path)
    return _test(arguments, connector, path)


def _test(arguments: argparse.Namespace, connector: Connector, path: Path) -> int:
    with Connector(connector.manifest, configured=path) as tested:
        return print_verdicts(tested.test_connection(arguments.name), arguments)


def _list(connector: Connector, path: Path) -> int:
    found = configured.read(path).connections if path.exists() else {}
    store = _store(connector, found)
    rows = [{"name": name, **_described(store, name)} for name in sorted(found)]
    if not is_terminal():
        print_json(rows)
        return 0
    widths = [max((len(row[part] or "") for row in rows), default=0) for part in ("name", "kind")]
    for row in rows:
        name, kind = row["name"].ljust(widths[0]), (row["kind"] or "").ljust(widths[1])
        print(escape_controls(f"{name}  {kind}  {row['provider'] or row['problem']}"))
    if not rows:
        print_message("There are none; run: connector connections add NAME")
    return 0


def _described(store: ConnectionStore, name: str) -> dict[str, Any]:
    kind = None
    try:
        kind, _ = store.parse(name)
        return {"kind": kind, "provider": store.get(name).provider.name}
    except ConnectorError as error:
        # Where a secret is, its message quotes nothing.
        return {"kind": kind, "provider": None, "problem": error.message}


def _add(arguments: argparse.Namespace, connector: Connector, path: Path) -> int:
    known = configured.read(path).connections if path.exists() else {}
    if arguments.name in known and not arguments.replace:
        raise UsageError("there is a connection of this name: add --replace to replace it")
    asks = sys.stdin is not None and sys.stdin.isatty()
    kind = _kind(connector, arguments.kind, asks)
    fields = _given_fields(kind, arguments.field)
    if arguments.key_from_stdin and not asks:
        key = _key_field(kind).key
        fields[key] = _read_key()
    if not asks:
        missing = [item for item in kind.fields if _is_needed(item) and item.key not in fields]
        if missing:
            raise UsageError(f"{missing[0].label} is missing; {_how_to_give(missing[0])}")
    if asks:
        fields = _asked(connector, kind, fields)
    else:
        _check(connector, kind, fields)
    connection = {
        "key": kind.key,
        "fields": {item.key: fields[item.key] for item in kind.fields if item.key in fields},
    }
    try:
        writing.put(path, arguments.name, connection)
    except OSError as error:
        raise UsageError(
            f"--file: {system_reason(error)}; name a file that you may write"
        ) from None
    where = "the file" if arguments.connections_file else path  # an argument may be a misplaced key
    print_message(f"The connection {arguments.name} is in {where}, which only you can read.")
    return _test(arguments, connector, path)


def _store(connector: Connector, connections: Mapping[str, Any]) -> ConnectionStore:
    return ConnectionStore(connector.manifest, connector.catalog.handlers, connections)


def _check(connector: Connector, kind: Connection, fields: Mapping[str, Any]) -> None:
    """Raise ConnectorError for fields that lead to no provider; nothing is sent."""
    _store(connector, {"new": {"key": kind.key, "fields": fields}}).get("new")


def _kind(connector: Connector, given: str | None, asks: bool) -> Connection:
    kinds = connector.manifest.connections
    if given is None and asks and len(kinds) > 1:
        for kind in kinds.values():
            print_message(f"  {kind.key}: {kind.description}")
        first = next(iter(kinds))
        while (given := _line(f"Kind of connection [{first}]: ") or first) not in kinds:
            print_message(f"Write {' or '.join(kinds)}.")
    if given is not None and given not in kinds:
        raise UsageError(f"--kind: write {' or '.join(kinds)}")
    return kinds[given or next(iter(kinds))]


def _given_fields(kind: Connection, given: Collection[tuple[str, str]]) -> dict[str, Any]:
    items = {item.key: item for item in kind.fields}
    fields = {}
    for key, value in given:
        item = items.get(key)
        if item is None:
            raise UsageError(f"--field: no such field{nearest(key, items)}: {', '.join(items)}")
        if item.secret and not _REFERENCE.match(value):
            raise UsageError(f"--field: {item.label} is secret; {_how_to_give(item)}")
        fields[key] = _typed(item, value)
    return fields


def _is_needed(item: Input) -> bool:
    return item.required and item.default is ABSENT


def _how_to_give(item: Input) -> str:
    """Return how a pipe gives a field."""
    if not item.secret:
        return f"add --field {item.key}=VALUE"
    text = f"name a variable of the environment: --field '{item.key}=${{VARIABLE}}'"
    return f"add --key-from-stdin, or {text}" if item.required else text


def _typed(item: Input, text: str) -> Any:
    """Return a text as the file should hold it: true and false without quotes."""
    return _YES.get(text.lower(), text) if item.schema.get("type") == "boolean" else text


def _key_field(kind: Connection) -> Input:
    found = [item for item in kind.fields if item.secret and item.required]
    if not found:
        raise UsageError(f"--key-from-stdin: a connection of the kind {kind.key} has no key")
    return found[0]


def _read_key() -> str:
    if sys.stdin is None:
        raise UsageError("--key-from-stdin: standard input is closed")
    return sys.stdin.read().rstrip("\r\n")


def _asked(connector: Connector, kind: Connection, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a person enters, each asked again while it is wrong."""
    fields = dict(given)
    form = _store(connector, {}).form(kind.key)
    wanted = [item for item in kind.fields if item.key not in given]
    print_message("Press Enter to leave out what is optional.")
    while True:
        for item in wanted:
            fields.pop(item.key, None)
            _explain(item)
            while (answer := _answer(item)) != "" or _is_needed(item):
                rows = form.clean({item.key: answer}).problems
                own = [row for row in rows if row["path"].startswith(f"{form.path}/{item.key}")]
                if not own or _REFERENCE.match(str(answer)):
                    fields[item.key] = answer
                    break
                print_message(f"  {item.label}: {own[0]['message']}")
        try:
            _check(connector, kind, fields)
            return fields
        except ConnectorError as error:
            paths = {row["path"] for row in error.details or ()}
            wrong = [item for item in kind.fields if f"{form.path}/{item.key}" in paths]
            if not wrong:
                raise
            # A switch decides what the other fields mean: it may be the one to change.
            wanted = [i for i in kind.fields if i in wrong or i.schema.get("type") == "boolean"]
            print_message(f"  {error.message}")
            if error.hint:
                print_message(f"  {error.hint}")


def _explain(item: Input) -> None:
    text = _LINK.sub(lambda found: found[1] or "", item.comments)
    print_message("")
    for line in textwrap.wrap(text, shutil.get_terminal_size().columns):
        print_message(line)


def _answer(item: Input) -> Any:
    """Ask for one field; a secret is not echoed."""
    note = ""
    if item.default is not ABSENT:
        note = f" [{str(item.default).lower()}]"
    elif not item.required:
        note = " (optional)"
    prompt = f"{item.label}{note}: "
    return _typed(item, _line(prompt, item.secret))


def _line(prompt: str, hidden: bool = False) -> str:
    try:
        if hidden:
            return getpass.getpass(prompt).strip()
        print(prompt, end="", file=sys.stderr, flush=True)
        return input().strip()
    except EOFError:  # Ctrl-D
        raise KeyboardInterrupt from None
