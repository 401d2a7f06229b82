"""Runs `connector serve` as a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Served:
    """A running command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        self.port = int(line.split(" (")[0].rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def workers(self) -> list[int]:
        """Return the processes below the command's that serve; uvicorn spawns one more."""
        found = []
        own = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        for pid in map(int, Path(own).read_text().split()):
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


@contextlib.contextmanager
def served(
    folder: Path,
    connections: Any,
    *arguments: str,
    program: tuple[str, ...] = ("-m", "connector"),
    token: str = "",
) -> Iterator[Served]:
    """Run `connector serve` with these connections, on a free port."""
    file = folder / "connections.yaml"
    file.write_text(json.dumps(connections))
    file.chmod(0o600)
    words = ["serve", "--port", "0", "--connections", str(file), *arguments]
    with subprocess.Popen(
        [sys.executable, *program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CONNECTOR_TOKEN": token},
    ) as process:
        try:
            yield Served(process)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)
