"""The documents below docs/: each is in the index and on the site, and links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import connector

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = sorted(path.name for path in DOCS.glob("*.md"))
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def named(nav: Any) -> list[str]:
    """Return the files that a navigation names."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [name for entry in entries for name in named(entry)]


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a document."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE):
        given = re.search(r"\{#([^}]+)\}$", heading)
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(given[1] if given else slug)
    return found


def test_every_document_is_in_the_navigation_of_the_site() -> None:
    assert {name for name in named(SITE["nav"]) if (DOCS / name).is_file()} == {*DOCUMENTS}
    for name in named(SITE["nav"]):
        assert (DOCS / name).is_file() or (ROOT / name).is_file(), name


def test_every_document_is_in_the_index() -> None:
    index = prose(DOCS / "index.md")
    assert [name for name in DOCUMENTS if name != "index.md" and f"]({name})" not in index] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_links_of_a_document_lead_somewhere(name: str) -> None:
    for target, _, anchor in re.findall(r"\]\(([^):#]*)(#([^)]*))?\)", prose(DOCS / name)):
        path = DOCS / target if target else DOCS / name
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{target}#{anchor}"


def test_the_reference_has_every_public_name() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: connector\.(\w+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted({*connector.__all__} - {"__version__"})


def test_the_site_asks_for_no_fonts_and_no_repository_figures() -> None:
    assert SITE["theme"]["font"] is False
    assert "repo_url" not in SITE  # the theme would ask its host for stars and forks


@pytest.mark.parametrize("name", DOCUMENTS)
def test_python_in_a_document_is_python(name: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / name).read_text("utf-8"), re.S | re.M)
    for block in blocks:
        ast.parse(block)
