"""The site of the documentation: it is built strictly, and a browser fetches all of it from us."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(
        not importlib.util.find_spec("mkdocs"), reason="the dependency group docs is not installed"
    ),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_site_has_search_and_both_colour_schemes(site: Path) -> None:
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    texts = {item["location"]: item["text"] for item in found["docs"]}
    assert (
        "data.choices[0].message.content"
        in texts["azure-openai-service.html#createchatcompletion-output"]
    )
    assert "Run an action and return its result" in texts["api.html#connector.Connector.invoke"]
    page = (site / "index.html").read_text(encoding="utf-8")
    assert 'data-md-color-scheme="default"' in page
    assert 'data-md-color-scheme="slate"' in page


@pytest.mark.parametrize("page", ["index", "azure-openai-service", "recipes", "api"])
def test_a_browser_asks_no_other_host(address: str, page: str, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={log}",
            *("--virtual-time-budget=5000", "--dump-dom", f"{address}/{page}.html"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "</html>" in done.stdout
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = [item["params"] for item in events if "url" in item.get("params", {})]
    # The rest is the browser's own: it looks for updates.
    fetched = {item["url"] for item in asked if item.get("initiator") == address}
    assert any(url.endswith(".js") for url in fetched)
    assert {urlsplit(url).hostname for url in fetched} == {"127.0.0.1"}
