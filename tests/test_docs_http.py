"""Each example of docs/http.md runs, each route has one, and what it says of the door is so."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from connector.doors.statuses import STATUS
from connector.sandbox import Sandbox
from tests.support.http_door import RunningDoor, running_door

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sh\n(curl .*?)```(?:\n```(json|text)\n(.*?)```)?", PAGE, re.S)
ANYTHING = "…"


@pytest.fixture(scope="module")
def door(running_sandbox: Sandbox) -> Iterator[RunningDoor]:
    with running_door({"sandbox": running_sandbox.connection("openai")}) as running:
        yield running


def curl(door: RunningDoor, command: str) -> requests.Response:
    """Do what a command of curl does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-N", action="store_true")
    parser.add_argument("-d")
    parser.add_argument("-o")
    given = parser.parse_args(shlex.split(command.replace("\\\n", " "))[1:])
    headers = dict(line.split(": ", 1) for line in given.H)
    path = given.url.removeprefix("http://127.0.0.1:8791")
    return door.request("POST" if given.d else "GET", path, data=given.d, headers=headers)


def check(shown: Any, found: Any) -> None:
    """Fail unless a response is what the document shows of it."""
    if shown == ANYTHING:
        assert found not in (None, {}, [], "")
    elif isinstance(shown, dict):
        for key, value in shown.items():
            check(value, found[key])
    else:
        assert found == shown


@pytest.mark.parametrize(("command", "kind", "shown"), EXAMPLES)
def test_an_example_runs(door: RunningDoor, command: str, kind: str, shown: str) -> None:
    response = curl(door, command)
    if kind == "text":
        names = re.findall(r"^event: .*$", shown, re.M)
        assert names == list(dict.fromkeys(re.findall(r"^event: .*$", response.text, re.M)))
    elif kind == "json":
        assert response.headers["Content-Type"] == "application/json"
        expected = json.loads(shown)
        check(expected, response.json())
        if isinstance(expected, dict) and expected.get("ok", True) is True:
            assert response.status_code == 200
    else:
        assert response.status_code == 200
        assert response.content


def test_each_route_has_an_example(door: RunningDoor) -> None:
    app: Any = door.server.config.app
    routes = app._app._app.routes
    described = {
        (method, route.path)
        for route in routes
        for method in route.methods - {"HEAD"}
        if not route.path.startswith(("/console", "/v1/console")) and route.path != "/"
    }
    shown = set()
    for command, *_ in EXAMPLES:
        path = re.search(r"http://127\.0\.0\.1:8791([^\s'?]*)", command)
        assert path is not None
        method = "POST" if " -d " in command else "GET"
        shown |= {
            (method, route.path)
            for route in routes
            if method in route.methods and route.path_regex.match(path[1])
        }
    assert described <= shown


def test_the_statuses_are_those_of_the_door() -> None:
    table = dict(re.findall(r"^\| ([\d ]+) \| ([^|]*) \|", PAGE, re.M))
    for code, status in STATUS.items():
        assert f"`{code}`" in table[str(status)], code


def test_the_nginx_example_is_that_of_the_file() -> None:
    file = (ROOT / "examples" / "nginx.conf").read_text(encoding="utf-8")
    found = re.search(r"<!-- snippet: nginx -->\n```nginx\n(.*?)```", PAGE, re.S)
    assert found is not None
    own = "".join(line.removeprefix("    ") for line in file.splitlines(keepends=True))
    assert found[1] in own


def test_the_numbers_are_those_of_the_code() -> None:
    from connector.doors.server import body
    from connector.doors.server.protocol import Protocol
    from connector.doors.server.settings import Settings

    settings = Settings()
    for text in (
        f"over {settings.body_bytes >> 20} MiB",
        f"{(settings.body_bytes * body._BODIES) >> 20} MiB together",
        f"within {Protocol.head_seconds:.0f} s",
        f"over {Protocol.head_bytes >> 10} KiB",
        f"{body._BYTES_PER_SECOND >> 10} KiB/s after its first {settings.body_seconds:.0f} s",
        f"each process ({settings.concurrency})",
        f"have {Protocol.grace_seconds:.0f} s to end",
    ):
        assert text in re.sub(r"\s+", " ", PAGE), text
