"""The hooks: a connection of Airflow as one of the connector."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from connector.connector import Connector
from connector.doors.airflow import provider
from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.result import Result
from connector.version import DISTRIBUTION

try:
    from airflow.sdk import BaseHook
    from airflow.sdk.log import mask_secret
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"Airflow is missing: pip install '{DISTRIBUTION}[airflow]'", name=error.name
    ) from None


@functools.cache
def connector() -> Connector:
    """Return the connector of this process."""
    return Connector.load()


class ConnectorHook(BaseHook):
    """Runs actions with a connection of Airflow, whichever of our types it has."""

    conn_name_attr = "conn_id"
    default_conn_name = f"{connector().manifest.key}_default".replace("-", "_")

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> dict[str, Any]:
        """Return the connection as `Connector.invoke` takes it. It holds the key.

        Raises ConnectorError `invalid_connection` if it has a type of another provider.
        """
        found = self.get_connection(self.conn_id)
        types = provider.connection_types(connector().manifest)
        if found.conn_type not in types:
            row = problem("/connection", f"must have one of the types {', '.join(types)}")
            raise error_of("invalid_connection", [row])
        kind, fields = types[found.conn_type], found.extra_dejson
        for item in kind.fields:
            if item.secret:
                mask_secret(fields.get(item.key))
        return {"key": kind.key, "fields": fields}

    def invoke(
        self, action: str, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> Result:
        """Run an action and return its result; `options` are those of `Connector.invoke`.

        Raises ConnectorError `invalid_connection` as `get_conn` does.
        """
        return connector().invoke(action, inputs, self.get_conn(), **options)

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and what to tell the user. It is not billed."""
        try:
            connection = self.get_conn()
        except ConnectorError as error:
            return False, str(error)
        result = connector().test_connection(connection)
        if result.error is not None:
            return False, _told(result.error)
        return True, "The connection works."


def _told(error: ConnectorError) -> str:
    rows = [f"{row.get('input') or row['path']} {row['message']}" for row in error.details or ()]
    return "\n".join([*(rows or [str(error)]), error.hint or ""]).strip()


def _hook_of(name: str, kind: Any) -> type[ConnectorHook]:
    """Return the hook of a type: Airflow wants a class for each."""
    shown = provider.label(connector().manifest, kind)
    return type(provider.hook_name(kind), (ConnectorHook,), {"conn_type": name, "hook_name": shown})


for _name, _kind in provider.connection_types(connector().manifest).items():
    globals()[provider.hook_name(_kind)] = _hook_of(_name, _kind)
