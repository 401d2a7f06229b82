"""Draws docs/images/console.png, the console with a result.

Run it with `python -m tests.integration.console.picture` where `sh dev.sh integration` has run.
"""

from __future__ import annotations

from connector import Connector
from connector.doors.server.settings import Settings
from connector.sandbox import Sandbox
from tests.integration.conftest import chromium
from tests.integration.console.conftest import SOURCE
from tests.support.http_door import running_door


def main() -> None:
    models = Connector.load().describe()["models"]
    with (
        Sandbox(models) as sandbox,
        chromium() as browser,
        running_door(
            {"sandbox": sandbox.connection("openai")}, Settings(sandbox="{}", sandbox_kind="openai")
        ) as door,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=1)
        page.goto(door.url)
        page.get_by_role("button", name="Run", exact=True).click()
        page.locator(".result .pill").wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=SOURCE.parent / "docs" / "images" / "console.png")


if __name__ == "__main__":
    main()
