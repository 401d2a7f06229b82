"""The wheel contains everything that it needs, and works in an empty environment."""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from connector import Connector
from connector.sandbox import Sandbox

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--no-isolation", "-o", str(folder), str(REPOSITORY))
    return folder


def run(*words: str) -> None:
    """Run this Python; nothing here needs a package index."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


BUILD = """
import sys, types
from pathlib import Path
sys.path = [folder for folder in sys.path if not Path(folder, "connector/errors.py").is_file()]
sys.modules["requests"] = sys.modules["jsonschema"] = sys.modules["backoff"] = None
sys.path.insert(0, sys.argv[1])  # for hatch_build, which hatchling loads by its path
import hatch_build
sys.path.pop(0)
hook = object.__new__(hatch_build.CustomBuildHook)
hook.__dict__.update({"_BuildHookInterface__root": sys.argv[1]})
hook.__class__ = type("Hook", (hatch_build.CustomBuildHook,), {"target_name": "wheel"})
data = {"force_include": {}}
hook.initialize("standard", data)
(compiled,) = data["force_include"]
print(Path(compiled).stat().st_size)
"""


def test_a_build_needs_no_dependency_of_the_package() -> None:
    """As in the environment that pip makes for it: hatchling and a YAML parser."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(REPOSITORY)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000


def test_every_link_of_the_readme_works_on_a_package_index(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    links = re.findall(r"\]\(([^)]+)\)", str(metadata.get_payload()))
    assert len(links) > 5
    for link in links:
        assert link.startswith(("https://", "#")), link
    shown = [link for link in links if link.startswith("https://raw.")]
    for link in [*shown, *(link for link in links if "/blob/main/" in link)]:
        path = link.partition("/main/")[2].partition("#")[0]
        assert (REPOSITORY / path).is_file(), link


def test_wheel_and_sdist_carry_manifest_schemas_icon_and_console(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = [path.relative_to(REPOSITORY) for path in (REPOSITORY / "schemas").rglob("*.json")]
    console = (REPOSITORY / "connector/doors/server/console").iterdir()
    pages = {str(path.relative_to(REPOSITORY)) for path in console}
    assert pages
    needed = ["connector.yaml", "assets/azure-openai-service.png", *map(str, schemas)]
    assert {f"connector/_bundled/{name}" for name in needed} <= names
    assert {*pages, "connector/py.typed"} <= names
    assert not any(name.startswith(("tests", "docs", "console")) for name in names)
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    assert {
        *needed,
        *pages,
        "console/package.json",
        "LICENSE",
        "README.md",
        "dev.sh",
        "tests/conftest.py",
    } <= held


FORMS = """
import hashlib, json
from connector import Connector
with Connector.load() as ours:
    found = [hashlib.sha256(ours.icon()).hexdigest(), ours.describe()]
    for action in ours.manifest.actions:
        found += [ours.schema(action), ours.output_schema(action)]
print(json.dumps(found))
"""
"""Prints all that a form builder reads."""


@pytest.fixture
def installed(built: Path, tmp_path: Path) -> Path:
    """A fresh environment that has the wheel, and sees its dependencies where these tests do."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    (wheel,) = built.glob("*.whl")
    pip = ["-m", "pip", "--python", str(environment / "bin" / "python")]  # its pip is ours
    run(*pip, "install", "-q", "--no-index", "--no-deps", str(wheel))
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "others.pth").write_text("\n".join(others))
    return environment


def test_the_wheel_works_in_a_fresh_environment(
    installed: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    python = str(installed / "bin" / "python")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    payload = elsewhere / "payload.json"
    payload.write_text(json.dumps({"connection": sandbox.connection("openai")}))
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def output(*command: str) -> str:
        done = subprocess.run(
            command, cwd=elsewhere, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = output(python, "-c", "import connector; print(connector.__file__)").strip()
    assert Path(where).is_relative_to(installed)
    for words in (
        ["invoke", "createChatCompletion", "--payload", "payload.json"],
        ["check"],
        ["describe"],
        ["docs"],
    ):
        output(str(installed / "bin" / "connector"), *words)
    page = (elsewhere / "docs" / "azure-openai-service.md").read_text()
    assert page == (REPOSITORY / "docs" / "azure-openai-service.md").read_text()
    find = (
        "from importlib.metadata import entry_points as e;"
        "c = e(group='connectors')['azure-openai-service'].load().load();"
        "print(c.manifest.key)"
    )
    assert output(python, "-c", find).strip() == "azure-openai-service"
    with Connector.load() as ours:
        expected = [hashlib.sha256(ours.icon()).hexdigest(), ours.describe()]
        for action in ours.manifest.actions:
            expected += [ours.schema(action), ours.output_schema(action)]
    assert json.loads(output(python, "-c", FORMS)) == expected


def test_the_wheel_runs_without_being_installed(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import connector;"
        "c = connector.Connector.load(); c.schema('createChatCompletion');"
        "print(connector.__file__)"
    )
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(wheel)],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(wheel))


# A connector of one's own

GUIDE = (REPOSITORY / "docs" / "your-own-connector.md").read_text(encoding="utf-8")
STEPS = re.compile(
    r"(?:<!-- (?P<how>append|write): (?P<path>\S+) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUNS_PYTEST = """#!{python}
import sys
import pytest
sys.exit(pytest.console_main())
"""
RUNS_PIP = """#!/bin/sh
exec "{own}" -m pip --python "{python}" "$@"
"""


@pytest.fixture
def as_author(installed: Path, tmp_path: Path) -> Callable[[str], str]:
    """Runs a command as an author does who has installed the wheel; returns what it prints.

    `cd` changes the folder of the commands after it.
    """
    python = installed / "bin" / "python"
    for name, text in (("pytest", RUNS_PYTEST), ("pip", RUNS_PIP)):
        script = installed / "bin" / name  # what an index would have installed with them
        script.write_text(text.format(python=python, own=sys.executable), encoding="utf-8")
        script.chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": f"{installed / 'bin'}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # the name says no, and 0 says that it is so
    }
    folder = [tmp_path / "work"]
    folder[0].mkdir()

    def run(command: str) -> str:
        if command.startswith("cd "):
            folder.append(folder[-1] / command[3:])
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder[-1],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    return run


def test_the_guide_to_ones_own_connector_works_as_it_stands(
    as_author: Callable[[str], str], tmp_path: Path
) -> None:
    printed: dict[str, str] = {}
    for step in STEPS.finditer(GUIDE):
        if step["how"]:
            path = tmp_path / "work" / "acme" / step["path"]
            with path.open("a" if step["how"] == "append" else "x", encoding="utf-8") as file:
                file.write(step["text"])
        elif step["language"] == "sh":
            for command in step["text"].splitlines():
                printed[command] = as_author(command)
    for command, text in printed.items():
        if command.startswith("connector invoke") and "--dry-run" not in command:
            assert json.loads(text)["ok"] is True
        if command == "pytest":
            assert " passed" in text
    assert list(printed.values())[-1] == "Acme\n"
