"""Tells an exception that somebody raised into a running call from a failure of the call itself.

Engines end a task by raising an exception of their own in the thread that runs it: from a signal
handler (Celery, RQ, an alarm), or through the interpreter (Temporal, timeout decorators). Often it
is an ordinary `Exception`. It must reach the engine and never be taken for an answer, a timeout of
a socket or a defect.
"""

from __future__ import annotations

import opcode
import signal
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_CHECKS = frozenset(("RESUME", "JUMP_BACKWARD"))
"""Here the interpreter looks for exceptions from other threads, and nothing else can go wrong."""

_STUB = 6
"""Bytes of the code that stands for a frame of compiled code in a traceback."""

_VARARGS = 4
"""The flag of a function with `*args`, as `inspect.CO_VARARGS`, whose module is large."""


def is_external(error: BaseException) -> bool:
    """Whether `error` was raised into the running code, not by it.

    Every exception that is no `Exception` counts, such as `SystemExit`.
    """
    if not isinstance(error, Exception):
        return True
    trace = error.__traceback__
    home = type(error).__module__.partition(".")[0]
    if trace is None or home == "urllib3":
        return False  # it raises its own with the traceback of the one that they stand for
    while (below := trace.tb_next) is not None:
        if _is_signal_handler(below, trace):
            return True
        trace = below
    code = trace.tb_frame.f_code.co_code
    if len(code) <= _STUB:
        return False
    instruction = opcode.opname[code[trace.tb_lasti]]
    if instruction in _CHECKS:
        return True
    # A call into C: its own failures are of the standard library's types.
    return instruction != "RAISE_VARARGS" and home not in sys.stdlib_module_names


def _is_signal_handler(trace: TracebackType, outer: TracebackType) -> bool:
    """Whether a function is a signal's handler, or was given its own caller's frame as only such
    are: a handler may have been replaced by now, or have dropped its arguments."""
    code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
    count = code.co_argcount + bool(code.co_flags & _VARARGS)
    for name in code.co_varnames[:count]:
        value = values.get(name)
        given = value if isinstance(value, tuple) else (value,)
        if any(item is outer.tb_frame for item in given):
            return True
    return any(code is _code_of(signal.getsignal(number)) for number in signal.valid_signals())


def _code_of(handler: Any) -> object:
    handler = getattr(handler, "func", handler)  # of a partial
    handler = getattr(handler, "__func__", handler)  # of a method
    if not callable(handler) or hasattr(handler, "__code__"):
        return getattr(handler, "__code__", None)
    return getattr(type(handler).__call__, "__code__", None)  # of any other object


def find_external(error: BaseException) -> BaseException | None:
    """Return the external exception that `error` is or wraps, None where there is none.

    Libraries turn whatever ends a read into an error of their own.
    """
    return next((item for item in chain(error) if is_external(item)), None)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it wraps: requests and urllib3 nest them as arguments."""
    seen: list[BaseException] = []
    pending: list[Any] = [error]
    while pending:
        item = pending.pop(0)
        if isinstance(item, BaseException) and not any(item is other for other in seen):
            seen.append(item)
            yield item
            pending += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
