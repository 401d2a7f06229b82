"""The HTTP door: its routes, its statuses, its description."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import validate

from connector import Connector
from connector.doors.server.settings import Settings
from connector.doors.statuses import STATUS, status_of
from connector.errors import CODES, ConnectorError
from connector.sandbox import Sandbox
from tests.support.event_peer import EventPeer, Step, whole
from tests.support.fault_server import FaultServer, SilentListener, chat_completion
from tests.support.front import connection, inputs_of
from tests.support.http_door import RunningDoor, running_door

CHAT = "/v1/actions/createChatCompletion"
RAW = "/v1/actions/rawRequest"
TOKEN = "a-token-of-the-operator"


@pytest.fixture(scope="module")
def door(running_sandbox: Sandbox) -> Iterator[RunningDoor]:
    with running_door({"sandbox": running_sandbox.connection("openai")}) as running:
        yield running


def payload(**inputs: Any) -> dict[str, Any]:
    return {"connection": "sandbox", "inputs": inputs_of("createChatCompletion", **inputs)}


# What a form builder reads


def test_actions_are_the_manifest_as_described(door: RunningDoor) -> None:
    described = Connector.load().describe()
    assert door.request("GET", "/v1/actions").json() == described
    for row in described["actions"]:
        assert door.request("GET", f"/v1/actions/{row['key']}").json() == row


def test_schemas_are_those_of_the_runtime(door: RunningDoor) -> None:
    connector = Connector.load()
    for key in connector.manifest.actions:
        path = f"/v1/actions/{key}/schema"
        assert door.request("GET", path).json() == connector.schema(key)
        assert door.request("GET", path + "?output").json() == connector.output_schema(key)
    found = door.request("GET", "/v1/connection/schema").json()
    assert found == connector.schema("connection")


def test_connections_are_names_only(door: RunningDoor) -> None:
    assert door.request("GET", "/v1/connections").json() == ["sandbox"]


def test_the_icon_is_a_png(door: RunningDoor) -> None:
    response = door.request("GET", "/v1/icon")
    assert response.headers["Content-Type"] == "image/png"
    assert response.content == Connector.load().icon()


# Calls


def test_a_call_returns_the_envelope(door: RunningDoor) -> None:
    response = door.post(CHAT, payload(model="gpt-4o-mini"))
    assert response.status_code == 200
    envelope = response.json()
    assert envelope["ok"] is True
    assert envelope["meta"]["action"] == "createChatCompletion"
    assert "Sandbox" in envelope["data"]["choices"][0]["message"]["content"]


def test_a_dry_run_shows_the_request_without_the_key(door: RunningDoor) -> None:
    response = door.post(CHAT + "/dry-run", payload())
    data = response.json()["data"]
    assert data["method"] == "POST"
    assert data["headers"]["Authorization"] == "Bearer ***"


def test_a_connection_is_tested_and_its_models_are_listed(door: RunningDoor) -> None:
    found = door.post("/v1/connection/test", {"connection": "sandbox"}).json()
    assert found["ok"] is True
    models = door.post("/v1/options/selectModel", {"connection": "sandbox"}).json()
    assert {"key", "label"} <= set(models["data"][0])


def test_every_code_has_the_status_of_the_contract() -> None:
    expected = {
        "invalid_payload": 400,
        "invalid_input": 400,
        "invalid_connection": 400,
        "blocked_target": 400,
        "unknown_action": 404,
        "internal_error": 500,
        "invalid_manifest": 500,
        "deadline_exceeded": 504,
        "partial_failure": 200,
    }
    assert expected == STATUS
    for code in CODES:
        assert status_of(ConnectorError(code, "-")) == expected.get(code, 424), code
    assert status_of(None) == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (CHAT, {"connection": "sandbox", "inputs": {"topP": 7}}, 400, "invalid_input"),
        (CHAT, {"connection": "absent", "inputs": {}}, 400, "invalid_connection"),
        (CHAT, {"connection": "sandbox", "input": {}}, 400, "invalid_payload"),
        (CHAT, [], 400, "invalid_payload"),
        ("/v1/actions/createNothing", {}, 404, "unknown_action"),
        ("/v1/actions/createNothing/dry-run", {}, 404, "unknown_action"),
        ("/v1/options/nothing", {"connection": "sandbox"}, 400, "invalid_payload"),
        ("/v1/nothing", {}, 404, "unknown_action"),
        ("/healthz", {}, 405, "invalid_payload"),
    ],
)
def test_a_wrong_request_gets_an_envelope(
    door: RunningDoor, path: str, body: Any, status: int, code: str
) -> None:
    response = door.post(path, body)
    assert response.status_code == status
    error = response.json()["error"]
    assert (error["code"], error["sent"]) == (code, "no")


def test_duplicate_keys_are_refused(door: RunningDoor) -> None:
    text = '{"connection": "sandbox", "connection": "sandbox", "inputs": {}}'
    headers = {"Content-Type": "application/json"}
    response = door.request("POST", CHAT, data=text, headers=headers)
    assert response.status_code == 400
    assert "duplicated" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ({"status": 400, "json": {"error": {"message": "no"}}}, 424, "bad_request"),
        ({"status": 401, "json": {"error": {"message": "no"}}}, 424, "authentication_failed"),
        ({"status": 429, "json": {"error": {"message": "no"}}}, 424, "rate_limited"),
        ({"status": 500, "json": {"error": {"message": "no"}}}, 424, "server_error"),
    ],
)
def test_a_failure_of_the_provider_is_424_with_its_own_status(
    script: Any, status: int, code: str
) -> None:
    with (
        FaultServer([script] * 9) as provider,
        running_door({"p": connection(provider.url)}) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("rawRequest")}
        response = running.post(RAW, body)
    assert response.status_code == status
    error = response.json()["error"]
    assert (error["code"], error["httpStatus"]) == (code, script["status"])


def test_a_partial_failure_is_200_and_keeps_the_data() -> None:
    scripts = [
        {"json": chat_completion("a")},
        {"status": 400, "json": {"error": {"message": "no"}}},
    ]
    with (
        FaultServer(scripts) as provider,
        running_door({"p": connection(provider.url)}) as running,
    ):
        inputs = inputs_of("createCompletions", messages=["a", "b"])
        response = running.post(
            "/v1/actions/createCompletions", {"connection": "p", "inputs": inputs}
        )
    assert response.status_code == 200
    envelope = response.json()
    assert envelope["ok"] is False
    assert envelope["error"]["code"] == "partial_failure"
    assert [choice["text"] for choice in envelope["data"]["choices"]] == ["a", None]


# Streams


def _events(response: requests.Response) -> list[tuple[str, Any]]:
    found = []
    for block in response.text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


EVENTS = {"Accept": "text/event-stream"}


def test_a_stream_has_an_event_a_delta_and_the_result_last(door: RunningDoor) -> None:
    plain = door.post(CHAT, payload(model="gpt-4o-mini")).json()
    response = door.post(CHAT, payload(model="gpt-4o-mini"), headers=EVENTS)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    *events, (last, envelope) = _events(response)
    assert {name for name, _ in events} == {"text"}
    text = "".join(event["text"] for _, event in events)
    assert text == plain["data"]["choices"][0]["message"]["content"]
    assert last == "result"
    assert envelope["data"] == plain["data"]


def test_what_fails_before_its_first_event_has_its_status(door: RunningDoor) -> None:
    response = door.post(CHAT, payload(topP=7), headers=EVENTS)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_input"
    body = {"connection": "sandbox", "inputs": {"prompt": "A lighthouse"}}
    response = door.post("/v1/actions/createImage", body, headers=EVENTS)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_payload"


def test_a_stream_that_fails_later_says_so_in_its_result() -> None:
    with (
        EventPeer(whole("a", "b")[:2], ends="cut") as peer,
        running_door({"p": connection(peer.url)}) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("createChatCompletion")}
        response = running.post(CHAT, body, headers=EVENTS)
    (_, first), (_, envelope) = _events(response)
    assert first["text"] == "a"
    assert envelope["error"]["sent"] == "unknown"
    assert envelope["data"]["choices"][0]["message"]["content"] == "a"


def test_a_reader_that_goes_away_ends_its_stream() -> None:
    forever = threading.Event()
    steps: list[Step] = [*whole("a")[:2], forever.wait]
    with EventPeer(steps) as peer:
        with running_door({"p": connection(peer.url)}, Settings(concurrency=1)) as running:
            body = {"connection": "p", "inputs": inputs_of("createChatCompletion")}
            with requests.post(
                running.url + CHAT, json=body, headers=EVENTS, stream=True, timeout=30
            ) as response:
                assert next(response.iter_lines()) == b"event: text"
            _wait_for(lambda: running.post(CHAT + "/dry-run", body).status_code == 200)
        forever.set()


# Connections in payloads


def test_a_connection_in_a_payload_is_refused_by_default(door: RunningDoor) -> None:
    body = {"connection": connection("https://example.com"), "inputs": {}}
    response = door.post(CHAT, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_connection"
    response = door.post(CHAT, {"inputs": {"connection": body["connection"]}})
    assert response.json()["error"]["code"] == "invalid_connection"


def test_a_connection_in_a_payload_reaches_listed_hosts_only() -> None:
    with SilentListener() as silent, FaultServer([{"json": chat_completion("a")}]) as provider:
        body = {"inputs": inputs_of("createChatCompletion")}
        with running_door({}, Settings(inline=True)) as running:
            refused = running.post(CHAT, {**body, "connection": connection(silent.url)})
        with running_door({}, Settings(inline=True, reach=("127.0.0.0/8",))) as running:
            allowed = running.post(CHAT, {**body, "connection": connection(provider.url)})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "blocked_target"
    assert silent.connections == 0
    assert allowed.status_code == 200


def test_a_named_connection_reaches_what_its_operator_configured() -> None:
    with (
        FaultServer([{"json": chat_completion("a")}]) as provider,
        running_door({"p": connection(provider.url)}, Settings(inline=True)) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("createChatCompletion")}
        assert running.post(CHAT, body).status_code == 200


# The door itself


def test_its_token_is_required_except_for_health() -> None:
    with running_door({}, token=TOKEN) as running:
        for header in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
            response = running.request("GET", "/v1/actions", headers={"Authorization": header})
            assert response.status_code == 401, header
            error = response.json()["error"]
            assert (error["code"], error["sent"]) == ("authentication_failed", "no")
            assert TOKEN not in response.text
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert running.request("GET", "/v1/actions", headers=headers).status_code == 200
        assert running.request("GET", "/healthz").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "a b"])
def test_an_unknown_host_name_is_refused(door: RunningDoor, host: str) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 30) as sock:
        sock.sendall(
            f"GET /v1/actions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        assert sock.makefile("rb").readline().split()[1] in (b"403", b"400")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:80", "served.example"])
def test_loopback_and_listed_host_names_are_served(host: str) -> None:
    with running_door({}, Settings(hosts=("served.example",))) as running:
        response = running.request("GET", "/v1/actions", headers={"Host": host})
    assert response.status_code == 200


def test_web_pages_of_other_origins_are_refused_unless_listed() -> None:
    settings = Settings(origins=("https://app.example",))
    with running_door({}, settings) as running:
        for origin, status in (
            ("https://evil.example", 403),
            ("null", 403),
            (running.url, 200),
            ("https://app.example", 200),
        ):
            response = running.request("GET", "/v1/actions", headers={"Origin": origin})
            assert response.status_code == status, origin
            listed = origin == "https://app.example"
            allowed = response.headers.get("Access-Control-Allow-Origin")
            assert allowed == (origin if listed else None)
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        assert running.request("OPTIONS", CHAT, headers=asked).status_code == 204


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(door: RunningDoor, kind: str) -> None:
    response = door.request("POST", CHAT, data=b"{}", headers={"Content-Type": kind})
    assert response.status_code == 415


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(chunked: bool) -> None:
    body: Any = json.dumps(payload(messages=[{"role": "user", "content": "x" * 5000}])).encode()
    with running_door({}, Settings(body_bytes=4096)) as running:
        data = iter([body]) if chunked else body
        headers = {"Content-Type": "application/json"}
        response = running.request("POST", CHAT, data=data, headers=headers)
    assert response.status_code == 413


def test_a_request_id_is_returned_and_made_where_it_is_absent(door: RunningDoor) -> None:
    response = door.request("GET", "/healthz", headers={"X-Request-Id": "mine-1"})
    assert response.headers["X-Request-Id"] == "mine-1"
    for given in ("", "a b", "x" * 100):
        response = door.request("GET", "/healthz", headers={"X-Request-Id": given})
        assert response.headers["X-Request-Id"] not in ("", given)


def test_a_full_door_refuses_with_retry_after_and_serves_the_rest() -> None:
    with SilentListener() as silent:
        settings = Settings(concurrency=1)
        with running_door({"p": connection(silent.url)}, settings) as running:
            body = json.dumps({"connection": "p", "inputs": inputs_of("rawRequest")}).encode()
            with _started(running, body):
                _wait_for(lambda: silent.connections == 1)
                response = running.post(RAW, {"connection": "p", "inputs": {}})
                assert response.status_code == 429
                assert response.headers["Retry-After"] == "1"
                error = response.json()["error"]
                assert (error["code"], error["sent"]) == ("rate_limited", "no")
                assert running.request("GET", "/healthz").status_code == 200


def test_a_client_that_goes_away_frees_its_slot_and_hangs_up() -> None:
    before = threading.active_count()
    with SilentListener() as silent:
        settings = Settings(concurrency=1)
        with running_door({"p": connection(silent.url)}, settings) as running:
            body = {"connection": "p", "inputs": inputs_of("rawRequest")}
            for count in (1, 2, 3):
                with _started(running, json.dumps(body).encode()):
                    _wait_for(lambda count=count: silent.connections == count)
                _wait_for(lambda: running.post(RAW + "/dry-run", body).status_code == 200)
    assert threading.active_count() <= before


def test_metrics_count_calls_by_their_outcome(running_sandbox: Sandbox) -> None:
    with running_door({"sandbox": running_sandbox.connection("openai")}) as running:
        running.post(CHAT, payload(model="gpt-4o-mini"))
        running.post(CHAT, {"connection": "sandbox", "inputs": {"topP": 7}})
        text = running.request("GET", "/metrics").text
    label = 'action="createChatCompletion"'
    assert f'connector_calls_total{{{label},code="ok",provider="openai"}} 1.0' in text
    assert f'connector_calls_total{{{label},code="invalid_input",provider="openai"}} 1.0' in text
    assert f"connector_call_seconds_count{{{label}}} 2.0" in text
    assert f"connector_calls_in_flight{{{label}}} 0.0" in text
    assert f'connector_tokens_total{{{label},kind="completion"}}' in text


# OpenAPI


def test_openapi_is_valid_with_an_operation_an_action(door: RunningDoor) -> None:
    document = door.request("GET", "/openapi.json").json()
    validate(document)
    keys = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(keys) == len(set(keys))
    assert set(Connector.load().manifest.actions) <= set(keys)


@pytest.mark.parametrize("action", list(Connector.load().manifest.actions))
def test_openapi_describes_requests_and_responses(door: RunningDoor, action: str) -> None:
    document = door.request("GET", "/openapi.json").json()
    operation = document["paths"][f"/v1/actions/{action}"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    check(document, content["schema"], content["example"])
    for body in (content["example"], {"connection": "sandbox", "inputs": {"none": 1}}):
        response = door.post(f"/v1/actions/{action}", body)
        described = operation["responses"][str(response.status_code)]
        schema = described["content"]["application/json"]["schema"]
        check(document, schema, response.json())
    assert door.post(f"/v1/actions/{action}", content["example"]).status_code == 200


def check(document: Any, schema: Any, value: Any) -> None:
    """Fail unless `value` is what a schema of the document allows."""
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(
        value
    )


@contextlib.contextmanager
def _started(running: RunningDoor, body: bytes) -> Iterator[None]:
    """Start a call; its client goes away at the end of the block."""
    head = (
        f"POST {RAW} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", running.port), 30) as sock:
        sock.sendall(head.encode() + body)
        yield


def _wait_for(condition: Any) -> None:
    """Wait until something holds; the test fails by its own limit if it never does."""
    pause = threading.Event()
    for _ in range(3000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never happened")
