"""Prefect's blocks: one for each kind of connection, with the manifest's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, create_model

from connector.connector import Connector
from connector.manifest.model import ABSENT, Connection, Input
from connector.text.markdown import plain

_TYPES: dict[str, Any] = {"boolean": bool, "integer": int, "number": float, "string": str}


class _Configured:
    """What a block can do beside holding its fields."""

    _connector: Connector
    _kind: Connection

    def connection(self) -> dict[str, Any]:
        """Return the connection with its key, as `Connector.invoke` takes it."""
        values = {field.key: getattr(self, field.key) for field in self._kind.fields}
        return {
            "key": self._kind.key,
            "fields": {
                key: value.get_secret_value() if isinstance(value, SecretStr) else value
                for key, value in values.items()
                if value is not None
            },
        }

    def test(self) -> Any:
        """Test the connection without being billed, and return a verdict on each of its parts.

        Raises ConnectorError if it does not work.
        """
        result = self._connector.test_connection(self.connection())
        if result.error is not None:
            raise result.error
        return result.data


@cache
def loaded(load: Callable[[], Connector]) -> Connector:
    """Return what `load` returns, once in each process: Prefect sends tasks to others."""
    return load()


@cache
def blocks(load: Callable[[], Connector] = Connector.load) -> dict[str, type[Block]]:
    """Return the class of a block for each kind of connection, by the kind's key.

    `load` returns the connector. It gets the same classes each time, because Prefect knows one
    class for each type.
    """
    connector = loaded(load)
    return {kind.key: _block(connector, kind) for kind in connector.manifest.connections.values()}


def _block(connector: Connector, kind: Connection) -> type[Block]:
    # Prefect reads these while it makes the class.
    facts = {
        "_connector": connector,
        "_kind": kind,
        "_block_type_name": f"{connector.manifest.label} ({kind.label})",
        "_block_type_slug": f"{connector.manifest.key}-{kind.key}",
        "_description": kind.description,
    }
    base = type("Configured", (_Configured,), facts)
    fields: dict[str, Any] = {field.key: _field(field) for field in kind.fields}
    made: type[Block] = create_model(
        f"{kind.key[:1].upper()}{kind.key[1:]}Connection",
        __base__=(base, Block),
        __module__=__name__,
        **fields,
    )
    return made


def _field(field: Input) -> tuple[Any, Any]:
    choices = field.schema.get("enum")
    type_: Any = Literal[tuple(choices)] if choices else _TYPES[field.schema.get("type", "string")]
    if field.secret:
        type_ = SecretStr
    default: Any = field.default
    if default is ABSENT and field.required:
        default = ...
    elif default is ABSENT:
        type_, default = type_ | None, None
    return type_, Field(default, title=field.label, description=plain(field.comments))
