"""Runs a program on a pseudo-terminal, as a person does."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent.parent


def run(
    words: Sequence[str],
    columns: int = 80,
    env: Mapping[str, str] | None = None,
    cwd: Path = REPOSITORY,
    seen: Callable[[str, subprocess.Popen[bytes]], Any] = lambda *_: None,
) -> tuple[int, str]:
    """Run the command line and return its exit code and all that it wrote.

    `seen` is called with what was written so far, and the process, whenever there is more.
    """
    clean = {k: v for k, v in os.environ.items() if "OPENAI" not in k and "CONNECTOR" not in k}
    clean.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "connector", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**clean, "TERM": "xterm", "PYTHONPATH": str(REPOSITORY), **(env or {})},
    )
    os.close(theirs)
    written = b""
    try:
        while piece := _read(ours):
            written += piece
            seen(written.decode(errors="replace"), process)
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return code, written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError as error:
        if error.errno != errno.EIO:  # the program has ended
            raise
        return b""
