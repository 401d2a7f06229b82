"""What the README tells a newcomer to type is what works."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .support.manifests import released_actions

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def first_block(heading: str) -> str:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"```sh\n(.*?)```", section, re.S)
    assert found is not None
    return found[1].strip()


def test_the_two_commands_are_those_that_ci_runs() -> None:
    gate = (REPOSITORY / ".ci" / "run").read_text()
    assert first_block("Try it") == "sh dev.sh try"
    assert "sh dev.sh try" in gate
    assert first_block("Run the tests") == "sh dev.sh tests"
    assert "sh dev.sh checks" in gate
    script = (REPOSITORY / "dev.sh").read_text()
    assert re.search(r"^  checks\) .*; tests ;;$", script, re.M)


def sandbox_lines() -> list[str]:
    return [
        line
        for line in README.splitlines()
        if line.startswith("connector ") and "--sandbox" in line
    ]


@pytest.mark.parametrize("line", sandbox_lines())
def test_the_sandbox_commands_run(line: str, tmp_path: Path) -> None:
    words = shlex.split(line)
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout
    if "--query" not in words:  # which may print a bare text
        json.loads(done.stdout.splitlines()[-1])  # a stream has its events before it


def test_every_released_action_is_shown() -> None:
    commands = "\n".join(line for line in README.splitlines() if line.startswith("connector "))
    for action in released_actions():
        assert f"connector invoke {action} " in commands


def test_json_blocks_are_json() -> None:
    for block in re.findall(r"```json\n(.*?)```", README, re.S):
        json.loads(block)


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README):
        assert (REPOSITORY / link).exists(), link


@pytest.mark.parametrize("example", sorted((REPOSITORY / "examples").glob("*.py")), ids=str)
def test_the_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"andbox" in done.stdout


def test_the_python_block_has_strict_types(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "block.py")],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_commands_that_run_unchanged_say_how_to_reach_them() -> None:
    before, _, _ = README.partition("connector invoke createImage --sandbox")
    assert ". .venv/bin/activate" in before.rpartition("## The actions")[2]


def test_the_sdist_carries_what_these_tests_read() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    held = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {"/.ci", "/dev.sh", "/examples", "/*.md"} <= set(held)


def test_the_architecture_names_modules_that_exist() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+(?:\.py|/))`", text))
    assert len(named) > 15
    for name in named:
        assert (REPOSITORY / "connector" / name).exists(), name
