"""The actions as tasks of Prefect, on a server that was started for the tests."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from connector import Connector
from tests.integration.prefect.conftest import Prefect
from tests.support import canary
from tests.support.fault_server import FaultServer, chat_completion
from tests.support.front import connection, inputs_of

CHAT = "createChatCompletion"
BLOCK = "azure-openai-service-apikey/office"
HELLO = {"json": chat_completion("Hello")}
REFUSED = {"status": 400, "json": {"error": {"message": "no"}}}
SLOW_DOWN = {"status": 429, "headers": {"retry-after": "2"}, "json": {"error": {"message": "no"}}}

PROGRAM = """
import json, os, sys
from prefect import flow
from connector.doors.prefect import blocks, tasks

given = json.loads(sys.argv[1])
block = blocks()["apiKey"](
    apiKey=os.environ["KEY"], isOpenAIKey=True, endpoint=given["url"]
)
print(block, repr(block), block.model_dump_json())
block.save("office", overwrite=True)

@flow
def run():
    task = tasks()[given["action"]].with_options(**given["options"])
    if given["thread"]:
        return task.submit(given["inputs"], given["connection"]).result()
    return task(given["inputs"], given["connection"])

state = run(return_state=True)
found = state.result(raise_on_failure=False)
if not state.is_completed():
    found = f"{type(found).__name__}: {found}"
print(json.dumps([state.name, found]))
"""


def run_flow(
    prefect: Prefect, url: str, inputs: Any = None, connection: Any = BLOCK, **more: Any
) -> tuple[str, Any]:
    """Run a flow of one task; return the name of its state, and its result or exception."""
    given = {
        "url": url,
        "action": CHAT,
        "inputs": inputs or inputs_of(CHAT),
        "connection": connection,
        "options": {"retry_delay_seconds": 0},
        "thread": False,
        **more,
    }
    printed = prefect.run("python", "-c", PROGRAM, json.dumps(given), KEY=canary.KEY)
    canary.assert_absent("the log of the flow", printed)
    name, found = json.loads(printed.splitlines()[-1])
    return name, found


def test_an_action_runs(prefect: Prefect) -> None:
    with FaultServer(HELLO) as server:
        name, data = run_flow(prefect, server.url)
    assert name == "Completed"
    assert data["choices"][0]["message"]["content"] == "Hello"
    assert server.requests[0].header("authorization") == f"Bearer {canary.KEY}"


def test_a_retry_waits_as_long_as_the_provider_asked(prefect: Prefect) -> None:
    times = []

    def answer(_: Any, index: int) -> Any:
        times.append(time.monotonic())
        return HELLO if index else SLOW_DOWN

    with FaultServer(answer) as server:
        name, _ = run_flow(prefect, server.url)
    assert name == "Completed"
    assert len(times) == 2
    assert times[1] - times[0] >= 2


@pytest.mark.parametrize(
    ("inputs", "given", "requests", "code"),
    [
        (None, BLOCK, 1, "bad_request"),
        (inputs_of(CHAT, temperature=3), BLOCK, 0, "invalid_input"),
        (None, "home", 0, "invalid_connection"),
        (None, f"{BLOCK}-2", 0, "invalid_connection"),
        (None, connection("https://example.com"), 0, "invalid_connection"),
    ],
    ids=["refused", "wrong input", "no such connection", "no such block", "key in the parameters"],
)
def test_a_mistake_is_not_retried(
    prefect: Prefect, inputs: Any, given: Any, requests: int, code: str
) -> None:
    with FaultServer(REFUSED) as server:
        name, error = run_flow(prefect, server.url, inputs, given)
    assert name == "Failed"
    assert error.startswith(f"ConnectorError: {code}: ")
    assert len(server.requests) == requests


@pytest.mark.parametrize("thread", [False, True], ids=["the flow's thread", "another thread"])
def test_the_engines_time_limit_ends_a_call(prefect: Prefect, thread: bool) -> None:
    options = {"timeout_seconds": 1, "retries": 0}
    with FaultServer({"hang": True}) as server:
        name, error = run_flow(prefect, server.url, options=options, thread=thread)
    assert (name, error.partition(":")[0]) == ("TimedOut", "TaskRunTimeoutError")
    assert len(server.requests) == 1
    found = requests.post(f"{prefect.url}/api/task_runs/filter", json={}, timeout=30).json()
    assert any(row["state"]["name"] == "TimedOut" for row in found)


CHECK = """
import json, os, sys
from connector import ConnectorError
from connector.doors.prefect import blocks

made = blocks()
forms = {key: block.model_json_schema() for key, block in made.items()}
block = made["apiKey"](apiKey=os.environ["KEY"], isOpenAIKey=True, endpoint=sys.argv[1])
try:
    found = block.test()
except ConnectorError as error:
    found = str(error)
print(json.dumps([forms, found]))
"""


def test_a_block_has_the_form_of_the_manifest_and_tests_itself(prefect: Prefect) -> None:
    with FaultServer({"status": 401, "json": {"error": {"message": "no"}}}) as server:
        printed = prefect.run("python", "-c", CHECK, server.url, KEY=canary.KEY)
    forms, found = json.loads(printed.splitlines()[-1])
    assert found.startswith("authentication_failed")
    kinds = Connector.load().manifest.connections
    assert [*forms] == [*kinds]
    for key, kind in kinds.items():
        form = forms[key]
        assert form["secret_fields"] == [field.key for field in kind.fields if field.secret]
        assert form.get("required", []) == [field.key for field in kind.fields if field.required]
        for field in kind.fields:
            assert form["properties"][field.key]["title"] == field.label


def test_the_key_is_in_no_file_and_no_page_of_the_engine(prefect: Prefect) -> None:
    for route in ("block_documents", "flow_runs", "task_runs", "logs"):
        rows = requests.post(f"{prefect.url}/api/{route}/filter", json={}, timeout=30)
        assert rows.ok
        assert rows.json()
        canary.assert_absent(route, rows.text)
    files = [path for path in Path(prefect.home).rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    for path in files:
        canary.assert_absent(path.name, path.read_bytes())
