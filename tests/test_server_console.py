"""The console's page and what it is told about the server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from connector import Connector
from connector.doors.server import console
from connector.doors.server.settings import Settings
from tests.support.http_door import RunningDoor, running_door

TOKEN = "a-token-of-the-operator"


@pytest.fixture(scope="module")
def door() -> Iterator[RunningDoor]:
    with running_door({}, Settings(inline=True), token=TOKEN) as running:
        yield running


def test_the_page_and_its_files_need_no_token_and_load_nothing_from_elsewhere(
    door: RunningDoor,
) -> None:
    for path in console.OPEN - {"/v1/icon"}:
        response = door.request("GET", path)
        assert response.status_code == 200, path
        policy = response.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= {*policy}
        assert not any("unsafe" in part or "http" in part for part in policy)
    page = door.request("GET", "/").text
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert "/" + path in console.OPEN
    assert door.request("GET", "/v1/icon").content == Connector.load().icon()


def test_the_types_of_the_files_are_those_that_browsers_accept(door: RunningDoor) -> None:
    for path, kind in (
        ("/", "html"),
        ("/console/app.js", "javascript"),
        ("/console/style.css", "css"),
    ):
        assert door.request("GET", path).headers["content-type"] == f"text/{kind}; charset=utf-8"


def test_the_licences_of_the_libraries_are_beside_them(door: RunningDoor) -> None:
    text = door.request("GET", "/console/licences.txt").text
    for name in ("preact", "marked"):
        assert name in text
    assert text.count("Permission is hereby granted") >= 2


def test_only_files_of_the_console_are_served(door: RunningDoor) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for path in (
        "/console/",
        "/console/index.html",
        "/console/../app.py",
        "/console/%2e%2e/app.py",
    ):
        assert door.request("GET", path).status_code == 401
        assert door.request("GET", path, headers=headers).status_code == 404


def test_the_console_is_told_what_this_server_allows(door: RunningDoor) -> None:
    assert door.request("GET", "/v1/console").status_code == 401
    headers = {"Authorization": f"Bearer {TOKEN}"}
    told = door.request("GET", "/v1/console", headers=headers).json()
    assert told == {"inlineConnections": True, "sandbox": None}
    with running_door({}, Settings(sandbox="{}", sandbox_kind="azure")) as other:
        told = other.request("GET", "/v1/console").json()
    assert told == {"inlineConnections": False, "sandbox": {"name": "sandbox", "kind": "azure"}}
