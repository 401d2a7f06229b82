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
from typing import Any, NoReturn

from connector import jsontext
from connector.connector import Connector
from connector.doors import parser
from connector.errors import ConnectorError
from connector.result import Result
from connector.version import DISTRIBUTION


def run() -> int:
    """Run the command of this process, which then ends.

    What is imported lives to the end: looking through it for garbage, again and again and once
    more at the exit, would take a fifth of a cold call.
    """
    gc.set_threshold(50_000, 20, 20)
    try:
        return main()
    finally:
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (`ok: false`), 2 (usage), 130."""
    arguments = parser.parse(sys.argv[1:] if argv is None else argv)
    with _terminable():
        try:
            return _COMMANDS[arguments.command](arguments)
        except ConnectorError as error:
            return _print_result(_failed(error, arguments))
        except _Usage as wrong:
            print(f"connector: {wrong}", file=sys.stderr)
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
            print(f"connector: the output cannot be written: {error.strerror}", file=sys.stderr)
            return 1


class _Usage(Exception):
    """The command line itself is wrong."""


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


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let a polite kill end a command as Ctrl-C does: with an envelope."""

    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    try:
        old = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


def _invoke(arguments: argparse.Namespace) -> int:
    given = [_pair(text) for text in arguments.input]
    with _prepared(arguments) as (connector, payload, connection):
        inputs = payload.get("inputs")
        inputs = {} if inputs is None else inputs
        if isinstance(inputs, dict):
            inputs = {**inputs, **dict(given)}
            if connection is not None:
                inputs.pop("connection", None)
        result = connector.invoke(
            arguments.action,
            inputs,
            connection,
            dry_run=arguments.dry_run,
            output=arguments.output,
            progress=_progress if sys.stderr.isatty() else None,
        )
        return _print_result(result)


def _pair(text: str) -> tuple[str, str]:
    # As bytes they are UTF-8 whatever the locale says.
    text = os.fsencode(text).decode(errors="surrogateescape")
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise _Usage("-i takes KEY=VALUE: there is no = in one of them, or no key before it")
    if key == "connection" and value.lstrip().startswith("{"):
        raise _Usage("-i connection=NAME takes the name of a configured connection, never a key")
    return key, value


def _test(arguments: argparse.Namespace) -> int:
    with _prepared(arguments) as (connector, _, connection):
        result = connector.test_connection(connection)
        for name, verdict in (result.data or {}).items():
            print(f"{name}: {verdict['verdict']} ({verdict['message']})", file=sys.stderr)
        return _print_result(result)


def _options(arguments: argparse.Namespace) -> int:
    with _prepared(arguments) as (connector, _, connection):
        result = connector.options(arguments.source, connection)
        if not result.ok:
            return _print_result(result)
        _print_json(result.data)
        return 0


@contextlib.contextmanager
def _prepared(arguments: argparse.Namespace) -> Iterator[tuple[Connector, dict[str, Any], Any]]:
    """Yield the connector, the payload, and the connection: the sandbox's, the payload's, or
    the environment's."""
    payload = _payload(arguments.payload)
    connector = Connector.load(connections=arguments.connections)
    connection = payload.get("connection")
    if connection is None and not _names_connection(payload, arguments):
        from connector.transport.providers import from_environment

        connection = from_environment(os.environ)
    with contextlib.ExitStack() as stack:
        if arguments.sandbox:
            sandbox = stack.enter_context(_sandbox(connector, 0))
            try:
                connection = sandbox.connection(arguments.sandbox)
            except ValueError as error:
                raise _Usage(f"--sandbox: {error}") from None
        stack.callback(connector.close)
        yield connector, payload, connection


def _names_connection(payload: dict[str, Any], arguments: argparse.Namespace) -> bool:
    inputs = payload.get("inputs")
    among = isinstance(inputs, dict) and inputs.get("connection") is not None
    return among or any(text.startswith("connection=") for text in getattr(arguments, "input", ()))


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
    unknown = sorted(set(payload) - {"connection", "inputs"})
    if unknown:
        raise ConnectorError(
            "invalid_payload",
            f"The payload has {unknown[0][:60]!r}; it may have connection and inputs.",
        )
    return payload


def _sandbox(connector: Connector, port: int, show: Any = None) -> Any:
    try:
        from connector.sandbox import Sandbox
    except ImportError:
        raise _Usage(f"the sandbox needs an extra: pip install '{DISTRIBUTION}[sandbox]'") from None
    return Sandbox(connector.manifest.raw.get("models", {}), port, show)


def _serve_sandbox(arguments: argparse.Namespace) -> int:
    def show(method: str, path: str, status: int) -> None:
        print(f"{status} {method} {path}", file=sys.stderr, flush=True)

    sandbox = _sandbox(Connector.load(), arguments.port, show)
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
    _print_json(Connector.load().describe())
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    _print_json(Connector.load().schema(arguments.name))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from connector import resources
    from connector.check import check

    path = arguments.manifest or resources.root() / "connector.yaml"
    problems = check(path, arguments.handlers)
    for text in problems:
        print(text, file=sys.stderr)
    if problems:
        print(f"{len(problems)} problem{'s' * (len(problems) > 1)} found.", file=sys.stderr)
        return 1
    print(f"{path.name}: all is well.")
    return 0


def _docs(arguments: argparse.Namespace) -> int:
    from connector.doors import page

    connector = Connector.load()
    text = page.render(connector)
    path = Path("docs") / f"{connector.manifest.key}.md"
    if arguments.check:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            print(f"{path} is current.")
            return 0
        print(f"{path} is not current; run: connector docs", file=sys.stderr)
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
        print(f"warning: {warning}", file=sys.stderr)
    error = result.error
    if error is None:
        return 0
    print(f"error: {error.message} [{error.code}]", file=sys.stderr)
    for row in error.details or ():
        print(f"  {row['path']}: {row['message']}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
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
