"""The exported nodes in a real Node-RED: messages in, messages out."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from connector import Connector
from tests.support.fault_server import FaultServer, refused_port

from .node_red_process import (
    KEY,
    SERVER,
    TOKEN,
    NodeRed,
    flow,
    node_red,
    serving,
    wait_for,
)

ACTIONS = {row["key"]: row for row in Connector.load().describe()["actions"]}
META = {"action": "a", "provider": "openai", "attempts": 1, "durationMs": 5, "requestId": None}
ENVELOPE = {"ok": True, "data": "done", "meta": {**META, "warnings": []}}
TEXT = {"textToSummarize": ("msg", "payload.text")}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeRed]:
    with node_red(tmp_path_factory.mktemp("node-red")) as running:
        yield running


@pytest.mark.parametrize("action", list(ACTIONS))
def test_each_action_runs_its_example(red: NodeRed, server: str, action: str) -> None:
    inputs = ACTIONS[action]["examples"][0]["inputs"]
    values = {key: ("msg", f"payload.{key}") for key in inputs}
    red.deploy(flow(server, action, values))
    found = red.send(inputs)
    assert found["output"] == 1
    assert found["payload"]
    assert found["connector"]["ok"] is True
    assert found["connector"]["meta"]["action"] == action
    assert set(found["connector"]) == {"ok", "meta"}
    assert red.status()["fill"] == "green"


@pytest.fixture
def recorder() -> Iterator[FaultServer]:
    """A server that answers any call, and keeps what it received."""
    with FaultServer({"json": ENVELOPE}) as running:
        yield running


def test_typed_inputs_become_values(red: NodeRed, recorder: FaultServer) -> None:
    values = {
        "model": ("str", "gpt"),
        "messages": ("jsonata", '[{"role": "user", "content": payload.question & "?"}]'),
        "temperature": ("num", "0.5"),
        "topP": ("msg", "payload.absent"),
        "numChoices": ("num", ""),
        "stop": ("json", '["END"]'),
        "extraParameters": ("msg", "payload.extra"),
    }
    red.deploy(flow(recorder.url, "createChatCompletion", values))
    red.send({"question": "Why", "extra": {"seed": 7}})
    (request,) = recorder.requests
    assert request.target == "/v1/actions/createChatCompletion"
    assert request.header("Authorization") == f"Bearer {TOKEN}"
    assert request.json() == {
        "connection": "sandbox",
        "inputs": {
            "model": "gpt",
            "messages": [{"role": "user", "content": "Why?"}],
            "temperature": 0.5,
            "stop": ["END"],
            "extraParameters": {"seed": 7},
        },
    }


def test_choices_booleans_and_buffers(red: NodeRed, recorder: FaultServer) -> None:
    values = {
        "url": ("str", "/v1/files"),
        "method": ("choice", "POST"),
        "fileData": ("msg", "payload"),
        "retryAllErrors": ("bool", "true"),
    }
    nodes = flow(recorder.url, "rawRequest", values)
    code = "msg.payload = [{key: 'a', value: Buffer.from('hi')}]; return msg;"
    function = {"id": "make", "type": "function", "z": "tab", "func": code, "wires": [["action"]]}
    for node in nodes:
        if node["id"] == "in":
            node["wires"] = [["make"]]
    red.deploy([*nodes, function])
    red.send({})
    (request,) = recorder.requests
    file = {"contentType": "application/octet-stream", "encoding": "base64", "data": "aGk="}
    assert request.json()["inputs"] == {
        "url": "/v1/files",
        "method": "POST",
        "fileData": [{"key": "a", "value": file}],
        "retryAllErrors": True,
    }


# Failures


def test_a_refused_input_leaves_by_the_second_output(red: NodeRed, server: str) -> None:
    values = {**TEXT, "maxTokens": ("num", "0")}
    red.deploy(flow(server, "summarizeText", values))
    found = red.send({"text": "Tides."})
    assert found["output"] == 2
    assert found["payload"] == {"text": "Tides."}
    assert found["error"]["code"] == "invalid_input"
    assert found["error"]["sent"] == "no"
    assert found["error"]["details"][0]["path"] == "/inputs/maxTokens"
    assert found["connector"]["error"] == found["error"]
    assert red.status() == {"fill": "red", "shape": "dot", "text": "invalid_input"} | red.status()


def test_429_says_when_to_try_again(red: NodeRed, server: str) -> None:
    red.deploy(flow(server, "summarizeText", TEXT))
    found = red.send({"text": "sandbox:rate-limit"})
    assert found["output"] == 2
    assert found["error"]["code"] == "rate_limited"
    assert found["error"]["retryable"] is True
    assert found["error"]["retryAfterMs"] == 1000
    assert found["error"]["httpStatus"] == 429
    assert found["connector"]["meta"]["attempts"] == 3


def test_what_was_done_before_a_failure_is_the_payload(red: NodeRed, server: str) -> None:
    red.deploy(flow(server, "createCompletions", {"messages": ("msg", "payload")}))
    found = red.send(["Name a river.", "sandbox:empty"])
    assert found["output"] == 2
    assert found["error"]["code"] == "partial_failure"
    assert [bool(choice["text"]) for choice in found["payload"]["choices"]] == [True, False]


def test_catch_nodes_get_what_no_output_takes(red: NodeRed, server: str) -> None:
    nodes = flow(server, "summarizeText", {}, wires=(["first"], []))
    red.deploy(nodes)
    found = red.send({})
    assert found["output"] == "catch"
    assert found["error"]["message"].endswith("[invalid_input]")
    assert found["connector"]["error"]["code"] == "invalid_input"


def test_a_wrong_token_is_refused(red: NodeRed, server: str) -> None:
    red.deploy(flow(server, "summarizeText", TEXT, token="wrong"))
    found = red.send({"text": "Tides."})
    assert (found["output"], found["error"]["code"]) == (2, "authentication_failed")


@pytest.mark.parametrize(
    ("url", "code", "sent"),
    [
        ("http://127.0.0.1:{refused}", "connect_failed", "no"),
        ("ftp://127.0.0.1", "invalid_connection", "no"),
        ("nothing", "invalid_connection", "no"),
    ],
)
def test_a_server_that_cannot_be_reached(red: NodeRed, url: str, code: str, sent: str) -> None:
    with refused_port() as port:
        red.deploy(flow(url.format(refused=port), "summarizeText", TEXT))
        found = red.send({"text": "Tides."})
    assert (found["output"], found["error"]["code"]) == (2, code)
    assert found["error"]["sent"] == sent


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"status": 502, "text": "<html>"}, "invalid_response"),
        ({"json": {"ok": True}}, "invalid_response"),
        ({"json": [1]}, "invalid_response"),
        ({"reset": "after_request"}, "connection_lost"),
        ({"json": ENVELOPE, "content_length": 999, "close": "mid_body"}, "connection_lost"),
    ],
)
def test_a_server_that_answers_wrongly(red: NodeRed, response: Any, code: str) -> None:
    with FaultServer(response) as other:
        red.deploy(flow(other.url, "summarizeText", TEXT))
        found = red.send({"text": "Tides."})
    assert (found["output"], found["error"]["code"]) == (2, code)
    assert found["error"]["sent"] == "unknown"


@pytest.mark.parametrize(
    ("value", "words"),
    [(("jsonata", "$undefined("), "Max Tokens"), (("json", "{"), "Max Tokens")],
)
def test_a_value_that_cannot_be_read_is_named(red: NodeRed, value: Any, words: str) -> None:
    red.deploy(flow("http://127.0.0.1:9", "summarizeText", {**TEXT, "maxTokens": value}))
    found = red.send({"text": "Tides."})
    assert found["error"]["code"] == "invalid_input"
    assert words in found["error"]["message"]
    assert found["error"]["details"][0]["path"] == "/inputs/maxTokens"


# Deployments


def in_flight(server: str) -> float:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = requests.get(f"{server}/metrics", headers=headers, timeout=30).text
    rows = [row for row in text.splitlines() if row.startswith("connector_calls_in_flight{")]
    return sum(float(row.rpartition(" ")[2]) for row in rows)


def test_to_deploy_again_cancels_what_runs(red: NodeRed, server: str) -> None:
    nodes = flow(server, "summarizeText", TEXT)
    red.deploy(nodes)
    answers: list[requests.Response] = []
    caller = threading.Thread(target=call_slowly, args=(f"{red.url}/in/call", answers))
    caller.start()
    try:
        wait_for(lambda: in_flight(server) == 1)
        assert red.status()["text"] == "running"
        (action,) = [node for node in nodes if node["id"] == "action"]
        action["name"] = "changed"
        red.deploy(nodes, "nodes")  # all others live on, and could get a message
        wait_for(lambda: in_flight(server) == 0)
    finally:
        caller.join()
    assert answers == []


def call_slowly(url: str, answers: list[requests.Response]) -> None:
    """Call an action that takes an hour; give up after ten seconds without an answer."""
    with contextlib.suppress(requests.Timeout):
        answers.append(requests.post(url, json={"text": "sandbox:slow-3600000"}, timeout=10))


def test_the_token_is_kept_apart_from_the_flow(red: NodeRed, server: str) -> None:
    red.deploy(flow(server, "summarizeText", TEXT))
    assert TOKEN not in json.dumps(red.get("/flows"))
    files = [path for path in red.folder.iterdir() if path.is_file()]
    assert any("cred" in path.name for path in files)
    for path in files:
        assert TOKEN not in path.read_text()


# What the editor asks for


def test_the_models_are_those_of_the_server(red: NodeRed, server: str) -> None:
    red.deploy(flow(server, "summarizeText", TEXT))
    found = red.get(f"/{KEY}/{SERVER}/options/selectModel")["choices"]
    assert {"key": "gpt-5-mini", "label": "gpt-5-mini"} in found


@pytest.mark.parametrize(
    ("node", "source", "words"),
    [
        ("absent", "selectModel", "Deploy the server first."),
        ("action", "selectModel", "Deploy the server first."),
        (SERVER, "nothing", "There is no"),
    ],
)
def test_what_the_editor_cannot_get(
    red: NodeRed, server: str, node: str, source: str, words: str
) -> None:
    red.deploy(flow(server, "summarizeText", TEXT))
    found = red.get(f"/{KEY}/{node}/options/{source}")
    assert set(found) == {"message"}
    assert words in found["message"]


def test_the_editor_learns_that_the_server_is_gone(red: NodeRed) -> None:
    with refused_port() as port:
        red.deploy(flow(f"http://127.0.0.1:{port}", "summarizeText", TEXT))
        found = red.get(f"/{KEY}/{SERVER}/options/selectModel")
    assert "cannot be reached" in found["message"]
