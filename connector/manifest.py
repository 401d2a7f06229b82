"""The manifest as frozen, typed values, made once from `connector.yaml`.

Reading is here; the full proof (`connector check`) is in `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from connector import facts, jsontext, resources
from connector.errors import ConnectorError

_MAX_DEPTH = 50
"""Deeper nesting is refused: what reads and proves schemas calls itself for each level."""


class _Absent:
    """Marks an input without a default, since None could be one."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


class Input(NamedTuple):
    """One input of an action, or one field of a connection.

    `default` is ABSENT where there is none. `schema` is the fragment of the manifest, its
    references still naming files.
    """

    key: str
    label: str
    comments: str
    schema: Mapping[str, Any]
    control: str
    required: bool
    default: Any
    secret: bool
    advanced: bool
    data_source: str | None


class Connection(NamedTuple):
    """A kind of connection that a builder can fill in."""

    key: str
    label: str
    description: str
    documentation: str
    test: str | None
    fields: tuple[Input, ...]


class DataSource(NamedTuple):
    """What fills a dropdown of the form."""

    key: str
    label: str
    handler: str


class Action(NamedTuple):
    """One action.

    `output` names the schema file of its data, None where it may be anything. `check` names the
    function that refuses what is wrong between good inputs, None where there is none.
    """

    key: str
    label: str
    description: str
    handler: str
    check: str | None
    output: str | None
    inputs: tuple[Input, ...]
    examples: tuple[Mapping[str, Any], ...]


class Manifest(NamedTuple):
    """All that a manifest declares. `raw` is the document itself, for form builders.

    `schemas` returns a shared schema by its path below `schemas/`.
    """

    key: str
    label: str
    description: str
    connections: Mapping[str, Connection]
    data_sources: Mapping[str, DataSource]
    actions: Mapping[str, Action]
    models: Mapping[str, facts.Model]
    policies: facts.Policies
    raw: Mapping[str, Any]
    schemas: Callable[[str], Mapping[str, Any]]


def load(path: Path) -> Manifest:
    """Read the manifest at `path` (its `schemas/` lies beside it).

    Raises ConnectorError `invalid_manifest` where it is not a manifest at all; `connector check`
    explains more.
    """
    raw = read(path)
    try:
        return parse(raw, SchemaFiles(path.parent / "schemas"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConnectorError(
            "invalid_manifest",
            f"{path.name} is not a connector manifest ({type(error).__name__}: {error})",
            hint=f"Run: connector check {path}",
        ) from None


def read(path: Path, lines: dict[str, int] | None = None) -> Any:
    """Return the document at `path`, YAML or JSON by its suffix, as plain data.

    `lines` is filled with the line of each JSON pointer of a YAML document.
    """
    try:
        text = resources.text(path)
        if path.suffix == ".json":
            found = jsontext.loads(text, unique=True)
        else:
            from connector import yamltext  # a compiled manifest never needs the YAML parser

            found = yamltext.loads(text, lines)
        jsontext.check_depth(found, _MAX_DEPTH)
        return found
    except OSError as error:
        raise ConnectorError(
            "invalid_manifest", f"{path} cannot be read: {error.strerror}"
        ) from None
    except ValueError as error:
        raise ConnectorError("invalid_manifest", f"{path.name}: {error}") from None


class SchemaFiles:
    """Reads the schema files of one folder, each once; never another file, never the network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Mapping[str, Any]] = {}

    def __call__(self, name: str) -> Mapping[str, Any]:
        if name not in self._read:
            path = self._folder / name
            if not path.resolve().is_relative_to(self._folder.resolve()):
                raise ConnectorError("invalid_manifest", f"{name!r} lies outside schemas/")
            found = read(path)
            if not isinstance(found, Mapping):
                raise ConnectorError("invalid_manifest", f"{name!r} is not a schema")
            self._read[name] = found
        return self._read[name]


def parse(raw: Mapping[str, Any], schemas: Callable[[str], Mapping[str, Any]]) -> Manifest:
    """Return the typed manifest of a document."""
    connections = tuple(_connection(item) for item in raw["connections"])
    sources = tuple(_source(item) for item in raw.get("dataSources", ()))
    actions = tuple(_action(item) for item in raw["actions"])
    return Manifest(
        key=raw["key"],
        label=raw["label"],
        description=raw["description"],
        connections=_by_key(connections),
        data_sources=_by_key(sources),
        actions=_by_key(actions),
        models={name: facts.model(item) for name, item in raw.get("models", {}).items()},
        policies=facts.policies(raw.get("policies", {})),
        raw=raw,
        schemas=schemas,
    )


def _by_key(items: tuple[Any, ...]) -> dict[str, Any]:
    result = {item.key: item for item in items}
    if len(result) != len(items):
        raise ValueError("two entries have the same key")
    return result


def _connection(raw: Mapping[str, Any]) -> Connection:
    return Connection(
        key=raw["key"],
        label=raw["label"],
        description=raw.get("description", ""),
        documentation=raw.get("documentation", ""),
        test=raw.get("test"),
        fields=tuple(_input(item) for item in raw["fields"]),
    )


def _source(raw: Mapping[str, Any]) -> DataSource:
    return DataSource(raw["key"], raw["label"], raw["handler"])


def _action(raw: Mapping[str, Any]) -> Action:
    return Action(
        key=raw["key"],
        label=raw["label"],
        description=raw["description"],
        handler=raw["handler"],
        check=raw.get("check"),
        output=raw.get("output"),
        inputs=tuple(_input(item) for item in raw["inputs"]),
        examples=tuple(raw.get("examples", ())),
    )


def _input(raw: Mapping[str, Any]) -> Input:
    return Input(
        key=raw["key"],
        label=raw["label"],
        comments=raw["comments"],
        schema=raw["schema"],
        control=raw.get("control", "text"),
        required=raw.get("required", False),
        default=raw.get("default", ABSENT),
        secret=raw.get("secret", False),
        advanced=raw.get("advanced", False),
        data_source=raw.get("dataSource"),
    )
