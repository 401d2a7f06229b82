"""The doors to engines, where the engine is not installed."""

from __future__ import annotations

import importlib
import sys

import pytest

pytestmark = pytest.mark.core


@pytest.mark.parametrize(("door", "library"), [("prefect", "prefect"), ("temporal", "temporalio")])
def test_without_the_extra_one_line_says_what_to_install(
    door: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith(f"connector.doors.{door}") or name.partition(".")[0] == library:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(f"connector.doors.{door}")
    assert caught.value.name == library
    assert str(caught.value) == (
        f"connector.doors.{door} needs {library}: "
        f"pip install 'azure-openai-service-connector[{door}]'"
    )
