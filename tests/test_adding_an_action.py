"""An action is added by its manifest entry and its function: a copy of the connector with one more
action passes the standard tests."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors import page
from connector.doors.cli import main as cli
from connector.manifest import reader
from connector.sandbox import KINDS, Sandbox
from connector.testing import StandardTests
from connector.testing.base import Project, project_of
from connector.text import safe_yaml

ROOT = Path(__file__).parent.parent
PACKAGE = "handlers_with_one_more"

# The names are ones that no real action will have.
ENTRY = safe_yaml.loads("""
key: createSampleEmbedding
label: Create Sample Embedding
description: Turn a text into a vector
handler: sample.create_embedding
inputs:
  - key: model
    label: Model / Deployment Name
    comments: The deployment name on Azure OpenAI, the model name on OpenAI.
    required: true
    default: text-embedding-3-small
    dataSource: selectModel
    schema: { type: string, minLength: 1, maxLength: 256 }
  - key: input
    label: Input
    comments: The text.
    control: textarea
    required: true
    example: The tide tables of the harbour.
    schema: { type: string, minLength: 1 }
examples:
  - name: One text
    inputs: { input: The tide tables of the harbour. }
""")

HANDLER = '''"""Vectors of texts."""


def create_embedding(inputs, client):
    """Return the vector of a text, the model that made it, and the usage."""
    body = {"model": inputs["model"], "input": inputs["input"]}
    match client.post("/embeddings", body, inputs["model"]):
        case {"model": model, "data": [{"embedding": embedding}], "usage": usage}:
            return {"model": model, "embedding": embedding, "usage": usage}
    raise client.invalid("The response has no embedding.")
'''


def with_one_more(document: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with the entry of one more action at its end."""
    return {**document, "actions": [*document["actions"], ENTRY]}


@pytest.fixture(scope="module")
def one_more(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of the bundled connector with one more action."""
    folder = tmp_path_factory.mktemp("one-more")
    for name in ("schemas", "assets"):
        shutil.copytree(ROOT / name, folder / name)
    path = folder / "connector.yaml"
    path.write_text(json.dumps(with_one_more(reader.read(ROOT / "connector.yaml"))))
    handlers = folder / PACKAGE
    shutil.copytree(ROOT / "connector" / "actions", handlers)
    (handlers / "sample.py").write_text(HANDLER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield project_of(path, PACKAGE)
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{PACKAGE}.")]:
        del sys.modules[name]


class TestOneMoreAction(StandardTests):
    document = with_one_more(reader.read(ROOT / "connector.yaml"))
    kinds = KINDS

    @pytest.fixture(scope="class")
    @classmethod
    def project(cls, one_more: Project) -> Project:
        return one_more

    def test_it_runs(self, connector: Connector, sandbox: Sandbox, kind: str) -> None:
        inputs = {"input": "Tides."}
        result = connector.invoke("createSampleEmbedding", inputs, self.connection(sandbox, kind))
        assert result.error is None
        assert set(result.data) == {"model", "embedding", "usage"}
        assert result.meta["usage"] == result.data["usage"]
        (request,) = sandbox.requests
        assert json.loads(request.body) == {"model": "text-embedding-3-small", "input": "Tides."}

    def test_it_runs_on_the_command_line(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["createSampleEmbedding", "--sandbox", "-i", "input=Tides."]
        own = ["--manifest", str(project.path), "--handlers", PACKAGE]
        assert cli.main(["invoke", *words, *own]) == 0
        assert json.loads(capsys.readouterr().out)["ok"] is True

    def test_all_else_is_as_it_was(self, connector: Connector) -> None:
        bundled = Connector.load()
        described = connector.describe()
        added = described["actions"].pop()
        assert added["key"] == "createSampleEmbedding"
        assert described == bundled.describe()
        for name in [*bundled.manifest.actions, "connection"]:
            assert connector.schema(name) == bundled.schema(name)
        before, heading, section = page.render(connector).partition("### Create Sample Embedding ")
        assert heading
        _, heading, after = section.partition("## Other kinds of connection\n")
        assert before + heading + after == page.render(bundled)
