"""`connector actions`: a table on a terminal, a line each in a pipe, JSON when asked."""

from __future__ import annotations

import json

import pytest

from connector.doors.cli import main as cli
from connector.files import resources
from connector.manifest import reader

ACTIONS = reader.load(resources.manifest()).actions.values()


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["actions", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_in_a_pipe_each_action_is_a_line_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split("\t") for line in shown(capsys).splitlines()]
    assert [row[:3] for row in rows] == [[a.key, a.label, a.description] for a in ACTIONS]
    assert {row[0]: row[3] for row in rows}["summarizeText"] == "model,textToSummarize"


def test_json_is_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(shown(capsys, "--json"))
    assert [row["key"] for row in rows] == [action.key for action in ACTIONS]
    assert {
        "key": "createImage",
        "label": "Create Image",
        "description": "Create image(s) given a prompt",
        "required": ["prompt"],
    } in rows


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("connector.doors.cli.listing.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(capsys).splitlines()
    assert lines[0].split("  ")[0] == "ACTION"
    assert all(len(line) <= width for line in lines)
    text = "".join("".join(lines).split())
    for action in ACTIONS:
        assert action.key in text
        for item in action.inputs:
            assert item.key in text or not item.required
    if width >= 80:
        for action in ACTIONS:
            assert any(action.description in line for line in lines)
