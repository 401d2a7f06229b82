"""An environment with Prefect, beside the one that runs the tests, and a server of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.integration.conftest import run
from tests.support.fault_server import refused_port

ROOT = Path(__file__).parent.parent.parent.parent
SECONDS = 120
"""How long a server may take to start."""


class Prefect(NamedTuple):
    """A running server: `bin` has the programs, `home` its database, `log` what it printed."""

    bin: Path
    home: Path
    log: Path
    environment: dict[str, str]
    url: str

    def run(self, *command: str, cwd: Path | None = None, **variables: str) -> str:
        """Run a program and return what it printed, its log included."""
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=cwd or self.home,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the programs of an environment with Prefect."""
    environment = Path(f"{sys.prefix}-prefect")
    done = environment / "installed"
    if not done.exists():
        run(sys.executable, "-m", "venv", "--clear", str(environment))
        run(str(environment / "bin" / "pip"), "install", "-q", f"{ROOT}[prefect]")
        done.touch()
    return environment / "bin"


@pytest.fixture(scope="session")
def prefect(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    home = tmp_path_factory.mktemp("prefect")
    with refused_port() as port:
        url = f"http://127.0.0.1:{port}"
    environment = {
        "DO_NOT_TRACK": "1",
        "HOME": str(home),
        "NO_COLOR": "1",
        "PATH": f"{programs}:{os.defpath}",
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_HOME": str(home),
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": str(ROOT),  # this connector, not an installed copy
    }
    log = home / "server.log"
    command = [str(programs / "prefect"), "server", "start", "--host", "127.0.0.1"]
    with log.open("wb") as file:
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=file, stderr=file
        )
    try:
        wait_for(f"{url}/api/health", server, log)
        yield Prefect(programs, home, log, environment, url)
    finally:
        server.terminate()
        server.wait(60)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(SECONDS * 2):
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text())
