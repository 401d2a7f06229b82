"""The actions as Celery tasks, whatever the application is: Celery's own part is left out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from connector import Connector
from connector.doors.tasks import ActionFailed, register
from tests.support.fault_server import FaultServer, chat_completion

CHAT = "createChatCompletion"
INPUTS = {"messages": [{"role": "user", "content": "Hi"}]}


class Retry(Exception):
    """What Celery's `retry` raises."""


class Task:
    """What a task sees of Celery."""

    def __init__(self) -> None:
        self.request = SimpleNamespace(retries=0)
        self.asked: list[dict[str, Any]] = []

    def retry(self, **options: Any) -> Exception:
        self.asked.append(options)
        return Retry()


class App:
    """Notes the tasks as Celery would register them."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}

    def task(self, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        self.options[options["name"]] = options
        return lambda function: function


def tasks_of(server: FaultServer, clock: Any) -> dict[str, Any]:
    fields = {"apiKey": "sk-task-0123456789", "isOpenAIKey": True, "endpoint": server.url}
    connector = Connector.load(connections={"p": {"fields": fields}}, clock=clock)
    return register(App(), connector)


def test_each_action_is_a_task() -> None:
    app = App()
    tasks = register(app)
    assert set(tasks) == set(Connector.load().manifest.actions)
    assert set(app.options) == {f"connector.{name}" for name in tasks}
    assert all(options["acks_late"] for options in app.options.values())


def test_a_task_returns_the_result(fake_clock: Any) -> None:
    with FaultServer(lambda _, __: {"json": chat_completion("Done.")}) as server:
        tasks = tasks_of(server, fake_clock.clock())
        found = tasks[CHAT](Task(), INPUTS, "p")
    assert found["ok"]
    assert found["data"]["choices"][0]["message"]["content"] == "Done."


@pytest.mark.parametrize(("status", "retried"), [(500, True), (429, True), (400, False)])
def test_a_task_is_retried_as_the_error_says(fake_clock: Any, status: int, retried: bool) -> None:
    headers = {"retry-after": "30"} if status == 429 else {}
    answer = {"status": status, "headers": headers, "json": {"error": {"message": "No."}}}
    task = Task()
    with FaultServer(lambda _, __: answer) as server:
        tasks = tasks_of(server, fake_clock.clock())
        with pytest.raises(Retry if retried else ActionFailed) as raised:
            tasks[CHAT](task, INPUTS, "p")
    if not retried:
        code, _, result = raised.value.args
        assert code == "bad_request"
        assert not result["ok"]
        return
    (asked,) = task.asked
    assert isinstance(asked["exc"], ActionFailed)
    assert asked["countdown"] >= (30 if status == 429 else 0.5)
    assert asked["countdown"] <= 31


def test_a_connection_with_a_key_is_refused() -> None:
    tasks = register(App())
    with pytest.raises(ActionFailed) as raised:
        tasks[CHAT](Task(), INPUTS, {"fields": {"apiKey": "sk-task-0123456789"}})
    assert raised.value.args[0] == "invalid_connection"
    assert "sk-task" not in str(raised.value)


def test_a_soft_time_limit_never_counts_as_done(fake_clock: Any) -> None:
    """Celery raises it inside the task; it is an `Exception` of billiard's."""

    class SoftTimeLimitExceeded(Exception):
        __module__ = "billiard.exceptions"

    class Interrupted(Connector):
        def invoke(self, *_: Any, **__: Any) -> Any:
            raise SoftTimeLimitExceeded

    connector = Connector.load()
    connector.__class__ = Interrupted
    with pytest.raises(SoftTimeLimitExceeded):
        register(App(), connector)[CHAT](Task(), INPUTS, "p")
