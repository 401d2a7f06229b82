"""What a warm call asks of the system: each such call hands the interpreter's lock to another
thread, so that a fan-out of many threads waits for the lock more than it works."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.tls import ca_file, server_context

REPOSITORY = Path(__file__).parent.parent
FEW, MANY = 5, 45

PROGRAM = """
import sys
from connector import Connector
connector = Connector.load()
url, authority, count = sys.argv[1:]
fields = {"apiKey": "sk-0123456789", "isOpenAIKey": True, "endpoint": url}
if authority:
    fields["caFile"] = authority
inputs = {"method": "POST", "url": "/v1/embeddings", "data": {"a": "b"}}
for _ in range(int(count)):
    result = connector.invoke("rawRequest", inputs, {"fields": fields})
    assert result.ok, result.error
"""

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def traces() -> bool:
    """Whether strace is there and allowed, which it is not in every container."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    done = subprocess.run([strace, "-c", "true"], capture_output=True, check=False)
    return done.returncode == 0 and b"execve" in done.stderr


@contextmanager
def answering(context: ssl.SSLContext | None) -> Iterator[str]:
    """Yield the address of a server that sends each whole response at once."""

    def serve() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                sock, _ = listener.accept()
                sock = context.wrap_socket(sock, server_side=True) if context else sock
                with sock:
                    while received := sock.recv(65536):
                        if received.endswith(b"}"):
                            sock.sendall(RESPONSE)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        scheme = "https" if context else "http"
        yield f"{scheme}://localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
    assert not thread.is_alive()


def counted(folder: Path, *words: str) -> Counter[str]:
    """Return how often the program makes each system call."""
    report = folder / "strace"
    strace = ["strace", "-f", "-c", "-o", str(report), "-e", "trace=!futex"]
    done = subprocess.run(
        [*strace, sys.executable, "-c", PROGRAM, *words], cwd=REPOSITORY, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    rows = re.findall(r"^ +[\d.]+ +[\d.]+ +\d+ +(\d+) .*?(\w+)$", report.read_text(), re.MULTILINE)
    return Counter({name: int(count) for count, name in rows if name != "total"})


@pytest.mark.skipif(not traces(), reason="needs strace and the right to trace")
@pytest.mark.parametrize(
    ("secure", "expected"),
    [
        # Is the connection still open? Send, receive.
        (False, {"poll": 1, "sendto": 1, "recvfrom": 1}),
        # OpenSSL reads the head of a record, then the rest.
        (True, {"poll": 1, "write": 1, "read": 2}),
    ],
    ids=["http", "https"],
)
def test_a_warm_call_makes_few_system_calls(
    tmp_path: Path, secure: bool, expected: dict[str, int]
) -> None:
    authority = str(ca_file(tmp_path)) if secure else ""
    with answering(server_context("good") if secure else None) as url:
        few = counted(tmp_path, url, authority, str(FEW))
        many = counted(tmp_path, url, authority, str(MANY))
    many.subtract(few)
    # Rounded, because memory is asked for now and then.
    found = {name: round(count / (MANY - FEW)) for name, count in many.items()}
    assert {name: count for name, count in found.items() if count} == expected
