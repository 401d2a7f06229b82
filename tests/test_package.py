"""The wheel contains everything that it needs, and works in an empty environment."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

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


def test_wheel_and_sdist_carry_manifest_schemas_and_icon(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = [path.relative_to(REPOSITORY) for path in (REPOSITORY / "schemas").rglob("*.json")]
    needed = ["connector.yaml", "assets/azure-openai-service.png", *map(str, schemas)]
    assert {f"connector/_bundled/{name}" for name in needed} <= names
    assert "connector/py.typed" in names
    assert not any(name.startswith(("tests", "docs")) for name in names)
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    assert {*needed, "LICENSE", "README.md", "dev.sh", "tests/conftest.py"} <= held


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
