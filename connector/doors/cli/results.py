"""Prints a result: for a person on a terminal, otherwise as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any

from connector.doors.cli.diagnostics import print_diagnostics
from connector.doors.cli.screen import Screen
from connector.doors.cli.terminal import is_terminal, print_event, print_json, print_lines
from connector.result import Result

View = Callable[[Result, Screen], Iterable[str]]
"""Returns the lines of a result's data, as a person reads them."""


def print_result(
    result: Result,
    arguments: argparse.Namespace,
    view: View | None = None,
    value: Callable[[Result], Any] = Result.to_dict,
    line: bool = False,
) -> int:
    """Print a result, and its warnings and error on standard error; return the exit code.

    With --query its value is printed. On a terminal and without --json, `view` makes what is
    printed, otherwise `value`, on a single `line` where that ends a list of events.
    """
    query = getattr(arguments, "show", None)
    for_person = is_terminal() and query is None and not getattr(arguments, "json", False)
    if query is not None:
        query(result.to_dict())
    elif not for_person:
        (print_event if line else print_json)(value(result))
    elif view is not None and (result.ok or result.data is not None):
        lines = [*view(result, Screen(sys.stdout))]
        print_lines(lines, end="\n" if lines else "")
    print_diagnostics(result, for_person)
    if result.error is None:
        return 0
    return 130 if result.error.code == "cancelled" else 1
