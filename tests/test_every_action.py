"""The standard tests, run on the bundled connector."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.handlers import HANDLERS
from connector.manifest import reader

from .support import suites

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project() -> suites.Project:
    return suites.project(ROOT / "connector.yaml", HANDLERS, ROOT / "connector" / "actions")


class TestBundledConnector(suites.ConnectorSuite):
    document = reader.read(ROOT / "connector.yaml")
