"""An answer while it is written: text on a terminal, one event a line in a pipe."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from connector.connector import Connector
from connector.doors.cli.terminal import is_terminal, print_event, print_piece
from connector.result import Result
from connector.stream import Stream


def stream(
    connector: Connector, arguments: argparse.Namespace, inputs: Any, connection: Any
) -> Result:
    """Print the events of a call as they come, and return its result.

    Interrupted, it returns the result that the interrupt left.
    """
    call = connector.stream(arguments.known, inputs, connection)
    show = _on_terminal if is_terminal() and not arguments.json else _in_pipe
    if arguments.show is not None:
        show = _nothing
    with contextlib.suppress(KeyboardInterrupt), call:
        show(call)
    return call.result


def _nothing(call: Stream) -> None:
    """Read the events; only a value of the result will be printed."""
    for _ in call:
        pass


def _in_pipe(call: Stream) -> None:
    for event in call:
        print_event(event)


def _on_terminal(call: Stream) -> None:
    """Print texts; where another choice goes on, say which one."""
    index = 0
    begun = False
    for event in call:
        if event["index"] != index:
            index = event["index"]
            print_piece(f"\n\n[{index + 1}] " if begun else f"[{index + 1}] ")
        if event["type"] == "toolCall":
            print_event(event["call"])
        else:
            print_piece(event["text"])
        begun = True
    if begun:
        print_piece("\n")
