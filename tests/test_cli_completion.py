"""Completion: what the shell is told, and the script in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from connector.doors.cli import main as cli

REPOSITORY = Path(__file__).parent.parent
FLAGS = ["--prompt", "--num-images", "--image-size", "--model", "--extra-parameters"]


def completed(line: str, folder: Path, env: Mapping[str, str] | None = None) -> list[str]:
    """Return what may stand at the end of `line`, as a shell asks it."""
    file = folder / "completions"
    done = subprocess.run(
        [sys.executable, "-m", "connector"],
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if "CONNECTOR" not in k},
            "PYTHONPATH": str(REPOSITORY),
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'@><=;|&(:",
            "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(file),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            **(env or {}),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return file.read_text().split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("connector inv", ["invoke"]),
        ("connector invoke createI", ["createImage"]),
        ("connector invoke --dry-run createI", ["createImage"]),
        ("connector invoke createImage --image-size 17", ["1792x1024"]),
        ("connector invoke createImage --image-size=10", ["1024x1792", "1024x1024"]),
        ("connector invoke --image", []),
        ("connector invoke rawRequest --retry-all-errors=t", ["true"]),
        ("connector invoke rawRequest -i retryA", ["retryAllErrors=true", "retryAllErrors=false"]),
        ("connector invoke rawRequest -i tim", ["timeout="]),
        ("connector invoke createImage --prompt @no", ["@notes.txt"]),
        ("connector invoke createImage --prompt no", []),
        ("connector invoke createImage --payload no", ["notes.txt"]),
        ("connector invoke createImage --sandbox=azure-", ["azure-dated"]),
        ("connector test-connection --connection p", ["prod"]),
        ("connector test-connection --connections broken --connection p", []),
        ("connector schema conn", ["connection"]),
        ("connector options ", ["selectModel"]),
        ("connector completion z", ["zsh"]),
    ],
)
def test_the_shell_is_told_what_may_follow(line: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "broken").write_text("[")
    connections = tmp_path / "connections.json"
    connections.write_text('{"prod": {"fields": {}}, "staging": {"fields": {}}}')
    env = {"CONNECTOR_CONNECTIONS": str(connections)}
    found = [word for word in completed(line, tmp_path, env) if not word.startswith("--")]
    assert found == expected


def test_the_flags_are_those_of_the_action(tmp_path: Path) -> None:
    found = completed("connector invoke createImage --", tmp_path)
    assert found[: len(FLAGS)] == FLAGS
    assert "--payload" in found
    assert "--image-size" not in completed("connector invoke createCompletions --", tmp_path)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_completes_in_bash(tmp_path: Path) -> None:
    command = tmp_path / "connector"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m connector "$@"\n')
    command.chmod(0o755)
    program = """
        eval "$(connector completion bash)"
        COMP_LINE='connector invoke createImage --num' COMP_POINT=${#COMP_LINE}
        COMP_WORDBREAKS=$' \\t\\n"@=' COMP_TYPE=9
        _python_argcomplete connector --num createImage
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", program],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["--num-images"], done.stderr


@pytest.mark.parametrize(
    ("shell", "has"),
    [
        ("bash", "complete "),
        ("zsh", "#compdef connector"),
        ("fish", "complete --command connector"),
    ],
)
def test_the_script_of_each_shell(shell: str, has: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert has in out
    assert err == ""
    with pytest.raises(SystemExit) as end:
        cli.main(["completion", "tcsh"])
    assert end.value.code == 2


def test_without_the_extra_the_message_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "argcomplete"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert cli.main(["completion", "bash"]) == 2
    says = "completion needs the extra 'cli': pip install 'azure-openai-service-connector[cli]'"
    assert says in capsys.readouterr().err
