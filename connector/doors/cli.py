"""The commands of the command line: `parser` has its words, `terminal` prints."""

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
    Usage,
    advised,
    bundled,
    given_inputs,
    known_or_masked,
    new_sandbox,
    prepared,
    reason,
)
from connector.doors.terminal import (
    Unwritable,
    abandon_output,
    print_json,
    print_result,
    progress,
    tell,
    tell_warnings,
    visible,
)
from connector.errors import ConnectorError
from connector.files import resources
from connector.handlers import HANDLERS
from connector.result import Result


def run() -> int:
    """Run the command of this process, which then ends.

    What is imported lives to the end: looking through it for garbage, again and again and once
    more at the exit, would take a fifth of a cold call.
    """
    gc.set_threshold(50_000, 20, 20)
    try:
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left to interrupt
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (`ok: false`), 2 (usage), 130."""
    arguments = parser.parse(sys.argv[1:] if argv is None else argv)
    with interrupts.terminable():
        try:
            return _run(arguments)
        except BrokenPipeError:
            # The reader of the output has gone: nobody is left to tell.
            abandon_output()
        except Unwritable as error:
            abandon_output()
            tell(f"connector: the output cannot be written: {error}")
        return 1


def _run(arguments: argparse.Namespace) -> int:
    try:
        return _COMMANDS[arguments.command](arguments)
    except ConnectorError as found:
        error = found
    except Usage as wrong:
        tell(f"connector: {wrong}")
        return 2
    except KeyboardInterrupt:
        error = ConnectorError("cancelled", "The command was interrupted.")
    except BrokenPipeError:
        raise
    except (OSError, ImportError) as refusal:  # such as: no more files may be opened
        error = ConnectorError("internal_error", f"The command cannot go on ({reason(refusal)}).")
    return print_result(_failed(error, arguments))


def _failed(error: ConnectorError, arguments: argparse.Namespace) -> Result:
    """Return the envelope of a command that failed before its action began."""
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
    with prepared(arguments) as (connector, payload, connection):
        inputs = payload.get("inputs")
        inputs = {} if inputs is None else inputs
        if isinstance(inputs, dict):
            inputs = {**inputs, **given_inputs(arguments, connector)}
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
        return print_result(advised(result, connection, arguments))


def _test(arguments: argparse.Namespace) -> int:
    with prepared(arguments) as (connector, _, connection):
        result = connector.test_connection(connection)
        for name, verdict in (result.data or {}).items():
            tell(f"{name}: {verdict['verdict']} ({verdict['message']})")
        return print_result(advised(result, connection, arguments))


def _options(arguments: argparse.Namespace) -> int:
    with prepared(arguments) as (connector, _, connection):
        source = known_or_masked(arguments.source, connector.manifest.data_sources)
        result = connector.options(source, connection)
        if not result.ok:
            return print_result(advised(result, connection, arguments))
        print_json(result.data)
        tell_warnings(result)
        return 0


def _serve_sandbox(arguments: argparse.Namespace) -> int:
    def show(method: str, path: str, status: int) -> None:
        tell(f"{status} {method} {path}")

    connector = bundled()
    try:
        sandbox = new_sandbox(connector, arguments.port, show)
        sandbox.start()
    except OSError as error:
        raise Usage(f"port {arguments.port}: {error.strerror}") from None
    print(f"The offline provider listens on {sandbox.url} (Ctrl-C ends it).")
    for kind in sandbox.kinds:
        print(f"\n# a connection for it, as {kind}")
        print_json(sandbox.connection(kind))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        sandbox.serve_forever()
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    print_json(bundled().describe())
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    connector = bundled()
    print_json(
        connector.schema(
            known_or_masked(arguments.name, ["connection", *connector.manifest.actions])
        )
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from connector.check.report import check

    path = arguments.manifest or resources.root() / "connector.yaml"
    if arguments.manifest and not os.path.isfile(path):
        raise Usage("MANIFEST: there is no such file")
    # The handlers of one's own lie in the working directory, which an installed script leaves out.
    before = [*sys.path]
    if arguments.handlers != HANDLERS:
        sys.path.insert(0, "")
    try:
        if not _is_package(arguments.handlers):
            raise Usage("--handlers: there is no such package")
        problems = check(path, arguments.handlers)
    finally:
        sys.path[:] = before
    for text in problems:
        tell(text)
    if problems:
        tell(f"{len(problems)} problem{'s' * (len(problems) > 1)} found.")
        return 1
    print(f"{visible(path.name)}: all is well.")
    return 0


def _is_package(name: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except ValueError:  # an empty name
        return False


def _docs(arguments: argparse.Namespace) -> int:
    from connector.doors import page

    connector = bundled()
    text = page.render(connector)
    path = Path("docs") / f"{connector.manifest.key}.md"
    if arguments.check:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            print(f"{path} is current.")
            return 0
        tell(f"{path} is not current; run: connector docs")
        return 1
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unwritable(reason(error)) from None
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
