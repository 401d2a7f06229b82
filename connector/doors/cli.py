"""The command line: envelopes and JSON on standard output, sentences on standard error."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from connector import jsontext, manifest, resources
from connector.connector import HANDLERS, Connector
from connector.doors import interrupts, parser
from connector.errors import ConnectorError, problem, refused
from connector.result import Result
from connector.validation import nearest
from connector.version import DISTRIBUTION

_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0))}
_PARTS = ("connection", "inputs")


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
            return _COMMANDS[arguments.command](arguments)
        except ConnectorError as error:
            return _print_result(_failed(error, arguments))
        except _Usage as wrong:
            _tell(f"connector: {wrong}")
            return 2
        except KeyboardInterrupt:
            stopped = ConnectorError("cancelled", "The command was interrupted.")
            return _print_result(_failed(stopped, arguments))
        except BrokenPipeError:
            # The reader of the output has gone: nobody is left to tell.
            _abandon_output()
            return 1
        except OSError as error:
            _abandon_output()
            _tell(f"connector: the output cannot be written: {error.strerror}")
            return 1


class _Usage(Exception):
    """The command line itself is wrong."""


def _tell(text: str) -> None:
    """Print one line on standard error.

    Control characters are shown, not sent: what a server says forges no line and moves no cursor.
    """
    if sys.stderr is not None:  # None is what `print` takes for standard output
        print(text.translate(_ESCAPES), file=sys.stderr, flush=True)


def _abandon_output() -> None:
    """Let what is still buffered go nowhere, or the exit of the process would try it again."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: ConnectorError, arguments: argparse.Namespace) -> Result:
    """Return the envelope of a command that failed before its action began."""
    meta: dict[str, object] = {
        "action": getattr(arguments, "action", None),
        "provider": None,
        "attempts": 0,
        "durationMs": 0,
        "requestId": None,
        "usage": None,
        "warnings": [],
    }
    return Result(None, error, meta)


def _connector(connections: Path | None = None) -> Connector:
    """Return the bundled connector; `Connector.load` would import what most commands never need."""
    return Connector(manifest.load(resources.manifest()), configured=connections)


def _invoke(arguments: argparse.Namespace) -> int:
    with _prepared(arguments) as (connector, payload, connection):
        inputs = payload.get("inputs")
        inputs = {} if inputs is None else inputs
        if isinstance(inputs, dict):
            inputs = {**inputs, **dict(arguments.input)}
            if connection is not None:
                inputs.pop("connection", None)
        result = connector.invoke(
            arguments.action,
            inputs,
            connection,
            dry_run=arguments.dry_run,
            output=arguments.output,
            progress=_progress if sys.stderr is not None and sys.stderr.isatty() else None,
        )
        return _print_result(_advised(result, connection, arguments))


def _test(arguments: argparse.Namespace) -> int:
    with _prepared(arguments) as (connector, _, connection):
        result = connector.test_connection(connection)
        for name, verdict in (result.data or {}).items():
            _tell(f"{name}: {verdict['verdict']} ({verdict['message']})")
        return _print_result(_advised(result, connection, arguments))


def _options(arguments: argparse.Namespace) -> int:
    with _prepared(arguments) as (connector, _, connection):
        result = connector.options(arguments.source, connection)
        if not result.ok:
            return _print_result(_advised(result, connection, arguments))
        _print_json(result.data)
        for warning in result.meta["warnings"]:
            _tell(f"warning: {warning}")
        return 0


@contextlib.contextmanager
def _prepared(arguments: argparse.Namespace) -> Iterator[tuple[Connector, dict[str, Any], Any]]:
    """Yield the connector, the payload, and the connection: the sandbox's, the payload's, or
    the environment's."""
    payload = _payload(arguments.payload)
    connector = _connector(arguments.connections)
    connection = payload.get("connection")
    if connection is None and not _names_connection(arguments):
        inputs = payload.get("inputs")
        connection = inputs.get("connection") if isinstance(inputs, dict) else None
        if connection is None and not arguments.sandbox:
            connection = _from_environment()
    with contextlib.ExitStack() as stack:
        if arguments.sandbox:
            sandbox = stack.enter_context(_sandbox(connector, 0))
            try:
                connection = sandbox.connection(arguments.sandbox)
            except ValueError as error:
                raise _Usage(f"--sandbox: {error}") from None
        stack.callback(connector.close)
        yield connector, payload, connection


def _names_connection(arguments: argparse.Namespace) -> bool:
    return "connection" in dict(getattr(arguments, "input", ()))


