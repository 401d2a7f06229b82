"""The wheel: it carries all it needs, and works installed into an empty environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from connector.sandbox import Sandbox

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "-o", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return folder


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


def test_the_wheel_works_in_an_empty_environment(
    built: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    (wheel,) = built.glob("*.whl")
    python = environment / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    payload = elsewhere / "payload.json"
    payload.write_text(json.dumps({"connection": sandbox.connection("openai")}))
    connector = str(environment / "bin" / "connector")
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for words in (
        ["invoke", "createChatCompletion", "--payload", "payload.json"],
        ["check"],
        ["describe"],
        ["docs"],
    ):
        done = subprocess.run(
            [connector, *words], cwd=elsewhere, env=clean, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    page = (elsewhere / "docs" / "azure-openai-service.md").read_text()
    assert page == (REPOSITORY / "docs" / "azure-openai-service.md").read_text()
    find = (
        "from importlib.metadata import entry_points as e;"
        "c = e(group='connectors')['azure-openai-service'].load().load();"
        "print(c.manifest.key)"
    )
    done = subprocess.run(
        [str(python), "-c", find], cwd=elsewhere, env=clean, capture_output=True, check=False
    )
    assert done.stdout.decode().strip() == "azure-openai-service", done.stderr.decode()
