"""docs/reliability.md has the figures of the policies, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from connector.policy.limits import Policies

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"


def test_the_figures_are_those_of_the_policies() -> None:
    page = PAGE.read_text(encoding="utf-8")
    policies = Policies()
    assert policies.max_response_bytes == 256 << 20
    assert (policies.max_error_bytes, policies.max_text_bytes) == (1 << 20, 128 << 20)
    for text in (
        "256 MiB",
        "128 MiB",
        "1 MiB",
        "5 of 500 tokens",
        "120 s",
        "10 minutes",
        "N + 100",
    ):
        assert text in page
    assert (policies.budget_cost, policies.budget_capacity) == (5, 500)
    assert (policies.max_retry_after_ms, policies.deadline_ms) == (120_000, 600_000)


def test_the_tests_that_the_page_names_exist() -> None:
    names = re.findall(r"`(tests/[a-z_/.]+)`", PAGE.read_text(encoding="utf-8"))
    assert names
    assert [name for name in names if not (PAGE.parent.parent / name).exists()] == []
