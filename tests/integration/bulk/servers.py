"""RabbitMQ, Redis and PostgreSQL of Debian, each with its own port and folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BINARIES = Path("/usr/lib/postgresql")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server in the foreground; `stop` ends it and `start` starts it again with its data."""

    def __init__(self, words: list[str], port: int, environment: Mapping[str, str] | None = None):
        self._words = words
        self.port = port
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._words,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(lambda: accepts(self.port))

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, number)
        self._process.wait(60)
        wait_for(lambda: not accepts(self.port))
        self._process = None


class Postgres(Server):
    """A cluster of its own. PostgreSQL refuses to run as root, and another user cannot reach the
    folders of pytest."""

    def __init__(self) -> None:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="connector-postgres-"))
        binaries = max(BINARIES.glob("*/bin"))
        port = free_port()
        prefix: list[str] = []
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            prefix = [
                "setpriv",
                f"--reuid={owner.pw_uid}",
                f"--regid={owner.pw_gid}",
                "--clear-groups",
            ]
        data = folder / "data"
        words = [*prefix, str(binaries / "initdb"), "-D", str(data), "-U", "tests", "-A", "trust"]
        subprocess.run(words, check=True, capture_output=True, cwd="/")
        super().__init__(
            [
                *(*prefix, str(binaries / "postgres"), "-D", str(data), "-p", str(port)),
                *("-k", str(folder), "-h", "127.0.0.1"),
            ],
            port,
        )
        self.url = f"postgresql+psycopg://tests@127.0.0.1:{port}/postgres"

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop at once, as `pg_ctl restart` does; with SIGTERM it would wait for its clients."""
        super().stop(number)


class Rabbit(Server):
    """A node of its own."""

    def __init__(self, folder: Path) -> None:
        port, distribution = free_port(), free_port()
        folder.mkdir()
        (folder / "enabled").write_text("[].")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{port}\nloopback_users = none\n"
        )
        environment = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"tests{port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "ERL_EPMD_PORT": str(free_port()),
        }
        # Debian's wrapper would change the user.
        program = max(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))
        super().__init__([str(program)], port, environment)
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"


class Redis(Server):
    """A server that keeps its data on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        port = free_port()
        program = shutil.which("redis-server")
        assert program is not None, "no redis-server found: run `sh dev.sh integration`"
        words = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        super().__init__([*words, "--appendonly", "yes", "--save", ""], port)
        self.url = f"redis://127.0.0.1:{port}/0"
