"""Draws docs/images/form.png, the form of Create Chat Completion.

Run it with `python -m tests.integration.form_picture` where `sh dev.sh integration` has run.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from .conftest import chromium
from .test_forms import HERE, ROOT, Handler, bundle, serving


def main() -> None:
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        bundle(HERE / "page.jsx", Path(name) / "page.js")
        with serving(partial(Handler, Path(name))) as address:
            page = browser.new_page(viewport={"width": 780, "height": 900}, device_scale_factor=1.5)
            page.goto(f"{address}/rjsf/createChatCompletion/")
            page.get_by_role("button", name="Submit").wait_for()
            page.locator("form").screenshot(path=ROOT / "docs" / "images" / "form.png")


if __name__ == "__main__":
    main()
