"""The actions as activities of Temporal, in the test environment of its SDK."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from connector import Connector
from connector.doors.temporal import activities
from tests.support import canary
from tests.support.fault_server import FaultServer, SilentListener, chat_completion
from tests.support.front import connection, inputs_of
from tests.support.workers import left_behind

CHAT = "createChatCompletion"
WITH_A_KEY = connection("https://example.com", apiKey=canary.KEY)
SLOW_DOWN = {"status": 429, "headers": {"retry-after": "2"}, "json": {"error": {"message": "no"}}}


def answered(text: str = "Hi") -> dict[str, Any]:
    return {"json": chat_completion(text)}


def office(url: str) -> Connector:
    return Connector.load(connections={"office": connection(url, apiKey=canary.KEY)})


def payload(action: str = CHAT, **inputs: Any) -> dict[str, Any]:
    return {"inputs": inputs_of(action, **inputs), "connection": "office"}


def find(connector: Connector, name: str) -> Callable[..., Any]:
    return next(item for item in activities(connector) if item.__name__ == name)


def environment(**info: Any) -> ActivityEnvironment:
    made = ActivityEnvironment()
    info = {"start_to_close_timeout": timedelta(seconds=60), **info}
    made.info = dataclasses.replace(made.info, **info)
    return made


def run(connector: Connector, name: str, given: Any) -> Any:
    return asyncio.run(environment().run(find(connector, name), given))


def failure(connector: Connector, given: Any, name: str = CHAT) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        run(connector, name, given)
    canary.assert_absent("the failure", repr(caught.value) + repr(caught.value.details))
    return caught.value


def test_there_is_an_activity_an_action() -> None:
    connector = Connector.load(connections={})
    names = [activity._Definition.must_from_callable(item).name for item in activities(connector)]
    assert names == [*connector.manifest.actions, "test-connection"]


def test_an_action_runs() -> None:
    with FaultServer(answered("Hello")) as server:
        data = run(office(server.url), CHAT, payload())
    assert data["choices"][0]["message"]["content"] == "Hello"
    assert server.requests[0].header("authorization") == f"Bearer {canary.KEY}"


def test_the_engine_waits_as_long_as_the_provider_asked() -> None:
    with FaultServer(SLOW_DOWN) as server:
        error = failure(office(server.url), payload())
        assert len(server.requests) == 1  # the engine's retries only
    assert error.type == "rate_limited"
    assert error.next_retry_delay == timedelta(seconds=2)
    assert not error.non_retryable
    assert error.details[0]["retryAfterMs"] == 2000


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        (payload(temperature=3), "invalid_input", "/inputs/temperature"),
        ({"inputs": {}, "conection": "office"}, "invalid_payload", "/conection"),
        ({**payload(), "connection": WITH_A_KEY}, "invalid_connection", "/connection"),
        ({**payload(), "connection": "home"}, "invalid_connection", "/connection"),
    ],
    ids=["input", "payload", "key in the payload", "no such connection"],
)
def test_a_mistake_is_not_retried(given: Any, code: str, path: str) -> None:
    with FaultServer(answered()) as server:
        error = failure(office(server.url), given)
        assert server.requests == []
    assert (error.type, error.non_retryable, error.next_retry_delay) == (code, True, None)
    assert error.details[0]["details"][0]["path"] == path


def test_a_request_that_the_provider_refuses_is_not_retried() -> None:
    with FaultServer({"status": 400, "json": {"error": {"message": "no"}}}) as server:
        assert failure(office(server.url), payload()).non_retryable


def test_what_was_done_before_a_failure_is_kept() -> None:
    def answer(_: Any, index: int) -> Any:
        return {"status": 400, "json": {"error": {"message": "no"}}} if index else answered()

    with FaultServer(answer) as server:
        given = payload("createCompletions", messages=["a", "b"], concurrency=1)
        error = failure(office(server.url), given, "createCompletions")
    assert error.type == "partial_failure"
    assert [choice["text"] is None for choice in error.details[1]["choices"]] == [False, True]


def test_a_connection_is_tested() -> None:
    models = {"json": {"object": "list", "data": []}}
    with FaultServer(models) as server:
        verdicts = run(office(server.url), "test-connection", {"connection": "office"})
    assert {row["verdict"] for row in verdicts.values()} <= {"ok", "unknown"}
    with FaultServer({"status": 401, "json": {"error": {"message": "no"}}}) as server:
        error = failure(office(server.url), {"connection": "office"}, "test-connection")
    assert (error.type, error.non_retryable) == ("authentication_failed", True)


def test_heartbeats_go_on_while_a_call_runs() -> None:
    done = threading.Event()
    beats: list[Any] = []

    def answer(_: Any, index: int) -> Any:
        if index:
            assert done.wait(60)
        return answered()

    def note(*details: Any) -> None:
        beats.append(details)
        if (1, 2) in beats:
            done.set()

    async def work() -> None:
        made = environment(heartbeat_timeout=timedelta(seconds=0.3))
        made.on_heartbeat = note
        given = payload("createCompletions", messages=["a", "b"], concurrency=1)
        await made.run(find(office(server.url), "createCompletions"), given)

    with FaultServer(answer) as server:
        asyncio.run(work())
    assert beats[0] == ()
    assert (1, 2) in beats


def test_the_engine_cancels_a_call() -> None:
    async def work() -> None:
        made = environment()
        task = asyncio.create_task(made.run(find(office(server.url), CHAT), payload()))
        await asyncio.to_thread(server.wait_for_requests, 1)
        made.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FaultServer({"hang": True}) as server:
        asyncio.run(work())
        assert left_behind() == []


def test_no_call_outlasts_the_time_limit() -> None:
    async def work() -> None:
        made = environment(start_to_close_timeout=timedelta(seconds=0.3))
        with pytest.raises(ApplicationError) as caught:
            await made.run(find(office(silent.url), CHAT), payload())
        assert caught.value.type == "deadline_exceeded"

    with SilentListener() as silent:
        asyncio.run(work())


with workflow.unsafe.imports_passed_through():

    @workflow.defn(sandboxed=False)
    class Chat:
        @workflow.run
        async def run(self, given: dict[str, Any]) -> Any:
            return await workflow.execute_activity(
                CHAT,
                given,
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=timedelta(seconds=5),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
            )


@pytest.mark.skipif(
    "TEMPORAL_ADDRESS" not in os.environ,
    reason="TEMPORAL_ADDRESS is not set: there is no Temporal server",
)
def test_a_workflow_retries_and_its_history_has_no_key() -> None:
    async def work() -> None:
        client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
        queue = f"connector-{uuid.uuid4()}"
        worker = Worker(
            client, task_queue=queue, workflows=[Chat], activities=activities(office(server.url))
        )
        async with worker:
            handle = await client.start_workflow(Chat.run, payload(), id=queue, task_queue=queue)
            assert (await handle.result())["choices"][0]["message"]["content"] == "Hello"
            canary.assert_absent("the history", (await handle.fetch_history()).to_json())
            with pytest.raises(WorkflowFailureError):
                await client.execute_workflow(
                    Chat.run, payload(temperature=3), id=f"{queue}-2", task_queue=queue
                )

    with FaultServer([SLOW_DOWN, answered("Hello")]) as server:
        asyncio.run(work())
    assert len(server.requests) == 2
