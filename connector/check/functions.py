"""Checks the functions that a manifest names: their parameters, and that each input is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connector.check.reading import unread
from connector.errors import ConnectorError
from connector.handlers import Handlers
from connector.problems import problem

Rows = Iterator[dict[str, str]]

ACTION = ("inputs", "client")
CHECK = ("inputs", "bad")
KIND = ("fields", "tokens")
SOURCE = ("client",)
"""The parameters of each kind of function: of an action, of its check, of a kind of connection; of
a data source, and of a connection's test."""


def function(name: str | None, at: str, handlers: Handlers, wanted: tuple[str, ...]) -> Rows:
    """Yield what is wrong with the function at the pointer `at`; None names no function."""
    if name is None:
        return
    try:
        fault = _fault(handlers.find(name), name, wanted)
    except ConnectorError as error:
        fault = error.message
        if error.details:  # not of this function, but of the package
            yield from map(dict, error.details)
            return
    if fault is not None:
        yield problem(at, fault)


def _fault(found: Callable[..., Any], name: str, wanted: tuple[str, ...]) -> str | None:
    """Return why a function cannot be called with `wanted`, None where it can."""
    right = f"write: def {name.rpartition('.')[2]}({', '.join(wanted)})"
    if inspect.iscoroutinefunction(found):
        return f"{name} is async, but handlers are called from threads; {right}"
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # a function that is not written in Python
        return None
    names = list(signature.parameters)
    try:
        signature.bind(*wanted)
        fits = True
    except TypeError:
        fits = False
    swapped = any(
        name in wanted and wanted.index(name) != index for index, name in enumerate(names)
    )
    return None if fits and not swapped else f"{name} takes ({', '.join(names)}); {right}"


def unread_inputs(action: Mapping[str, Any], at: str, handlers: Handlers) -> Rows:
    """Yield the inputs of an action, as the manifest has it, that its functions do not read."""
    try:
        names = [action["handler"], *([action["check"]] if "check" in action else [])]
        functions = [handlers.find(name) for name in names]
    except ConnectorError:
        return  # reported by `function`
    keys = [item["key"] for item in action["inputs"]]
    for key in unread(functions, keys):
        text = f'{names[0]} does not read this input; use inputs["{key}"], or remove the input'
        yield problem(f"{at}/inputs/{keys.index(key)}/key", text)
