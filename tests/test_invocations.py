"""One invocation from its target to its envelope: how often it is run again after an interrupt,
what an exception becomes, which model it means, and what `meta` says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.invocation import ActionRun
from connector.version import __version__
from tests.conftest import FakeClock
from tests.support import manifests
from tests.support.fault_server import FaultServer, chat_completion
from tests.support.front import KEY, call, connection, inputs_of, refusal

CHAT = "createChatCompletion"
CHECKED = "connector.catalog.Catalog.output_problems"
"""What runs in a call's own thread when its handler is done."""

IMAGE = {"json": {"data": [{"b64_json": "iVBORw0KGgo="}]}}
NOWHERE = connection("https://api.example.com")


class Ends:
    """Raises at the first calls, as if an engine had just done so, and counts all."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, *_: Any) -> list[Any]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return []


def interrupted(count: int) -> Ends:
    return Ends(*(KeyboardInterrupt() for _ in range(count)))


# Ended from outside


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_handler_is_run_again_five_times(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    ends = interrupted(times)
    monkeypatch.setattr(CHECKED, ends)
    answer = {"json": chat_completion("Hi")}
    seen = call(connector, "createCompletions", answer, {"messages": ["a", "b"]})
    assert [choice["text"] for choice in seen.data["choices"]] == ["Hi", "Hi"]
    assert seen.envelope["meta"]["warnings"] == [
        "The action was interrupted after its work was done."
    ]
    assert ends.calls == times + 1
    assert len(seen.requests) == 2


def test_a_handler_is_not_run_again_without_end(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = interrupted(100)
    monkeypatch.setattr(CHECKED, ends)
    answer = {"json": chat_completion("Hi")}
    seen = call(connector, "createCompletions", answer, {"messages": ["a", "b"]})
    assert (seen.error["code"], seen.error["sent"]) == ("cancelled", "unknown")
    assert seen.error["message"] == "The action was interrupted."
    assert ends.calls == 6
    assert len(seen.requests) == 2


def test_a_handler_without_a_batch_is_not_run_again(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = interrupted(1)
    monkeypatch.setattr(ActionRun, "run", work)
    result = connector.invoke(CHAT, inputs_of(CHAT), NOWHERE)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "no")
    assert work.calls == 1


def test_a_handler_that_has_written_a_file_is_not_run_again(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It would write the same images once more, beside the first ones."""
    ends = interrupted(1)
    monkeypatch.setattr(CHECKED, ends)
    inputs = inputs_of("createImage", model="dall-e-3", numImages=2)
    with FaultServer(IMAGE) as server:
        to = connection(server.url)
        result = connector.invoke("createImage", inputs, to, output=tmp_path / "a.png")
        assert len(server.requests) == 2
    assert result.error is not None
    assert result.error.code == "cancelled"
    assert ends.calls == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.png", "a.png"]


def test_a_file_that_was_written_needs_no_warning(connector: Connector, tmp_path: Path) -> None:
    inputs = inputs_of("createImage")
    with FaultServer(IMAGE) as server:
        to = connection(server.url)
        result = connector.invoke("createImage", inputs, to, output=tmp_path / "a.png")
    assert result.ok, result.to_dict()
    assert result.meta["warnings"] == []


class Closed(BaseException):
    """An engine's exception whose class refuses to have its attributes set."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Open(BaseException):
    """An engine's exception as any other."""


