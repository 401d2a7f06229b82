"""The page itself: current files, accessibility, small and large screens."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.integration.console.conftest import SOURCE, Console, serving
from tests.support.http_door import RunningDoor

BUILT = SOURCE.parent / "connector" / "doors" / "server" / "console"


def test_the_built_files_are_current(packages: Path, tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=SOURCE, check=True)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {file.name for file in BUILT.iterdir()}
    for name in names:
        same = (tmp_path / name).read_bytes() == (BUILT / name).read_bytes()
        assert same, f"{name} is not current: run `sh dev.sh console-build`"


def test_the_source_is_formatted_and_has_no_type_errors(packages: Path) -> None:
    done = subprocess.run(
        ["npm", "run", "--silent", "check"], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_lock_file_names_no_host() -> None:
    assert '"resolved"' not in (SOURCE / "package-lock.json").read_text(encoding="utf-8")


def result(console: Console) -> None:
    console.page.get_by_text("More options").click()
    console.run()


def image(console: Console) -> None:
    console.page.goto(f"{console.address}/#createImage")
    console.button("Two images").click()
    console.run()
    expect(console.page.locator(".output img").first).to_be_visible()


def error(console: Console) -> None:
    console.page.goto(f"{console.address}/#rawRequest")
    console.button("Add a row to File Data").click()
    console.run()
    expect(console.page.get_by_role("alert")).to_be_visible()


def preview(console: Console) -> None:
    console.button("Preview").click()
    expect(console.page.locator(".snippet")).to_be_visible()


def choices(console: Console) -> None:
    console.button("Show choices for Model / Deployment Name").click()
    expect(console.page.locator("[role=option]").first).to_be_visible()


def own_key(console: Console) -> None:
    console.page.locator("#connection").select_option("A key of my own…")
    console.button("Check connection").click()
    console.page.get_by_text("How to get these").click()
    expect(console.page.get_by_role("alert")).to_be_visible()


VIEWS = [result, image, error, preview, choices, own_key]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_axe_finds_nothing(
    open_console: Callable[..., Console],
    door: RunningDoor,
    packages: Path,
    view: Callable[[Console], None],
    scheme: str,
) -> None:
    console = open_console(door.url, color_scheme=scheme, viewport={"width": 1440, "height": 1000})
    console.open()
    view(console)
    console.page.evaluate((packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found: dict[str, Any] = console.page.evaluate("axe.run()")
    problems = [
        f"{row['id']} ({row['impact']}): {node['html'][:200]}"
        for row in found["violations"]
        for node in row["nodes"]
    ]
    assert problems == []


@pytest.mark.parametrize("width", [360, 800, 1440])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_nothing_is_wider_than_the_screen(
    open_console: Callable[..., Console],
    door: RunningDoor,
    view: Callable[[Console], None],
    width: int,
) -> None:
    console = open_console(door.url, viewport={"width": width, "height": 800})
    console.open()
    view(console)
    assert console.page.evaluate("document.documentElement.scrollWidth") <= width
    cards = console.page.locator(".card, .panel").all()
    boxes = [card.bounding_box() for card in cards]
    assert all(box and box["x"] + box["width"] <= width - 16 for box in boxes), boxes


def test_the_command_in_the_documentation_opens_the_console(
    open_console: Callable[..., Console],
) -> None:
    text = (SOURCE.parent / "docs" / "console.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"<!-- command -->\n```sh\n(.+)\n```", text)
    program, *arguments = shlex.split(command)
    assert program == "connector"
    with serving(*arguments) as address:
        console = open_console(address)
        console.open(connection=None)
        console.run()
        assert console.outcome == "OK"
        assert "Sandbox reply" in console.text


def test_the_console_of_another_connector_follows_its_manifest(
    open_console: Callable[..., Console],
) -> None:
    own = ["--manifest", "tests/second/connector.yaml", "--handlers", "tests.second.handlers"]
    with serving("serve", "--sandbox", "--allow-inline-connections", *own) as address:
        console = open_console(address)
        page = console.page
        console.open("embed")
        expect(page).to_have_title("Embed – Vectors")
        console.button("Add a row to Texts").click()
        page.get_by_label("Texts: text 1").fill("tide")
        console.run()
        assert console.outcome == "OK"
        assert console.sent("/v1/actions/embed")["inputs"] == {"texts": ["tide"]}
        page.locator("#connection").select_option("A key of my own…")
        page.get_by_label("Kind").select_option("Client")
        expect(page.get_by_label("Client Secret")).to_have_attribute("type", "password")
        expect(page.get_by_label("CA File")).to_have_count(0)


def test_what_the_documentation_quotes_is_on_the_page(console: Console) -> None:
    text = (SOURCE.parent / "docs" / "console.md").read_text(encoding="utf-8")
    console.open("createChatCompletion", connection=None)
    console.page.locator("#connection").select_option("A key of my own…")
    console.input("temperature").fill("0.5")
    console.button("Run").click()
    expect(console.page.locator(".result .pill")).to_be_visible()
    found = console.page.locator("body").inner_text()
    for quoted in {*re.findall(r"\*\*(.+?)\*\*", text)} - {"Cancel"}:
        assert quoted in found, quoted
