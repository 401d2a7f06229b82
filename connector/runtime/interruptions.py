"""Distinguishes an exception that was raised into running code from a failure of that code.

Engines end a task by raising an exception of their own in the thread that runs it: from a signal
handler (Celery, RQ, an alarm), or through the interpreter (Temporal, timeout decorators). Often it
is an ordinary `Exception`. It must reach the engine, and must not be mistaken for a failed request,
a socket's timeout or a defect.
"""

from __future__ import annotations

import opcode
import signal
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_CHECKS = frozenset(("RESUME", "JUMP_BACKWARD"))
"""Where the interpreter raises exceptions from other threads. These instructions raise no other."""

_STUB = 6
"""Bytes of the placeholder code that represents a compiled function in a traceback."""

_VARARGS = 4
"""The flag of a function with `*args`: `inspect.CO_VARARGS`, without its large module."""


def is_external(error: BaseException) -> bool:
    """Whether `error` was raised into the running code, not by it.

    Exceptions that are not an `Exception`, such as `SystemExit`, always count.
    """
    if not isinstance(error, Exception):
        return True
    trace = error.__traceback__
    home = type(error).__module__.partition(".")[0]
    if trace is None or home == "urllib3":
        return False  # urllib3 raises its errors with the traceback of the original exception
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
    # A call into C. Its own failures have types of the standard library.
    return instruction != "RAISE_VARARGS" and home not in sys.stdlib_module_names


def _is_signal_handler(trace: TracebackType, outer: TracebackType) -> bool:
    """Whether the function of `trace` is a signal handler.

    Only a signal handler gets the frame of its caller as an argument. The registered handlers are
    compared as well, because a handler may have deleted its arguments; and the argument is checked
    because the handler may no longer be registered.
    """
    code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
    count = code.co_argcount + bool(code.co_flags & _VARARGS)
    for name in code.co_varnames[:count]:
        value = values.get(name)
        given = value if isinstance(value, tuple) else (value,)
        if any(item is outer.tb_frame for item in given):
            return True
    return any(code is _code_of(signal.getsignal(number)) for number in signal.valid_signals())


def _code_of(handler: Any) -> object:
    handler = getattr(handler, "func", handler)  # a partial
    handler = getattr(handler, "__func__", handler)  # a method
    if not callable(handler) or hasattr(handler, "__code__"):
        return getattr(handler, "__code__", None)
    return getattr(type(handler).__call__, "__code__", None)  # any other callable


def find_external(error: BaseException) -> BaseException | None:
    """Return the external exception that `error` is or wraps; None if there is none.

    Libraries wrap every exception that ends a read in an error of their own.
    """
    return next((item for item in chain(error) if is_external(item)), None)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it wraps, also as arguments, as requests and urllib3 do."""
    seen: list[BaseException] = []
    pending: list[Any] = [error]
    while pending:
        item = pending.pop(0)
        if isinstance(item, BaseException) and not any(item is other for other in seen):
            seen.append(item)
            yield item
            pending += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
