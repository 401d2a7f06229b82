"""`dev.sh` where Python lacks ensurepip, and what pyproject.toml declares for it to install."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))

# Has ensurepip once apt-get has run, and makes no environment but says that it would.
PYTHON = f"""#!/bin/sh
case "$*" in
  "-c import ensurepip"*) test -f "$0-venv" ;;
  "-m venv"*) echo "would make an environment" >&2; exit 7 ;;
  *) exec '{sys.executable}' "$@" ;;
esac
"""
APT = """#!/bin/sh
echo "apt-get $*"
case "$*" in *install*python3-venv) touch "$(dirname "$0")/python3-venv" ;; esac
"""
LINE = "apt-get install python3-venv"


def without_ensurepip(folder: Path, user: int, apt: str | None) -> subprocess.CompletedProcess[str]:
    """Run `dev.sh try` as a user on a machine whose Python lacks ensurepip."""
    programs = {"python3": PYTHON, "id": f"#!/bin/sh\necho {user}\n", "apt-get": apt}
    for name in ("sh", "dirname", "touch"):
        (folder / name).symlink_to(f"/bin/{name}")
    for name, text in programs.items():
        if text is not None:
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
    return subprocess.run(
        ["sh", str(REPOSITORY / "dev.sh"), "try"],
        env={"PATH": str(folder), "VENV": str(folder / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_ensurepip_root_gets_it_from_apt(tmp_path: Path) -> None:
    done = without_ensurepip(tmp_path, 0, APT)
    assert "installing python3-venv with apt-get" in done.stderr
    assert "apt-get update" in done.stderr
    assert done.stderr.endswith("would make an environment\n")
    assert done.stdout == ""  # the envelope's place


@pytest.mark.parametrize(
    ("user", "apt", "line"),
    [
        (1000, APT, f"    sudo {LINE}\n"),
        (0, "#!/bin/sh\nexit 100\n", f"    {LINE}\n"),
        (0, None, f"    {LINE}\n"),
    ],
    ids=["user", "failing apt", "no apt"],
)
def test_without_ensurepip_one_line_says_what_to_do(
    tmp_path: Path, user: int, apt: str | None, line: str
) -> None:
    done = without_ensurepip(tmp_path, user, apt)
    assert done.returncode == 1
    assert done.stderr.endswith(line)
    assert not (tmp_path / "python3-venv").exists()
    assert not (tmp_path / "venv").exists()


def test_the_package_index_is_the_one_that_pip_is_configured_for() -> None:
    for script in ("dev.sh", ".ci/run"):
        assert "://" not in (REPOSITORY / script).read_text()


def test_the_help_lists_every_task() -> None:
    script = REPOSITORY / "dev.sh"
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    shown = re.findall(r"^  sh dev.sh ([\w-]+)", done.stderr, re.MULTILINE)
    tasks = re.findall(r"^  ([\w-]+)\) ", script.read_text().partition('case "$task" in')[2], re.M)
    assert {*tasks} == {*shown}
    assert "set -eu" not in done.stderr


def test_the_locked_npm_packages_name_no_registry() -> None:
    locks = [*REPOSITORY.glob("tests/integration/*/package-lock.json")]
    assert locks
    for lock in locks:
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        assert not any("resolved" in package for package in packages.values())


def declared(requirements: list[str]) -> set[str]:
    """Return the names of requirements, each of which has a lower bound that can be tested."""
    found = [
        re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z]+\])?>=[0-9.]+(,<[0-9.]+)?(; .+)?", text)
        for text in requirements
        if not text.startswith(PROJECT["project"]["name"])  # another of its extras
    ]
    assert all(found), requirements
    return {match[1] for match in found if match}


EXTRAS = {
    "connector/doors/airflow": ("airflow",),
    "connector/doors/bulk": ("bulk", "celery", "parquet"),
    "connector/doors/cli": ("cli",),
    "connector/doors/export": ("export",),
    "connector/doors/mcp": ("mcp", "server"),
    "connector/doors/prefect": ("prefect",),
    "connector/doors/server": ("otel", "server"),
    "connector/doors/temporal": ("temporal",),
    "connector/providers/entra.py": ("entra",),
    "connector/sandbox": ("sandbox",),
    "connector/testing": ("testing",),
}
"""The extras that each part needs beside the dependencies."""


@pytest.mark.parametrize("part", ["connector", *EXTRAS])
def test_what_is_imported_is_declared(part: str) -> None:
    names = declared(PROJECT["project"]["dependencies"]) | {"connector"}
    for extra in EXTRAS.get(part, ()):
        names |= declared(PROJECT["project"]["optional-dependencies"][extra])
    others = [REPOSITORY / other for other in EXTRAS if other != part]
    paths = [
        path
        for path in [REPOSITORY / part, *(REPOSITORY / part).rglob("*.py")]
        if path.is_file() and not any(path.is_relative_to(other) for other in others)
    ]
    imported: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).partition(".")[0])
    packages = {
        "PIL": "pillow",
        "opentelemetry": "opentelemetry-api",
        "yaml": "pyyaml",
        "airflow": "apache-airflow",
        "anyio": "mcp",  # which brings these two
        "azure": "azure-identity",
        "kombu": "celery",  # which brings these two
        "redis": "celery",
        "mcp_types": "mcp",
        "pydantic": "prefect",
        "prometheus_client": "prometheus-client",
    }
    missing = {packages.get(name, name) for name in imported - sys.stdlib_module_names} - names
    assert not missing
