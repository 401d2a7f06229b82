"""The door where operators put it: behind nginx, and as a unit of systemd."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.event_peer import EventPeer, Step, whole
from tests.support.front import connection, inputs_of
from tests.support.raw_http import wait_for
from tests.support.served import served
from tests.support.tls import ca_file, certificate_authority

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-the-operator"
NAME = "connector.example"
CHAT = "/v1/actions/createChatCompletion"
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def nginx(folder: Path, door: int) -> Iterator[str]:
    """Run nginx with the example's server in front of a door; yield its address."""
    program = shutil.which("nginx", path=PATH)
    assert program is not None, "no nginx found: run `sh dev.sh integration`"
    certificate = certificate_authority().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    port = free_port()
    server = (ROOT / "examples" / "nginx.conf").read_text(encoding="utf-8")
    for pattern, own in (
        (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (r"ssl_certificate .*;", f"ssl_certificate {folder}/server.pem;"),
        (r"ssl_certificate_key .*;", f"ssl_certificate_key {folder}/server.key;"),
        (r"127\.0\.0\.1:8791", f"127.0.0.1:{door}"),
    ):
        server, count = re.subn(pattern, own, server)
        assert count == 1, pattern
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"pid {folder}/nginx.pid;\nerror_log stderr;\ndaemon off;\nworker_processes 1;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    with subprocess.Popen([program, "-p", str(folder), "-c", str(file)]) as process:
        try:
            wait_for(lambda: _accepts(port) or process.poll() is not None)
            assert process.poll() is None
            yield f"https://localhost:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_behind_nginx_tokens_and_streams_pass(tmp_path: Path) -> None:
    gate = threading.Event()
    steps: list[Step] = [*whole("a")[:2], gate.wait, *whole("b")[1:]]
    with (
        EventPeer(steps) as peer,
        served(
            tmp_path, {"p": connection(peer.url)}, "--server-name", NAME, token=TOKEN
        ) as running,
        nginx(tmp_path, running.port) as url,
        requests.Session() as session,
    ):
        session.verify = str(ca_file(tmp_path))
        session.trust_env = False
        session.headers["Host"] = NAME
        refused = session.get(url + "/v1/connections", timeout=30)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "authentication_failed"
        assert session.get(url + "/healthz", timeout=30).json() == {"ok": True}
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        assert session.get(url + "/v1/connections", timeout=30).json() == ["p"]
        own = session.get(url + "/healthz", headers={"Origin": f"https://{NAME}"}, timeout=30)
        assert own.status_code == 200
        body = {"connection": "p", "inputs": inputs_of("createChatCompletion")}
        events = {"Accept": "text/event-stream"}
        with session.post(
            url + CHAT, json=body, headers=events, stream=True, timeout=30
        ) as response:
            lines = response.iter_lines(chunk_size=1)
            assert next(lines) == b"event: text"  # the provider has not sent the rest
            gate.set()
            assert b"event: result" in list(lines)


def test_the_unit_is_one_that_systemd_accepts(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("this machine has no systemd")
    text = (ROOT / "examples" / "connector.service").read_text(encoding="utf-8")
    unit = tmp_path / "connector.service"
    unit.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
