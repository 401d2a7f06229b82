"""`--query`: prints one value of a result, chosen by a JMESPath expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from connector.doors.cli.terminal import print_json, print_message, print_text
from connector.doors.cli.values import UsageError
from connector.version import DISTRIBUTION

Query = Callable[[Mapping[str, Any]], None]
"""Prints the selected value of an envelope."""


def compiled(expression: str) -> Query:
    """Return what prints the value of an expression.

    Raises:
        UsageError: the expression is wrong, or the extra is not installed. The message does not
            quote the expression, which may be a misplaced key.
    """
    try:
        import jmespath
    except ModuleNotFoundError:
        raise UsageError(
            f"--query needs the extra 'cli': pip install '{DISTRIBUTION}[cli]'"
        ) from None
    try:
        parsed = jmespath.compile(expression)
    except (ValueError, RecursionError) as error:
        position = getattr(error, "lex_position", None)
        where = "" if position is None else f"; look at character {position + 1}"
        raise UsageError(f"--query: this is not a JMESPath expression{where}") from None
    _check_functions(parsed.parsed)
    return partial(_print, parsed)


def _check_functions(node: Any) -> None:
    """Raise UsageError for a wrong call of a function: a search finds it, which is too late."""
    from jmespath.functions import Functions

    if not isinstance(node, Mapping):  # a part of a slice
        return
    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE
        if node["value"] not in known:
            raise UsageError(f"--query: no such function; there are {', '.join(sorted(known))}")
        takes, given = known[node["value"]]["signature"], len(node["children"])
        is_variadic = bool(takes[-1].get("variadic"))
        if given < len(takes) or (given > len(takes) and not is_variadic):
            least = "at least " * is_variadic
            raise UsageError(f"--query: {node['value']}() takes {least}{len(takes)} arguments")
    for child in node["children"]:
        _check_functions(child)


def _print(parsed: Any, envelope: Mapping[str, Any]) -> None:
    try:
        value = parsed.search(envelope)
    except ValueError as error:
        # Its message quotes the value.
        name = getattr(error, "function_name", None)
        what = f"{name}() cannot take the value that it is given" if name else "no value"
        print_message(f"connector: --query: {what}")
        return
    if value is None:
        if envelope["ok"]:  # else the error says why
            print_message("connector: --query: the result has no such value")
    elif isinstance(value, str):
        print_text(value)
    else:
        print_json(value)
