"""The standard tests, run on the bundled connector."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.sandbox import KINDS
from connector.testing import standard_tests

from .support.manifests import FROZEN

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent


TestBundledConnector = standard_tests(
    ROOT / "connector.yaml",
    page=ROOT / "docs" / "azure-openai-service.md",
    frozen=FROZEN,
    kinds=KINDS,
)
