"""Finds the functions that a manifest names: of actions, connections and data sources."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.runtime import debugging

HANDLERS = "connector.actions"
"""The package of the functions that the bundled manifest names."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\Z")


class Handlers:
    """The functions in one package and the packages inside it, each looked up once.

    No module outside the package is looked into. A function that comes from elsewhere counts if the
    module re-exports it: if `__all__` lists it.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._found: dict[str, Callable[..., Any] | ConnectorError] = {}

    def find(self, name: str) -> Callable[..., Any]:
        """Return the function of this name in the package, such as `chat.create`. A name without a
        module is one of the package's own `__init__`.

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
            raise ConnectorError(found.code, found.message, details=found.details)
        return found

    def _find(self, name: str) -> Callable[..., Any]:
        path, _, function = name.rpartition(".")
        where = f"{self._package}.{path}".rstrip(".")
        module = self._module(where) if _NAME.match(name) else None
        found: Any = getattr(module, function, None)
        hint = ""
        if callable(found) and not self._is_offered(function, found, module):
            hint = f": {where} only imports it; list it in __all__ there"
        if not callable(found) or hint:
            raise ConnectorError(
                "invalid_manifest", f"There is no handler {name!r} in {self._package}{hint}."
            )
        handler: Callable[..., Any] = found
        return handler

    def _is_offered(self, name: str, function: Callable[..., Any], module: Any) -> bool:
        """Whether a function is the package's own, or one that its module re-exports."""
        home = f"{getattr(function, '__module__', '')}."
        return home.startswith(f"{self._package}.") or name in getattr(module, "__all__", ())

    def _missing(self) -> dict[str, str]:
        fix = "install it, or name the package that holds the functions"
        return problem("/handlers", f"there is no package {self._package}; {fix}")

    def _module(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if f"{self._package}.".startswith(f"{error.name}."):
                raise error_of("invalid_manifest", [self._missing()]) from None
            if f"{name}.".startswith(f"{error.name}."):
                return None
            reason = f"needs {error.name}, which is not installed"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an import may raise anything
            debugging.show(error, str)  # no connection is known yet
            reason = f"cannot be imported ({type(error).__name__}: {error})"
        raise ConnectorError("invalid_manifest", f"The handlers' module {name} {reason}.")
