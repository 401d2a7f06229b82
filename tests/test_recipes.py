"""Every recipe of docs/recipes.md runs on the offline provider and prints what the document shows.

`python -m tests.test_recipes` writes the outputs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connector import Connector
from connector.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "recipes.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"[Ss]ave this as `([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SETUP, *RECIPES = sections()


def prepare(folder: Path, url: str) -> dict[str, str]:
    """Follow `Before you start` in a folder; return the environment of the recipes."""
    ((name, text),) = _FILE.findall(sections()[SETUP])
    assert text.count("http://127.0.0.1:8790") == 1
    (folder / name).write_text(text.replace("http://127.0.0.1:8790", url), encoding="utf-8")
    (folder / name).chmod(0o600)
    programs = folder / "bin"
    programs.mkdir()
    for program, words in (("connector", "-W error -m connector"), ("python", "-W error")):
        path = programs / program
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        path.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CONNECTOR_CONNECTIONS": str(folder / name),
    }


def run(recipe: str, folder: Path, environment: dict[str, str]) -> list[tuple[str, str]]:
    """Run the blocks of a recipe in turn; return what each output should be and what it is."""
    section = sections()[recipe]
    for name, text in _FILE.findall(section):
        (folder / name).write_text(text, encoding="utf-8")
    outputs = []
    last = ""
    for language, text in _BLOCK.findall(section):
        if language == "text":
            outputs.append((text, last))
        elif language in ("sh", "python"):
            command = ["sh", "-ec", text] if language == "sh" else ["python", "-c", text]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            assert done.stderr == ""
            last = done.stdout
    return outputs


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_prints_what_it_shows(recipe: str, tmp_path: Path, sandbox: Sandbox) -> None:
    outputs = run(recipe, tmp_path, prepare(tmp_path, sandbox.url))
    assert outputs
    for shown, printed in outputs:
        assert printed == shown, "run: python -m tests.test_recipes"


def test_the_recipes_that_are_asked_for_exist() -> None:
    assert RECIPES == [
        "Classify a ticket",
        "Extract fields as JSON",
        "Describe an image",
        "Let the model call a function",
        "Speak a text and write it down",
        "Translate a file",
        "Retry in an engine",
    ]


def test_the_python_of_the_recipes_has_strict_types(tmp_path: Path) -> None:
    blocks = [
        text for language, text in _BLOCK.findall(PAGE.read_text("utf-8")) if language == "python"
    ]
    for index, text in enumerate(blocks):
        (tmp_path / f"recipe_{index}.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _write(folder: Callable[[str], Path]) -> None:
    with Sandbox(Connector.load().describe()["models"]) as sandbox:
        for recipe in RECIPES:
            at = folder(recipe)
            section = sections()[recipe]
            changed = section
            for shown, printed in run(recipe, at, prepare(at, sandbox.url)):
                changed = changed.replace(f"```text\n{shown}```", f"```text\n{printed}```", 1)
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(page.replace(section, changed), encoding="utf-8")


if __name__ == "__main__":
    from tempfile import mkdtemp

    _write(lambda _: Path(mkdtemp()))
