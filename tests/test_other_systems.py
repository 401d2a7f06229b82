"""The connector runs where the system has no forks, no owners of files and no such signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from connector.sandbox import Sandbox

REPOSITORY = Path(__file__).parent.parent

# Takes away what Python has on POSIX only (its own documentation says which), then runs the
# command line.
WITHOUT_POSIX = """
import os, signal, socket, sys
for module, names in (
    (os, "fork forkpty register_at_fork fchown chown lchown fchmod geteuid getuid getegid getgid "
         "getgroups setuid killpg getpgid setsid sysconf statvfs mkfifo pread pwrite sendfile "
         "O_CLOEXEC O_NONBLOCK O_NOFOLLOW O_DIRECTORY"),
    (signal, "SIGALRM SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGPIPE SIGCHLD setitimer alarm "
             "pthread_sigmask pthread_kill sigwait"),
    (socket, "AF_UNIX SO_REUSEPORT MSG_NOSIGNAL MSG_DONTWAIT socketpair"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
from connector.doors.cli import main as cli
sys.exit(cli.main(sys.argv[1:]))
"""


def test_actions_run_without_posix(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"prod": sandbox.connection("openai")}))
    file.chmod(0o666)  # modes say nothing there
    (tmp_path / "image.png").write_text("old")
    named = ["--connections", str(file), "-i", "connection=prod"]
    for words in (
        ["describe"],
        ["invoke", "createChatCompletion", *named],
        ["invoke", "createCompletions", *named],
        ["invoke", "createImage", "-i", "prompt=x", "--output", "image.png", *named],
    ):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_POSIX, *words],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "image.png").read_bytes().startswith(b"\x89PNG")
