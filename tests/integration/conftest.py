"""A browser, and what the tests of one more environment share."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's own Chromium, headless."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert program is not None, "no Chromium found: run `sh dev.sh integration`"
    as_root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=as_root)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page. Whatever it reports as a warning or an error fails the test."""
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("warning", "error"):
            problems.append(message.text)

    opened = browser.new_page(viewport={"width": 900, "height": 1000})
    opened.set_default_timeout(10_000)
    opened.on("console", note)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    opened.close()
    assert problems == []


@pytest.fixture(scope="session")
def airflow() -> Path:
    """The Python of an environment with Airflow, beside the one that runs the tests."""
    return environment("airflow")


def environment(extra: str) -> Path:
    """Return the Python of an environment of its own, with the connector and one of its extras."""
    folder = Path(f"{sys.prefix}-{extra}")
    done = folder / f"installed-{extra}"
    project = ROOT / "pyproject.toml"
    python = folder / "bin" / "python"
    if not done.exists() or done.stat().st_mtime < project.stat().st_mtime:
        run(sys.executable, "-m", "venv", "--clear", str(folder))
        uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python))
        run(*uv, "--editable", f"{ROOT}[{extra}]")
        done.touch()
    return python


def run(*command: str, **options: Any) -> str:
    """Run a program and return its standard output; fail with all that it wrote."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    text: str = done.stdout
    return text