@pytest.mark.parametrize("kind", [Closed, Open])
def test_an_engines_exception_passes_with_the_result_so_far(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    error = kind()
    monkeypatch.setattr(CHECKED, Ends(error))
    with pytest.raises(kind) as caught:
        call(connector, CHAT, {"json": chat_completion()})
    assert caught.value is error
    result = error.connector_result  # type: ignore[attr-defined] # set by the connector
    assert result.error.code == "cancelled"


class Fixed(BaseException):
    """An engine's exception that cannot take the result."""

    connector_result = property()


def test_an_engines_exception_passes_even_if_it_cannot_take_the_result(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = Fixed()
    monkeypatch.setattr(CHECKED, Ends(error))
    with pytest.raises(Fixed) as caught:
        call(connector, CHAT, {"json": chat_completion()})
    assert caught.value is error


def _own_error(end: BaseException) -> None:
    raise ConnectorError("invalid_response", "No answer.") from end


def _other_error(end: BaseException) -> None:
    raise LookupError("no answer") from end


@pytest.mark.parametrize("wrap", [_own_error, _other_error])
@pytest.mark.parametrize("end", [KeyboardInterrupt, None])
def test_an_interrupt_that_a_handler_caught_is_still_an_interrupt(
    connector: Connector,
    monkeypatch: pytest.MonkeyPatch,
    wrap: Callable[[BaseException], None],
    end: type[BaseException] | None,
) -> None:
    def broken(*_: Any) -> None:
        wrap(end() if end else LookupError())

    monkeypatch.setattr(CHECKED, broken)
    error = call(connector, CHAT, {"json": chat_completion()}).error
    own = "invalid_response" if wrap is _own_error else "internal_error"
    assert (error["code"], error["sent"]) == ("cancelled" if end else own, "unknown")


# Failures


def test_a_defect_is_reported_by_type_and_place_only(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CHECKED, Ends(ZeroDivisionError(KEY)))
    error = call(connector, CHAT, {"json": chat_completion()}).error
    assert error["code"] == "internal_error"
    kind, _, place = error["message"].partition(" at ")
    file, _, line = place.removesuffix(".").partition(":")
    assert (kind, file) == ("ZeroDivisionError", Path(__file__).name)
    assert line.isdecimal()
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == [f"internal error in {CHAT}: ZeroDivisionError at {file}:{line}"]


def test_a_failure_while_making_the_envelope_is_raised_once(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = Ends(LookupError("no envelope"))
    monkeypatch.setattr(ActionRun, "_meta", fails)
    with pytest.raises(LookupError, match="no envelope") as caught:
        connector.invoke(CHAT, inputs_of(CHAT), NOWHERE, dry_run=True)
    assert fails.calls == 1
    assert not hasattr(caught.value, "connector_result")


def test_an_error_keeps_no_traceback_or_cause(connector: Connector) -> None:
    with FaultServer(refusal(400, message=f"Bad key {KEY}.")) as server:
        result = connector.invoke(CHAT, inputs_of(CHAT), connection(server.url))
    error = result.error
    assert error is not None
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert error.args == (error.message,) == ("Bad key ***.",)


def test_a_text_that_cannot_be_encoded_is_an_invalid_input(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> None:
        "a\ud800".encode()

    monkeypatch.setattr(ActionRun, "run", work)
    result = connector.invoke(CHAT, inputs_of(CHAT), NOWHERE)
    assert result.error is not None
    assert result.error.code == "invalid_input"
    assert result.error.message.startswith("A text ")
    assert result.error.message.endswith(".")


# The model

AZURE = "/openai/deployments/{}?api-version=2024-10-21"
TAILS = {
    "nothing": "/openai",
    "a deployment": AZURE.format("mine"),
    "chat": AZURE.format("mine/chat/completions"),
    "images": AZURE.format("mine/images/generations"),
}
MEANT = [
    # the address, the action, the model that is meant where none is given
    ("nothing", CHAT, "gpt-4o-mini"),
    ("nothing", "createImage", "gpt-image-2"),
    ("a deployment", CHAT, "mine"),
    ("a deployment", "createImage", "gpt-image-2"),
    ("chat", CHAT, "mine"),
    ("chat", "summarizeText", "mine"),
    ("chat", "createImage", "gpt-image-2"),
    ("images", CHAT, "gpt-4o-mini"),
    ("images", "createImage", "mine"),
]


@pytest.mark.parametrize(("tail", "action", "model"), MEANT)
@pytest.mark.parametrize("default", [None, "nobody-knows-it"])
def test_a_pasted_deployment_is_the_default_of_what_it_serves(
    fake_clock: FakeClock, tmp_path: Path, tail: str, action: str, model: str, default: str | None
) -> None:
    clock = fake_clock.clock()
    if default is None:
        connector = manifests.with_policies(tmp_path, {}, clock)
    else:
        connector = manifests.with_default_model(tmp_path, action, default, clock)
    inputs = {name: value for name, value in inputs_of(action).items() if name != "model"}
    to = connection("https://mine.openai.azure.com" + TAILS[tail], isOpenAIKey=False)
    planned = connector.invoke(action, inputs, to, dry_run=True)
    named = connector.invoke(action, {**inputs, "model": "another"}, to, dry_run=True)
    connector.close()
    if default is not None:  # of which nobody knows that it makes images
        wanted = {"images": default, "nothing": default}.get(tail, "mine")
    else:
        wanted = model
    assert _model_of(planned) == wanted
    assert _model_of(named) == "another"
    assert planned.meta["warnings"] == []


def _model_of(planned: Any) -> str:
    assert planned.ok, planned.to_dict()
    data = planned.data[0] if isinstance(planned.data, list) else planned.data
    _, found, rest = data["url"].partition("/deployments/")
    return str(rest.partition("/")[0] if found else data["body"]["model"])


CHAIN: dict[str, Any] = {
    "first": {"retires": {"openai": "2026-01-31"}, "successor": "second"},
    "second": {"retires": {"openai": "2026-02-28"}, "successor": "third"},
    "third": {"retires": {"openai": "2026-03-31"}},
    "elsewhere": {"retires": {"azure": "2020-01-01"}, "successor": "third"},
    "never": {"successor": "third"},
    "alone": {"retires": {"openai": "2020-01-01"}},
    "round": {"retires": {"openai": "2020-01-01"}, "successor": "about"},
    "about": {"retires": {"openai": "2020-01-01"}, "successor": "round"},
    "astray": {"retires": {"openai": "2020-01-01"}, "successor": "unknown"},
}


@pytest.mark.parametrize(
    ("default", "today", "found"),
    [
        ("first", "2026-01-30", "first"),
        ("first", "2026-01-31", "second"),
        ("first", "2026-02-27", "second"),
        ("first", "2026-02-28", "third"),
        ("first", "2030-01-01", "third"),
        ("third", "2030-01-01", "third"),
        ("elsewhere", "2030-01-01", "elsewhere"),
        ("never", "2030-01-01", "never"),
        ("alone", "2030-01-01", "alone"),
        ("astray", "2030-01-01", "unknown"),
        ("nobody-knows-it", "2030-01-01", "nobody-knows-it"),
    ],
)
def test_a_default_is_replaced_from_the_day_on_which_it_retires(
    tmp_path: Path, default: str, today: str, found: str
) -> None:
    planned = _with_chain(tmp_path, default, today)
    assert planned.data["body"]["model"] == found
    said = f"The default model {default} has retired; {found} was used instead."
    assert planned.meta["warnings"] == ([] if found == default else [said])


def test_models_whose_successors_form_a_cycle_are_tried_once(tmp_path: Path) -> None:
    assert _with_chain(tmp_path, "round", "2030-01-01").data["body"]["model"] in ("round", "about")


def _with_chain(folder: Path, default: str, today: str) -> Any:
    def change(raw: dict[str, Any]) -> None:
        raw["models"].update(CHAIN)
        for item in (item for spec in raw["actions"] for item in spec["inputs"]):
            if item["key"] == "model":
                item["default"] = default

    clock = FakeClock().clock()._replace(today=lambda: today)
    connector = manifests.changed(folder, change, clock)
    planned = connector.invoke(CHAT, {}, NOWHERE, dry_run=True)
    connector.close()
    return planned


def test_a_model_that_cannot_be_named_is_one_problem_among_the_others(connector: Connector) -> None:
    to = connection("https://mine.openai.azure.com", isOpenAIKey=False, apiVersion="2024-10-21")
    result = connector.invoke(CHAT, inputs_of(CHAT, model="a/b", temperature=9), to)
    assert result.error is not None
    rows = {row["path"]: row for row in result.error.details or ()}
    assert list(rows) == ["/inputs/temperature", "/inputs/model"]
    label = next(item.label for item in connector.manifest.actions[CHAT].inputs if item.data_source)
    assert rows["/inputs/model"]["input"] == label
    assert rows["/inputs/model"]["message"]


@pytest.mark.parametrize("prompt", ["a/b", "..", "50 % off; or more?"])
def test_only_a_model_has_to_be_nameable(connector: Connector, prompt: str) -> None:
    to = connection(
        "https://mine.openai.azure.com/openai/deployments/mine/images/generations",
        isOpenAIKey=False,
        apiVersion="2024-10-21",
    )
    planned = connector.invoke("createImage", {"prompt": prompt}, to, dry_run=True)
    assert planned.ok, planned.to_dict()
    assert planned.data["body"]["prompt"] == prompt
    assert [name for name, value in planned.data["body"].items() if value == "mine"] == ["model"]


# The envelope


def test_meta_has_these_keys_and_no_others(connector: Connector) -> None:
    usual = {"action", "provider", "attempts", "durationMs", "requestId", "usage", "warnings"}
    answer = {"json": chat_completion(), "headers": {"x-request-id": "req_1", "set-cookie": "a=b"}}
    meta = call(connector, CHAT, answer).envelope["meta"]
    assert set(meta) == usual
    assert (meta["action"], meta["provider"], meta["attempts"]) == (CHAT, "openai", 1)
    assert (meta["requestId"], meta["warnings"]) == ("req_1", [])
    seen = call(connector, "rawRequest", answer)
    meta = seen.envelope["meta"]
    assert set(meta) == {*usual, "httpStatus", "headers"}
    assert meta["httpStatus"] == 200
    assert meta["headers"]["x-request-id"] == "req_1"
    assert "set-cookie" not in meta["headers"]
    assert seen.requests[0].header("user-agent") == (
        f"{connector.manifest.key}-connector/{__version__}"
    )


def test_meta_names_what_was_run(connector: Connector) -> None:
    with FaultServer({"json": {"data": []}}) as server:
        to = connection(server.url)
        for result, name in (
            (connector.options("selectModel", to), "selectModel"),
            (connector.test_connection(to), "test-connection"),
        ):
            assert result.ok, result.to_dict()
            assert (result.meta["action"], result.meta["provider"]) == (name, "openai")
    assert connector.invoke("createChat", {}, to).meta["action"] == "createChat"
    assert connector.invoke(f"create-{KEY}", {}, to).meta["action"] == "***"
    assert connector.invoke("createChat", {}, to).meta["provider"] is None


def test_progress_is_reported_for_every_part(connector: Connector) -> None:
    told: list[tuple[int, int]] = []
    inputs = inputs_of("createCompletions", messages=["a", "b", "c"])
    with FaultServer({"json": chat_completion()}) as server:
        to = connection(server.url)
        result = connector.invoke(
            "createCompletions", inputs, to, progress=lambda done, of: told.append((done, of))
        )
    assert result.ok, result.to_dict()
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_dry_run_of_several_requests_is_an_array_and_of_one_is_not(connector: Connector) -> None:
    for prompts in (["a"], ["a", "b"], ["a", "b", "c"]):
        inputs = inputs_of("createCompletions", messages=prompts)
        planned = connector.invoke("createCompletions", inputs, NOWHERE, dry_run=True)
        several = planned.data if isinstance(planned.data, list) else [planned.data]
        assert isinstance(planned.data, list) is (len(prompts) > 1)
        assert [row["body"]["messages"][0]["content"] for row in several] == prompts


def test_inputs_that_are_absent_are_an_empty_object(connector: Connector) -> None:
    absent = connector.invoke(CHAT, None, NOWHERE, dry_run=True)
    assert absent.ok, absent.to_dict()
    assert absent.data == connector.invoke(CHAT, {}, NOWHERE, dry_run=True).data
