"""The console of a running door on the sandbox, opened in a browser."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from connector.doors.server.settings import Settings
from connector.sandbox import Sandbox
from tests.support.http_door import RunningDoor, running_door

SOURCE = Path(__file__).parents[3] / "console"
REACH = ("127.0.0.1",)

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  window.violations.push(`${violatedDirective}: ${blockedURI}`));
"""


@pytest.fixture(scope="session")
def packages() -> Path:
    """The packages that the console is built from and tested with."""
    folder = SOURCE / "node_modules"
    assert folder.exists(), "they are not installed: run `sh dev.sh integration`"
    return folder


@pytest.fixture(scope="session")
def door(running_sandbox: Sandbox) -> Iterator[RunningDoor]:
    """A door with the sandbox, connections that fail, and connections in payloads."""
    good = running_sandbox.connection("openai")
    connections = {
        "azure": running_sandbox.connection("azure"),
        "sandbox": good,
        "wrong-key": {"fields": {**good["fields"], "apiKey": "sk-wrong"}},
        "no-quota": {"fields": {**good["fields"], "apiKey": "sk-noquota"}},
    }
    settings = Settings(inline=True, reach=REACH, sandbox="{}", sandbox_kind="openai")
    with running_door(connections, settings) as running:
        yield running


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run the command with these arguments, on a free port, and return the address it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "connector", *arguments, "--port", "0"],
        cwd=SOURCE.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://[\d.:]+", server.stdout.readline())
            assert address is not None
            yield address[0]
        finally:
            server.terminate()


class Console:
    """The console in one page of a browser, with the words of its parts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.requests: list[Request] = []
        page.on("request", lambda request: self.requests.append(request))

    def open(self, action: str = "", connection: str | None = "sandbox") -> None:
        self.page.goto(f"{self.address}/#{action}")
        expect(self.button("Run")).to_be_enabled()
        if connection is not None:
            self.page.locator("#connection").select_option(connection)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("tab", name=name, exact=True)

    def input(self, key: str) -> Locator:
        return self.page.locator(f"#field-inputs-{key}")

    def field(self, key: str) -> Locator:
        """The whole field of a connection: its label, control, problems and comments."""
        return self.page.locator(f".field:has(#field-connection-fields-{key})")

    def run(self) -> None:
        """Run the action and wait for its end."""
        self.button("Run").click()
        expect(self.page.locator(".result .pill")).to_be_visible()

    @property
    def outcome(self) -> str:
        outcome: str = self.page.locator(".result .pill").inner_text()
        return outcome

    @property
    def text(self) -> str:
        """The first text of the result."""
        text: str = self.page.locator(".output .text").first.inner_text()
        return text

    def sent(self, path: str) -> Any:
        """Return the last payload that the page sent to a path."""
        found = [request for request in self.requests if request.url.endswith(path)]
        return found[-1].post_data_json


@pytest.fixture
def open_console(browser: Browser) -> Iterator[Callable[..., Console]]:
    """Open the console. What the browser reports as a problem fails the test, and so does a
    request to another host."""
    opened: list[tuple[Page, list[str], Console]] = []

    def open_page(address: str, **options: Any) -> Console:
        problems: list[str] = []
        context = browser.new_context(**options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.add_init_script(_WATCH)

        def note(message: ConsoleMessage) -> None:
            # The browser reports each status of 400 and above, which here are results.
            if message.type in ("warning", "error") and "Failed to load" not in message.text:
                problems.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        console = Console(page, address)
        opened.append((page, problems, console))
        return console

    yield open_page
    for page, problems, console in opened:
        violations = page.evaluate("window.violations")
        page.context.close()
        assert problems == []
        assert violations == []
        for request in console.requests:
            assert request.url.startswith((console.address, "blob:", "data:")), request.url


@pytest.fixture
def console(open_console: Callable[..., Console], door: RunningDoor) -> Console:
    return open_console(door.url, viewport={"width": 1440, "height": 1000})
