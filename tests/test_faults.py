"""Every case of `tests/cases/faults.yaml`: the envelope, the requests, the waits, and no key
anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import Connector
from tests.conftest import FakeClock
from tests.support import canary, fault_cases
from tests.support.fault_cases import Case
from tests.support.workers import left_behind

CASES = fault_cases.cases()


@pytest.fixture(autouse=True)
def _silence(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing that a case prints or logs has the key in it."""
    with canary.all_logs() as logs:
        yield
    printed = capfd.readouterr()
    canary.assert_absent("stdout", printed.out)
    canary.assert_absent("stderr", printed.err)
    canary.assert_absent("the logs", logs.getvalue())


@pytest.mark.parametrize("case", CASES, ids=[f"{case.name} ({case.provider})" for case in CASES])
def test_a_fault_becomes_its_envelope(
    case: Case, connector: Connector, fake_clock: FakeClock, tmp_path: Path
) -> None:
    played = fault_cases.play(case, connector, fake_clock, tmp_path)
    fault_cases.check(case, played)
    assert left_behind() == []
    for where, content in canary.everything_of(played.result):
        canary.assert_absent(where, content)
