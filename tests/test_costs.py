"""What must not grow, counted and not timed: imports of a cold start, parses, compilations,
requests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.manifest import reader
from connector.sandbox import Sandbox
from connector.text import safe_yaml
from connector.validation import compiler

REPOSITORY = Path(__file__).parent.parent

# Runs the command line as an installed wheel does, whose manifest is compiled, and prints what it
# imported.
COUNT = """
import json, sys
from pathlib import Path
from connector.files import resources
resources.root = lambda: Path(sys.argv[1])
from connector.doors.cli import main as cli
code = cli.main(sys.argv[2:])
print("\\n" + json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    raw = reader.read(REPOSITORY / "connector.yaml")
    (folder / "connector.json").write_text(json.dumps(raw))
    for name in ("schemas", "assets"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


def imported(program: str, *words: str) -> set[str]:
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return set(json.loads(done.stdout.splitlines()[-1]))


def top(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


NOTHING = "import json, sys; print(json.dumps(sorted(sys.modules)))"
REQUESTS = "import requests, argparse; " + NOTHING


def payload(folder: Path, connection: Any, **inputs: Any) -> str:
    path = folder / "payload.json"
    path.write_text(json.dumps({"connection": connection, "inputs": inputs}))
    return str(path)


def test_a_cold_invoke_imports_little_more_than_requests(
    bundle: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = payload(tmp_path, sandbox.connection("openai"))
    words = ["invoke", "createChatCompletion", "--payload", file]
    cold = imported(COUNT, str(bundle), *words)
    assert not top(cold) & {"yaml", "jsonschema", "backoff", "asyncio", "aiohttp", "difflib"}
    others = {name for name in cold - imported(REQUESTS) if not name.startswith("connector")}
    assert others <= {"__future__", "gc", "signal", "opcode", "_opcode"}


@pytest.mark.parametrize(
    "words",
    [
        ["describe"],
        ["schema", "createChatCompletion"],
        ["invoke", "createChatCompletion", "--payload", "BAD"],
    ],
    ids=lambda words: words[0],
)
def test_what_sends_nothing_imports_no_http(bundle: Path, tmp_path: Path, words: list[str]) -> None:
    fields = {"apiKey": "sk-0123456789", "isOpenAIKey": True, "endpoint": "http://127.0.0.1:9"}
    bad = payload(tmp_path, {"fields": fields}, topP=7)
    modules = imported(COUNT, str(bundle), *[bad if word == "BAD" else word for word in words])
    heavy = {"requests", "urllib3", "http", "ssl", "email", "socket", "logging", "yaml"}
    heavy |= {"jsonschema", "backoff", "shutil", "random", "hashlib"}
    # Less what the interpreter of the tests brings along, such as coverage.
    assert top(modules - imported(NOTHING)) & heavy == set()


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    calls: list[object] = []
    original: Callable[..., Any] = getattr(owner, name)

    def count(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, count)
    return calls


def test_a_process_parses_once_and_compiles_each_schema_once(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    parses = counted(monkeypatch, safe_yaml, "loads")
    compilations = counted(monkeypatch, compiler, "compile_schema")
    reads = counted(monkeypatch, reader, "read")
    connector = Connector.load()
    for _ in range(3):
        for kind in ("openai", "azure"):
            assert connector.invoke("createChatCompletion", {}, sandbox.connection(kind)).ok
    connector.close()
    assert len(parses) == 1
    assert len(compilations) == 3  # the connection's fields, the inputs, the output
    assert len({id(arguments) for arguments in compilations}) == 3
    assert len({str(arguments[0]) for arguments in reads if isinstance(arguments, tuple)}) == len(
        reads
    )


def test_no_request_is_sent_that_was_not_asked_for(connector: Connector, sandbox: Sandbox) -> None:
    asked: dict[str, tuple[dict[str, Any], int]] = {
        "createChatCompletion": ({}, 1),
        "createImage": ({"prompt": "x", "numImages": 3}, 1),
        "createCompletions": ({"messages": ["a", "b", "c"]}, 3),
        "rawRequest": ({"method": "GET"}, 1),
        "summarizeText": ({"textToSummarize": "A short text."}, 1),
    }
    for action, (inputs, requests) in asked.items():
        sandbox.reset()
        assert connector.invoke(action, inputs, sandbox.connection("openai")).ok
        assert len(sandbox.requests) == requests, action


def test_a_connection_is_opened_once_for_many_calls(connector: Connector, sandbox: Sandbox) -> None:
    from connector.http import connection, dialing

    opened = []
    original = dialing.dial

    def dial(*arguments: Any) -> Any:
        opened.append(arguments)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "dial", dial)
        for _ in range(5):
            assert connector.invoke("createChatCompletion", {}, sandbox.connection("openai")).ok
        assert len(opened) == 1
        inputs = {"messages": [str(n) for n in range(40)], "concurrency": 4}
        assert connector.invoke("createCompletions", inputs, sandbox.connection("openai")).ok
        assert len(opened) <= 4
