"""What Airflow asks of a provider: the types of its connections and their forms."""

from __future__ import annotations

import re
from typing import Any

from connector.files import resources
from connector.manifest import reader, schemas
from connector.manifest.model import Connection, Manifest
from connector.version import DISTRIBUTION

_PACKAGE = __name__.rpartition(".")[0]
_UNUSED = ["host", "port", "login", "password", "schema", "extra"]


def get_provider_info() -> dict[str, Any]:
    """Return the provider as Airflow describes one: a type for each kind of connection."""
    manifest = reader.load(resources.manifest())
    return {
        "package-name": DISTRIBUTION,
        "name": manifest.label,
        "description": manifest.description,
        "connection-types": [
            {
                "connection-type": name,
                "hook-class-name": f"{_PACKAGE}.hook.{hook_name(kind)}",
                "hook-name": label(manifest, kind),
                "ui-field-behaviour": {"hidden-fields": _UNUSED},
                "conn-fields": _form(manifest, kind),
            }
            for name, kind in connection_types(manifest).items()
        ],
    }


def connection_types(manifest: Manifest) -> dict[str, Connection]:
    """Return the kinds of connection by their names in Airflow, where `_` joins the words."""
    return {_words(f"{manifest.key}_{key}"): kind for key, kind in manifest.connections.items()}


def hook_name(kind: Connection) -> str:
    """Return the name of the hook of a kind of connection: `ApiKeyHook` of `apiKey`."""
    return f"{kind.key[0].upper()}{kind.key[1:]}Hook"


def label(manifest: Manifest, kind: Connection) -> str:
    """Return what a person chooses in Airflow's list of types."""
    return f"{manifest.label}: {kind.label}"


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|-", "_", name).lower()


def _form(manifest: Manifest, kind: Connection) -> dict[str, Any]:
    schema = schemas.object_schema(kind.label, kind.fields, manifest.schemas)
    required = schema["required"]
    return {name: _field(item, name in required) for name, item in schema["properties"].items()}


def _field(item: dict[str, Any], required: bool) -> dict[str, Any]:
    """Return a field of the form. Airflow demands a value unless its type may be null."""
    described = ("title", "description", "writeOnly")
    schema = {
        name: value
        for name, value in item.items()
        if name not in described and not name.startswith("x-")
    }
    if not required and "default" not in schema:
        schema["type"] = [schema["type"], "null"]
    return {"label": item["title"], "description": item["description"], "schema": schema}
