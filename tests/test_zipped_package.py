"""The package runs from a zip, as a wheel on `sys.path` is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from connector import Connector
from connector.manifest import reader
from connector.sandbox import Sandbox
from tests.support.manifests import examples

REPOSITORY = Path(__file__).parent.parent

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import connector
from connector import ConnectorError
from connector.files import resources
from connector.doors.cli import main as cli

assert connector.__file__.startswith(sys.argv[1]), connector.__file__
loaded = connector.Connector.load()
for name in ("../../__init__.py", "/etc/hostname", "outputs/../../connector.yaml"):
    try:
        loaded.manifest.schemas(name)
    except ConnectorError as error:
        assert "outside" in error.message, error
    else:
        raise AssertionError(name)
with (resources.root() / loaded.manifest.raw["icon"]).open("rb") as file:
    icon = file.read()
print(json.dumps({
    "manifest": resources.manifest().name,
    "described": loaded.describe(),
    "schemas": [loaded.schema(key) for key in [*loaded.manifest.actions, "connection"]],
    "results": [
        loaded.invoke(key, inputs, json.loads(sys.argv[2])).to_dict()["ok"]
        for key, inputs in json.loads(sys.argv[3]).items()
    ],
    "icon": icon.hex(),
    "check": cli.main(["check"]),
}))
"""


def zipped(folder: Path, inside: str, compiled: bool) -> Path:
    """Return what to put on `sys.path` for a zip that holds the package as a wheel does."""
    archive = folder / "connector.whl"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (REPOSITORY / "connector").rglob("*.py"):
            file.write(path, inside + str(path.relative_to(REPOSITORY)))
        bundle = f"{inside}connector/_bundled/"
        for name in ("schemas", "assets"):
            for path in (REPOSITORY / name).rglob("*.*"):
                file.write(path, bundle + str(path.relative_to(REPOSITORY)))
        file.write(REPOSITORY / "connector.yaml", bundle + "connector.yaml")
        if compiled:
            raw = reader.read(REPOSITORY / "connector.yaml")
            file.writestr(bundle + "connector.json", json.dumps(raw))
    return archive / inside if inside else archive


@pytest.mark.parametrize(("inside", "compiled"), [("", True), ("", False), ("lib/", True)])
def test_the_package_runs_from_a_zip(
    tmp_path: Path, sandbox: Sandbox, inside: str, compiled: bool
) -> None:
    inputs = dict(examples())
    place = zipped(tmp_path, inside, compiled)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [
            sys.executable,
            *("-W", "error", "-c", PROGRAM),
            *map(str, (place, json.dumps(sandbox.connection("openai")), json.dumps(inputs))),
        ],
        env=clean,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    connector = Connector.load()
    assert found["manifest"] == ("connector.json" if compiled else "connector.yaml")
    assert found["described"] == connector.describe()
    assert found["schemas"] == [
        connector.schema(key) for key in [*connector.manifest.actions, "connection"]
    ]
    assert found["results"] == [True] * len(inputs)
    assert found["check"] == 0, done.stderr
    icon = REPOSITORY / connector.manifest.raw["icon"]
    assert bytes.fromhex(found["icon"]) == icon.read_bytes()
