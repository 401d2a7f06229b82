"""Finds the functions that a manifest names: of actions, connections and data sources."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from connector.errors import ConnectorError

HANDLERS = "connector.actions"
"""The package of the functions that the bundled manifest names."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")


class Handlers:
    """The functions in one package and the packages inside it, each looked up once.

    Nothing outside the package is imported or returned.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._found: dict[str, Callable[..., Any] | ConnectorError] = {}

    def find(self, name: str) -> Callable[..., Any]:
        """Return the function of this name in the package, such as `chat.create`.

        Raises ConnectorError `invalid_manifest` if there is none, or its module cannot be imported.
        """
        found = self._found.get(name)
        if found is None:
            try:
                found = self._find(name)
            except ConnectorError as error:
                found = error.with_traceback(None)
            self._found[name] = found
        if isinstance(found, ConnectorError):
            raise ConnectorError(found.code, found.message)
        return found

    def _find(self, name: str) -> Callable[..., Any]:
        module, _, function = name.rpartition(".")
        found: Any = None
        if _NAME.match(name):
            found = getattr(self._module(f"{self._package}.{module}"), function, None)
        home = str(getattr(found, "__module__", ""))
        if not callable(found) or not f"{home}.".startswith(f"{self._package}."):
            raise ConnectorError(
                "invalid_manifest", f"There is no handler {name!r} in {self._package}."
            )
        handler: Callable[..., Any] = found
        return handler

    def _module(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if f"{name}.".startswith(f"{error.name}."):
                return None
            reason = f"needs {error.name}, which is not installed"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an import may raise anything
            reason = f"cannot be imported ({type(error).__name__}: {error})"
        raise ConnectorError("invalid_manifest", f"The handlers' module {name} {reason}.")
