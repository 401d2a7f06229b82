"""Adds files from outside `docs/` to the site, and leads links between them to the right place.

The documents are written for readers of the repository: `docs/x.md` links to `../CONTRIBUTING.md`,
and CONTRIBUTING.md to `docs/x.md`.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent.parent
ADDED = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
ALONE = ["api.md", "azure-openai-service.md", "index.md"]
"""Pages that are alone below their tab: without a list of pages, their tables have more room."""

_LINK = re.compile(r"(\]\()([^)#:]+)((?:#[^)]*)?\))")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Any, *, config: Any) -> Any:
    added = [*ADDED, *(f"assets/{path.name}" for path in sorted((ROOT / "assets").iterdir()))]
    for name in added:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    name = page.file.src_uri
    folder = "" if name in ADDED else "docs"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"]

    def led(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found[2]))
        inside = path.removeprefix("docs/")
        if files.get_file_from_path(inside) is None:
            inside = f"{repository}/blob/main/{path}"
        return found[1] + inside + found[3]

    if name in ALONE:
        page.meta["hide"] = ["navigation"]
    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(led, part) for part in parts[::2]]
    return "".join(parts)