def _from_environment() -> dict[str, Any] | None:
    """Return the environment's connection; say which key it has where there are several."""
    from connector.transport.providers import from_environment

    found = from_environment(os.environ)
    keys = [name for name, value in os.environ.items() if from_environment({name: value})]
    if len(keys) > 1:
        # The one without which the connection would be another.
        (used,) = (
            key
            for key in keys
            if from_environment({k: v for k, v in os.environ.items() if k != key}) != found
        )
        others = " and ".join(sorted({*keys} - {used}))
        _tell(f"warning: the key of {used} is used; {others} is set too and is not used")
    return found


def _advised(result: Result, connection: Any, arguments: argparse.Namespace) -> Result:
    """Where there was no connection at all, say where the command line looks for one."""
    error = result.error
    missing = connection is None and not _names_connection(arguments)
    if missing and error is not None and error.code == "invalid_connection":
        error.hint = parser.connection_hint()
    return result


def _payload(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise _Usage(f"--payload {source}: {error.strerror}") from None
    try:
        payload = jsontext.loads(text, unique=True)
    except ValueError as error:
        raise ConnectorError(
            "invalid_payload", f"The payload is not strict JSON: {error}."
        ) from None
    if not isinstance(payload, dict):
        raise ConnectorError("invalid_payload", "The payload is not a JSON object.")
    unknown = [name[:60] for name in payload if name not in _PARTS]
    if unknown:
        rows = [problem(f"/{n}", f"is not known here{nearest(n, _PARTS)}") for n in unknown]
        raise refused("invalid_payload", rows, hint="A payload may have connection and inputs.")
    return payload


def _sandbox(connector: Connector, port: int, show: Any = None) -> Any:
    try:
        from connector.sandbox import Sandbox
    except ImportError:
        raise _Usage(
            f"the sandbox needs the extra 'sandbox' of {DISTRIBUTION}: pip install aiohttp"
        ) from None
    return Sandbox(connector.manifest.raw.get("models", {}), port, show, keep=0)


def _serve_sandbox(arguments: argparse.Namespace) -> int:
    def show(method: str, path: str, status: int) -> None:
        _tell(f"{status} {method} {path}")

    sandbox = _sandbox(_connector(), arguments.port, show)
    try:
        sandbox.start()
    except OSError as error:
        raise _Usage(f"port {arguments.port}: {error.strerror}") from None
    print(f"The offline provider listens on {sandbox.url} (Ctrl-C ends it).")
    for kind in sandbox.kinds:
        print(f"\n# a connection for it, as {kind}")
        _print_json(sandbox.connection(kind))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        sandbox.serve_forever()
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    _print_json(_connector().describe())
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    _print_json(_connector().schema(arguments.name))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from connector.check import check

    path = arguments.manifest or resources.root() / "connector.yaml"
    # The handlers of one's own lie in the working directory, which an installed script leaves out.
    before = [*sys.path]
    if arguments.handlers != HANDLERS:
        sys.path.insert(0, "")
    try:
        problems = check(path, arguments.handlers)
    finally:
        sys.path[:] = before
    for text in problems:
        _tell(text)
    if problems:
        _tell(f"{len(problems)} problem{'s' * (len(problems) > 1)} found.")
        return 1
    print(f"{path.name}: all is well.")
    return 0


def _docs(arguments: argparse.Namespace) -> int:
    from connector.doors import page

    connector = _connector()
    text = page.render(connector)
    path = Path("docs") / f"{connector.manifest.key}.md"
    if arguments.check:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            print(f"{path} is current.")
            return 0
        _tell(f"{path} is not current; run: connector docs")
        return 1
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{path} written.")
    return 0


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done} of {total}", end=end, file=sys.stderr, flush=True)


def _print_json(value: Any) -> None:
    out = sys.stdout
    if out is None:
        raise OSError(errno.EBADF, "it is closed")
    out.flush()
    out.buffer.write(jsontext.pretty(value, indent=2 if out.isatty() else None) + b"\n")
    out.buffer.flush()


def _print_result(result: Result) -> int:
    """Print the envelope, and on standard error what a person should know of it."""
    _print_json(result.to_dict())
    for warning in result.meta["warnings"]:
        _tell(f"warning: {warning}")
    error = result.error
    if error is None:
        return 0
    _tell(f"error: {error.message} [{error.code}]")
    for row in error.details or ():
        _tell(f"  {row['path']}: {row['message']}")
    if error.hint:
        _tell(f"hint: {error.hint}")
    return 130 if error.code == "cancelled" else 1


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
