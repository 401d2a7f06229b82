"""Reads `connector.yaml` and its schema files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from connector.errors import ConnectorError
from connector.files import resources
from connector.manifest.model import ABSENT, Action, Connection, DataSource, Input, Manifest
from connector.policy import limits
from connector.providers import models, prices
from connector.providers.prices import Prices
from connector.text import strict_json

PRICES = "CONNECTOR_PRICES"
"""The environment variable that names the operator's file of prices."""

_MAX_DEPTH = 50
"""Deeper nesting is refused, because the functions that read and check schemas are recursive."""


def load(path: Path) -> Manifest:
    """Return the manifest at `path`, with `schemas/` in the same folder.

    Raises ConnectorError `invalid_manifest` if it is not a manifest. The package `check` checks the
    rest.
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

    `lines` is filled with the line of each JSON pointer of a YAML document. Raises ConnectorError
    `invalid_manifest`.
    """
    try:
        text = resources.text(path)
        if path.suffix == ".json":
            found = strict_json.loads(text, unique=True)
        else:
            from connector.text import safe_yaml  # a manifest in JSON needs no YAML parser

            found = safe_yaml.loads(text, lines)
        strict_json.check_depth(found, _MAX_DEPTH)
        return found
    except OSError as error:
        raise ConnectorError(
            "invalid_manifest", f"{path} cannot be read: {error.strerror}"
        ) from None
    except ValueError as error:
        raise ConnectorError("invalid_manifest", f"{path.name}: {error}") from None


def with_own_prices(manifest: Manifest) -> Manifest:
    """Return a manifest with the operator's prices, from the file that CONNECTOR_PRICES names.

    Raises ConnectorError `invalid_manifest` if it cannot be used.
    """
    name = os.environ.get(PRICES)
    if not name:
        return manifest
    try:
        own = prices.parse(read(Path(name)))
    except ValueError as error:
        raise ConnectorError(
            "invalid_manifest", f"{PRICES}: {error}", hint="See docs/costs.md for the file."
        ) from None
    return manifest._replace(prices=manifest.prices._replace(own=own))


class SchemaFiles:
    """Reads the schema files of one folder, each once, and no other file.

    Raises ConnectorError `invalid_manifest` for a file that is elsewhere or not a schema.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Mapping[str, Any]] = {}

    def __call__(self, name: str) -> Mapping[str, Any]:
        if name not in self._read:
            path = self._folder / name
            if not path.resolve().is_relative_to(self._folder.resolve()):
                raise ConnectorError("invalid_manifest", f"{name!r} is outside schemas/")
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
        version=raw.get("version"),
        handlers=raw.get("handlers"),
        label=raw["label"],
        description=raw["description"],
        connections=_by_key(connections),
        data_sources=_by_key(sources),
        actions=_by_key(actions),
        models={name: models.model(item) for name, item in raw.get("models", {}).items()},
        policies=limits.policies(raw.get("policies", {})),
        raw=raw,
        schemas=schemas,
        prices=Prices(prices.parse(raw.get("prices", {}))),
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
        handler=raw.get("handler"),
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
        streams=raw.get("streams", False),
        providers=tuple(raw.get("providers", ())),
        instead=raw.get("instead"),
        operation=raw.get("operation"),
        output=raw.get("output"),
        inputs=tuple(_input(item) for item in raw["inputs"]),
        examples=tuple(raw.get("examples", ())),
        output_path=raw.get("outputPath"),
        output_examples=tuple(raw.get("outputExamples", ())),
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
        operator_only=raw.get("operatorOnly", False),
        data_source=raw.get("dataSource"),
        example=raw.get("example", ABSENT),
    )
