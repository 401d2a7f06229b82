"""The commands of the command line; `parser` defines their arguments, `terminal` prints."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from connector.doors import interrupts, parser
from connector.doors.preparation import (
    UsageError,
    bundled_connector,
    command_line_inputs,
    make_sandbox,
    mask_unless_known,
    prepare,
    system_reason,
    with_connection_hint,
)
from connector.doors.terminal import (
    OutputError,
    discard_output,
    escape_controls,
    print_json,
    print_message,
    print_result,
    print_warnings,
    progress,
)
from connector.errors import ConnectorError
from connector.files import resources
from connector.handlers import HANDLERS
from connector.result import Result


def run() -> int:
    """Run the command line as a process and return its exit code.

    Imported modules live until the exit. Searching them for garbage, repeatedly and once more at
    the exit, would take a fifth of the time of a cold call, so the collector runs rarely.
    """
    gc.set_threshold(50_000, 20, 20)
    try:
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
        return _COMMANDS[arguments.command](arguments)
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
    return print_result(_failed(error, arguments))


def _failed(error: ConnectorError, arguments: argparse.Namespace) -> Result:
    """Return the result of a command that failed before its action started."""
    meta: dict[str, object] = {
        "action": getattr(arguments, "known", None),
        "provider": None,
        "attempts": 0,
        "durationMs": 0,
        "requestId": None,
        "usage": None,
        "warnings": [],
    }
    return Result(None, error, meta)


def _invoke(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, payload_inputs, connection):
        inputs = {**payload_inputs, **command_line_inputs(arguments, connector)}
        if connection is not None:
            inputs.pop("connection", None)
        result = connector.invoke(
            arguments.known,
            inputs,
            connection,
            dry_run=arguments.dry_run,
            output=arguments.output,
            progress=progress if sys.stderr is not None and sys.stderr.isatty() else None,
        )
        return print_result(with_connection_hint(result, connection, arguments))


def _test(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, _, connection):
        result = connector.test_connection(connection)
        for name, verdict in (result.data or {}).items():
            print_message(f"{name}: {verdict['verdict']} ({verdict['message']})")
        return print_result(with_connection_hint(result, connection, arguments))


def _options(arguments: argparse.Namespace) -> int:
    with prepare(arguments) as (connector, _, connection):
        source = mask_unless_known(arguments.source, connector.manifest.data_sources)
        result = connector.options(source, connection)
        if not result.ok:
            return print_result(with_connection_hint(result, connection, arguments))
        print_json(result.data)
        print_warnings(result)
        return 0


def _serve_sandbox(arguments: argparse.Namespace) -> int:
    def show(method: str, path: str, status: int) -> None:
        print_message(f"{status} {method} {path}")

    connector = bundled_connector()
    try:
        sandbox = make_sandbox(connector, arguments.port, show)
        sandbox.start()
    except OSError as error:
        raise UsageError(f"port {arguments.port}: {error.strerror}") from None
    print(f"The offline provider listens on {sandbox.url} (press Ctrl-C to stop it).")
    for kind in sandbox.kinds:
        print(f"\n# a connection to it of the kind {kind}")
        print_json(sandbox.connection(kind))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        sandbox.serve_forever()
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    print_json(bundled_connector().describe())
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    connector = bundled_connector()
    print_json(
        connector.schema(
            mask_unless_known(arguments.name, ["connection", *connector.manifest.actions])
        )
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from connector.check.report import check

    path = arguments.manifest or resources.root() / "connector.yaml"
    if arguments.manifest and not os.path.isfile(path):
        raise UsageError("MANIFEST: no such file")
    # A user's own handlers are in the working directory, which an installed script does not search.
    before = [*sys.path]
    if arguments.handlers != HANDLERS:
        sys.path.insert(0, "")
    try:
        if not _is_package(arguments.handlers):
            raise UsageError("--handlers: no such package")
        problems = check(path, arguments.handlers)
    finally:
        sys.path[:] = before
    for text in problems:
        print_message(text)
    if problems:
        print_message(f"{len(problems)} problem{'s' * (len(problems) > 1)} found.")
        return 1
    print(f"{escape_controls(path.name)}: no problems found.")
    return 0


def _is_package(name: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except ValueError:  # an empty name
        return False


def _docs(arguments: argparse.Namespace) -> int:
    from connector.doors import page

    connector = bundled_connector()
    text = page.render(connector)
    path = Path("docs") / f"{connector.manifest.key}.md"
    if arguments.check:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            print(f"{path} is current.")
            return 0
        print_message(f"{path} is not current; run: connector docs")
        return 1
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(system_reason(error)) from None
    print(f"{path} written.")
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "invoke": _invoke,
    "describe": _describe,
    "schema": _schema,
    "test-connection": _test,
    "options": _options,
    "check": _check,
    "docs": _docs,
    "sandbox": _serve_sandbox,
}
