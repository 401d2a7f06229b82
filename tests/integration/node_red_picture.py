"""Draws docs/images/node-red.png and node-red-dialog.png: a flow that has run, and a dialog.

Run it with `python -m tests.integration.node_red_picture` where `sh dev.sh integration` has run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import expect

from .conftest import chromium
from .node_red_process import KEY, documented_flow, node_red, serving

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        serving() as server,
        node_red(Path(name)) as red,
        chromium() as browser,
    ):
        red.deploy(documented_flow(server))
        page = browser.new_page(viewport={"width": 1280, "height": 600}, device_scale_factor=1.5)
        page.goto(red.url)
        item = page.locator(f'.red-ui-palette-node[data-palette-type="{KEY}-createChatCompletion"]')
        item.scroll_into_view_if_needed()
        page.locator(".red-ui-sidebar-info .fa-times:visible").click()  # the tips
        page.locator('[id="ask"] .red-ui-flow-node-button-button').click()
        expect(page.locator('[id="chat"] .red-ui-flow-node-status-label')).to_contain_text("tokens")
        expect(page.locator(".red-ui-debug-msg")).to_have_count(1)
        page.wait_for_timeout(6000)  # until the notices are gone
        page.screenshot(path=IMAGES / "node-red.png")
        page.set_viewport_size({"width": 1280, "height": 800})
        page.locator('[id="chat"]').dblclick()
        page.locator(".connector-inputs .red-ui-typedInput-container").first.wait_for()
        page.wait_for_timeout(1000)  # until the dialog is in its place
        page.locator("#dialog-form").screenshot(path=IMAGES / "node-red-dialog.png")


if __name__ == "__main__":
    main()
