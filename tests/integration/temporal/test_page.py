"""The programs of docs/engines.md for Temporal."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from connector import Connector
from connector.doors.temporal import activities
from connector.sandbox import Sandbox
from tests.integration.conftest import run
from tests.support.documents import blocks, files, section
from tests.test_recipes import prepare

SECTION = section("engines.md", "Temporal")


@pytest.fixture
def page(tmp_path: Path, sandbox: Sandbox) -> dict[str, str]:
    """Save the files of the page; return the environment of its programs."""
    for name, text in files(SECTION).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return prepare(tmp_path, sandbox.url)


def test_it_prints_what_it_shows(tmp_path: Path, page: dict[str, str]) -> None:
    printed = run("sh", "-c", "python try_it.py", cwd=tmp_path, env=page)
    assert [printed] == blocks(SECTION, "text")


def test_a_worker_accepts_the_workflow(
    tmp_path: Path, page: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CONNECTIONS", page["CONNECTOR_CONNECTIONS"])
    spec = importlib.util.spec_from_file_location("worker", tmp_path / "worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "worker", module)
    monkeypatch.syspath_prepend(tmp_path)
    spec.loader.exec_module(module)

    definition = workflow._Definition.must_from_class(module.Ask)

    async def work() -> None:
        SandboxedWorkflowRunner().prepare_workflow(definition)  # as a worker does when it starts

    asyncio.run(work())


def test_the_workflow_calls_an_activity_of_the_worker() -> None:
    (name,) = re.findall(r"execute_activity\(\s*\"(\w+)\"", files(SECTION)["worker.py"])
    assert name in [activity.__name__ for activity in activities(Connector.load())]
