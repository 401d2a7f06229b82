"""Makes files for other tools from the manifest: OpenAPI documents, connectors, nodes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.connector import Connector

_MODULES = {"openapi": "swagger", "node-red": "node_red", "power-platform": "power_platform"}

TARGETS = tuple(_MODULES)
"""What can be exported."""


def files(connector: Connector, target: str) -> Mapping[str, bytes]:
    """Return the content of each file, by its path with forward slashes.

    Raises ModuleNotFoundError if the target needs a package that is not installed.
    """
    # Imported late: the command line asks for the names only.
    module = import_module(f"connector.doors.export.{_MODULES[target]}")
    made: Mapping[str, bytes] = module.files(connector)
    return made
