"""Runs the command line: parses it, calls the command's function, prints what failed."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from connector.doors.cli import interrupts, manifest_option, parser
from connector.doors.cli.results import print_result
from connector.doors.cli.terminal import OutputError, discard_output, print_message
from connector.doors.cli.values import UsageError, system_reason
from connector.errors import ConnectorError
from connector.result import failed

_COMMANDS = {
    "actions": ("listing", "actions"),
    "invoke": ("actions", "invoke"),
    "test-connection": ("actions", "test_connection"),
    "options": ("actions", "options"),
    "describe": ("manifest", "describe"),
    "schema": ("manifest", "schema"),
    "check": ("manifest", "check"),
    "docs": ("manifest", "docs"),
    "new": ("authoring", "new"),
    "connections": ("connections", "run"),
    "sandbox": ("sandbox", "serve"),
    "serve": ("serve", "serve"),
    "mcp": ("mcp", "mcp"),
    "bulk": ("bulk", "bulk"),
    "export": ("export", "export"),
    "worker": ("worker", "worker"),
    "completion": ("completion", "script"),
}
"""The module and the function of each command."""


def run() -> int:
    """Run the command line as a process and return its exit code.

    Imported modules live until the exit. Searching them for garbage, repeatedly and once more at
    the exit, would take a fifth of the time of a cold call, so the collector runs rarely.
    """
    gc.set_threshold(50_000, 20, 20)
    try:
        if "_ARGCOMPLETE" in os.environ:  # the shell asks how the command line may go on
            from connector.doors.cli import completion

            completion.complete()
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: success. 1: the result has `ok: false`. 2: the command line is wrong. 130: interrupted.
    """
    arguments = parser.parse(sys.argv[1:] if argv is None else argv)
    with interrupts.handle_signals():
        try:
            return _run(arguments)
        except BrokenPipeError:
            # Nobody reads the output any more, so there is nothing to say.
            discard_output()
        except OutputError as error:
            discard_output()
            print_message(f"connector: the output cannot be written: {error}")
        return 1


def _run(arguments: argparse.Namespace) -> int:
    try:
        module, function = _COMMANDS[arguments.command]
        # Imported late: the start of a command imports the modules of its own group only.
        group = importlib.import_module(f"connector.doors.cli.{module}")
        with manifest_option.import_path(arguments):
            return int(getattr(group, function)(arguments))
    except ConnectorError as found:
        error = found
    except UsageError as usage:
        print_message(f"connector: {usage}")
        return 2
    except KeyboardInterrupt:
        error = ConnectorError("cancelled", "The command was interrupted.")
    except BrokenPipeError:
        raise
    except (OSError, ImportError) as cause:  # for example, the limit of open files is reached
        error = ConnectorError("internal_error", f"The command failed ({system_reason(cause)}).")
    return print_result(failed(error, getattr(arguments, "known", None)), arguments)
