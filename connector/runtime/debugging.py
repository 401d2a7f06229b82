"""Shows authors of handlers the traceback of a defect, if CONNECTOR_DEBUG is set."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

VARIABLE = "CONNECTOR_DEBUG"


def show(error: BaseException, mask: Callable[[str], str]) -> None:
    """Print the traceback of `error` and of the exceptions behind it on standard error.

    `mask` removes secrets from the whole text. Values of variables are never shown. Does nothing
    unless CONNECTOR_DEBUG is set to something other than 0.
    """
    if os.environ.get(VARIABLE, "0") in ("", "0") or sys.stderr is None:
        return
    import traceback  # here: most processes never need it

    text = mask("".join(traceback.TracebackException.from_exception(error).format()))
    # A message may quote a response: no control character may reach the terminal.
    shown = "".join(c if c == "\n" or c.isprintable() else repr(c)[1:-1] for c in text)
    sys.stderr.write(shown)  # in one piece, because several threads may fail at once
    sys.stderr.flush()
