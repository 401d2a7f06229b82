"""Runs Node-RED with the exported nodes, and the server that they call."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from connector import Connector

HERE = Path(__file__).parent / "node_red"
KEY = Connector.load().manifest.key
TOKEN = "a-token-of-the-operator"
SERVER = "server"
"""The ID of the server's node in each flow."""

_PROCESSORS = {"x86_64": "x64", "aarch64": "arm64"}


def _node() -> str:
    processor = _PROCESSORS[platform.machine()]
    return str(HERE / "node_modules" / f"node-linux-{processor}" / "bin" / "node")


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[str]:
    """Run a program that prints its address, and yield that."""
    running = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        for line in running.stdout:
            if found := re.search(r"serves at (http://[\d.:]+)", line):
                yield found[1]
                break
        else:
            raise AssertionError(f"{command[0]} ended before it served")
    finally:
        running.terminate()
        running.communicate(timeout=60)


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run `connector serve --sandbox`; yield its address."""
    command = (sys.executable, "-m", "connector", "serve", "--sandbox", "--port", "0")
    with process(*command, CONNECTOR_TOKEN=TOKEN) as address:
        yield address


@contextlib.contextmanager
def node_red(folder: Path) -> Iterator[NodeRed]:
    """Export the nodes, install them as the docs say, and run Node-RED with them."""
    name = f"node-red-contrib-{KEY}-connector"
    package = folder / "node_modules" / name
    command = (sys.executable, "-m", "connector", "export", "node-red", "--out", str(package))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    project = {"name": "flows", "version": "1.0.0", "dependencies": {name: "*"}}
    (folder / "package.json").write_text(json.dumps(project))
    with process(_node(), str(HERE / "run.js"), str(folder)) as address:
        running = NodeRed(address, folder)
        wait_for(lambda: running.started() > 0)
        yield running


class NodeRed:
    """A running Node-RED."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def get(self, path: str) -> Any:
        response = requests.get(self.url + path, headers={"Accept": "application/json"}, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()

    def started(self) -> int:
        """Return how often the flows have been started."""
        count: int = self.get("/started")
        return count

    def deploy(self, nodes: list[dict[str, Any]], kind: str = "full") -> None:
        """Deploy all nodes, of kind `nodes` the changed ones, and wait until they run."""
        started = self.started()
        headers = {"Node-RED-API-Version": "v2", "Node-RED-Deployment-Type": kind}
        response = requests.post(
            f"{self.url}/flows", json={"flows": nodes}, headers=headers, timeout=30
        )
        assert response.status_code == 200, response.text
        wait_for(lambda: self.started() > started)

    def send(self, message: Any) -> Any:
        """Send a payload into the flow and return what comes out."""
        response = requests.post(f"{self.url}/in/call", json=message, timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def status(self) -> Any:
        """Return the latest status of the action's node."""
        return json.loads(self.get("/context/global/status")["msg"])


_OUT = '{"output": %s, "payload": payload, "connector": connector, "error": error}'


def flow(
    server: str,
    action: str,
    values: Mapping[str, tuple[str, str]],
    token: str = TOKEN,
    wires: tuple[list[str], list[str]] = (["first"], ["second"]),
) -> list[dict[str, Any]]:
    """Return a flow that answers HTTP requests with what leaves an action's node."""
    typed = {key: {"type": kind, "value": value} for key, (kind, value) in values.items()}
    own = {"type": f"{KEY}-{action}", "server": SERVER, "values": typed, "wires": wires}
    return [
        {"id": "tab", "type": "tab", "label": "A flow"},
        {
            "id": SERVER,
            "type": f"{KEY}-server",
            "url": server,
            "connection": "sandbox",
            "credentials": {"token": token},
        },
        _node_of("in", "http in", url="/call", method="post", wires=[["action"]]),
        {"id": "action", "z": "tab", "x": 200, "y": 100, **own},
        _change("first", "payload", _OUT % 1),
        _change("second", "payload", _OUT % 2),
        _change("caught", "payload", _OUT % '"catch"'),
        _node_of("catch", "catch", scope=["action"], wires=[["caught"]]),
        _node_of("out", "http response", wires=[]),
        _node_of("watch", "status", scope=["action"], wires=[["keep"]]),
        _change("keep", "status", "status", "global", []),
    ]


def documented_flow(server: str) -> list[dict[str, Any]]:
    """Return the flow of docs/node-red.md, with the server that runs."""
    text = (HERE.parents[2] / "docs" / "node-red.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- flow -->\n```json\n")
    nodes: list[dict[str, Any]] = json.loads(rest.partition("```")[0])
    (node,) = [row for row in nodes if row["id"] == SERVER]
    node.update(url=server, credentials={"token": TOKEN})
    return nodes


def _change(
    key: str, to: str, expression: str, scope: str = "msg", wires: Any = ("out",)
) -> dict[str, Any]:
    rule = {"t": "set", "p": to, "pt": scope, "to": expression, "tot": "jsonata"}
    return _node_of(key, "change", rules=[rule], wires=[list(wires)])


def _node_of(key: str, kind: str, **settings: Any) -> dict[str, Any]:
    return {"id": key, "type": kind, "z": "tab", "x": 100, "y": 100, **settings}


def wait_for(condition: Any) -> None:
    """Wait until the condition holds; fail after 30 seconds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
