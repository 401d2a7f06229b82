"""What the command line says about a result on standard error: warnings, the error, usage."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from connector.doors.cli.screen import INDENT, Screen, wrapped
from connector.doors.cli.terminal import escape_controls, print_painted
from connector.errors import ConnectorError
from connector.problems import error_of
from connector.result import Result

_SEPARATOR = " · "


def print_diagnostics(result: Result, summary: bool) -> None:
    """Print the warnings and the error of a result.

    With `summary` also what a person would otherwise have to look up in the envelope: provider,
    usage and time, or the facts about the error.
    """
    screen = Screen(sys.stderr)
    for line in _lines(result, screen, summary):
        print_painted(line)


def _lines(result: Result, screen: Screen, summary: bool) -> Iterator[str]:
    if summary and result.data is not None:
        yield ""
    for warning in result.meta["warnings"]:
        yield from screen.lines("warning: ", escape_controls(warning), "magenta", "bold")
    error = result.error
    if error is not None:
        yield from _error_lines(error, screen)
    if summary:
        facts = _facts(result.meta) if error is None else _error_facts(error, result.meta)
        separator = _SEPARATOR if screen.shows(_SEPARATOR) else ", "
        text = escape_controls(separator.join(facts))
        for line in wrapped(text, screen.columns()) if text else ():
            yield screen.paint(line, "dim")


def _error_lines(error: ConnectorError, screen: Screen) -> Iterator[str]:
    rows = error.details or ()
    message = error.message
    # The message of refused inputs repeats the first of the problems that are listed below it.
    if rows and message == error_of(error.code, rows).message:
        if len(rows) == 1:
            rows = ()
        else:
            message = f"{len(rows)} problems"
    yield from screen.lines("error: ", escape_controls(f"{message} [{error.code}]"), "red", "bold")
    for row in rows:
        path = row["path"]
        if screen.is_terminal:
            path = path.removeprefix("/inputs").removeprefix("/")
        label = f"{INDENT}{escape_controls(path)}: "
        yield from screen.lines(label, escape_controls(row["message"]), "bold")
    if error.hint:
        yield from screen.lines("hint: ", escape_controls(error.hint), "bold")


def _error_facts(error: ConnectorError, meta: Mapping[str, Any]) -> Iterator[str]:
    if error.http_status is not None:
        yield f"HTTP {error.http_status}"
    if error.provider_code:
        yield error.provider_code
    if error.retry_after_ms is not None:
        yield f"retry after {_seconds(error.retry_after_ms)}"
    if error.sent == "unknown":
        yield "may have been done and billed"
    if usage := _usage(meta["usage"] or {}):
        yield usage
    if error.request_id:
        yield f"request {error.request_id}"


def _facts(meta: Mapping[str, Any]) -> Iterator[str]:
    if not meta["attempts"]:
        yield "nothing was sent"
        return
    yield meta["provider"]
    if meta.get("httpStatus"):
        yield f"HTTP {meta['httpStatus']}"
    if usage := _usage(meta["usage"] or {}):
        yield usage
    if meta["attempts"] > 1:
        yield f"{meta['attempts']} requests"
    yield _seconds(meta["durationMs"])


def _usage(usage: Mapping[str, Any]) -> str:
    """Return counts in one line, such as `35 prompt + 31 completion = 66 tokens`."""
    counts = {key: value for key, value in usage.items() if isinstance(value, int | float)}
    total = counts.pop("total_tokens", None)
    tokens = {k.removesuffix("_tokens"): v for k, v in counts.items() if k.endswith("_tokens")}
    text = " + ".join(f"{value} {key.replace('_', ' ')}" for key, value in tokens.items())
    if total is not None:
        text = f"{text} = {total}" if text and sum(tokens.values()) == total else f"{total}"
    others = [f"{value} {key}" for key, value in counts.items() if not key.endswith("_tokens")]
    return ", ".join([f"{text} tokens"] * bool(text) + others)


def _seconds(milliseconds: float) -> str:
    seconds = milliseconds / 1000
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s".replace(".0 s", " s")
