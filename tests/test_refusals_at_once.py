"""All problems of a payload are reported at once, whichever part of the connector finds it: the
connection, the schemas, the provider's names of models, or the action itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox

LONE = "a\ud800"
NO_BASE64 = {"contentType": "image/png", "encoding": "base64", "data": "?"}
GOOD: dict[str, dict[str, Any]] = {
    "rawRequest": {"method": "POST", "url": "/v1/x"},
    "createChatCompletion": {},
    "createImage": {"prompt": "A boat"},
    "createCompletions": {},
}
FAULTS: dict[str, list[dict[str, Any]]] = {
    "rawRequest": [
        {"url": "//evil.example"},
        {"url": "/v1/../admin"},
        {"url": 7},
        {"url": f"/{LONE}"},
        {"method": "BREW"},
        {"method": None},
        {"queryParams": {"a": [1]}},
        {"queryParams": [{"key": "fine", "value": 1}, {"key": LONE, "value": 1}]},
        {"headers": {"Authorization": "x", "X A": "b", "X-B": "a\nb"}},
        {"headers": [{"key": "a"}]},
        {"responseType": "xml"},
        {"maxRetries": -1},
        {"timeout": 0},
        {"unknown": 1},
        {"data": 3},
        {"data": {"a": LONE}},
        {"data": LONE},
        {"data": NO_BASE64},
        {"data": {"a": 1}, "formData": {"b": "c"}},
        {"formData": {"a\nb": "c", LONE: "d", "e": LONE}},
        {"formData": {LONE: "b"}},
        {"formData": {"a": None}},
        {"fileData": {LONE: "b"}},
        {"fileData": {"a": NO_BASE64, "b": LONE}},
        {"fileData": {"a": 5}},
        {"fileDataFileNames": {"nothing": "b.txt"}},
        {"fileData": {"a": "text"}, "fileDataFileNames": {"a": "b\n.txt", "nothing": "c"}},
        {"fileDataFileNames": [{"key": "a"}]},
        {"connection": {"fields": {"isOpenAIKey": True}}},
        {"connection": "nonsense"},
    ],
    "createChatCompletion": [
        {"extraParameters": {"model": "x", "temperature": 1, "stream": True}},
        {"extraParameters": []},
        {"temperature": 3},
        {"messages": []},
        {"unknown": 1},
        {"model": "a/../b"},
        {"connection": "nonsense"},
    ],
    "createImage": [
        {"extraParameters": {"n": 2, "stream": True}},
        {"numImages": 11},
        {"prompt": None},
        {"model": "a/../b"},
        {"connection": "nonsense"},
    ],
    "createCompletions": [
        {"messages": ["fine", LONE]},
        {"messages": [1]},
        {"concurrency": 0},
        {"maxTokens": "x"},
        {"model": "a/../b"},
        {"connection": "nonsense"},
    ],
}


def pairs() -> Iterator[Any]:
    for action, faults in FAULTS.items():
        for one, other in itertools.combinations(faults, 2):
            # Of body and form the action can say only together that they do not go together.
            bodies = [bool({"data", "formData", "fileData"} & {*fault}) for fault in (one, other)]
            files = [any(key.startswith("fileData") for key in fault) for fault in (one, other)]
            # A refused connection leaves open whose names of models are meant.
            if {*one, *other} == {"model", "connection"}:
                continue
            if not {*one} & {*other} and not all(bodies) and not all(files):
                yield pytest.param(action, one, other, id=f"{action} {[*one]} {[*other]}")


def refusal(connector: Connector, sandbox: Sandbox, action: str, fault: dict[str, Any]) -> Any:
    inputs = {"connection": sandbox.connection("azure-dated"), **GOOD[action], **fault}
    result = connector.invoke(action, {k: v for k, v in inputs.items() if v is not None})
    assert result.error is not None
    assert result.error.sent == "no"
    assert result.error.details is not None
    return result.error


@pytest.mark.parametrize(("action", "one", "other"), list(pairs()))
def test_two_faults_are_reported_as_each_is_alone(
    connector: Connector, sandbox: Sandbox, action: str, one: Any, other: Any
) -> None:
    first = refusal(connector, sandbox, action, one)
    second = refusal(connector, sandbox, action, other)
    both = refusal(connector, sandbox, action, {**one, **other})
    rows = [*first.details, *second.details]
    assert sorted(map(json.dumps, both.details)) == sorted(map(json.dumps, rows))
    codes = {first.code, second.code}
    order = ("invalid_connection", "blocked_target", "invalid_input")
    assert both.code == next(code for code in order if code in codes)
    assert sandbox.requests == []


def paths(error: Any) -> list[str]:
    return [row["path"] for row in error.details]


def test_the_order_is_that_of_the_form(connector: Connector, sandbox: Sandbox) -> None:
    fault = {
        "maxRetries": -1,
        "headers": {"Host": "x"},
        "method": "BREW",
        "nonsense": 1,
        "data": {"a": 1},
        "formData": {"b": "c"},
        "url": "//evil.example",
    }
    error = refusal(connector, sandbox, "rawRequest", fault)
    assert paths(error) == [
        "/inputs/nonsense",
        "/inputs/url",
        "/inputs/method",
        "/inputs/data",
        "/inputs/headers/0",
        "/inputs/maxRetries",
    ]
    assert (error.code, error.retryable) == ("blocked_target", False)
    assert "/v1/models" in error.hint


def test_what_depends_on_a_refused_input_is_not_reported(
    connector: Connector, sandbox: Sandbox
) -> None:
    fault = {"fileData": {"a": 5}, "fileDataFileNames": {"a": "a.txt"}}
    assert paths(refusal(connector, sandbox, "rawRequest", fault)) == ["/inputs/fileData/0/value"]
    fault |= {"formData": {"b": "c"}}
    assert paths(refusal(connector, sandbox, "rawRequest", fault)) == ["/inputs/fileData/0/value"]
    fault = {"formData": {"a": None}, "data": {"b": 1}}
    assert paths(refusal(connector, sandbox, "rawRequest", fault)) == ["/inputs/formData/0/value"]


@pytest.mark.parametrize("action", GOOD)
def test_a_check_copes_with_any_inputs_missing(connector: Connector, action: str) -> None:
    spec = connector.manifest.actions[action]
    assert spec.check is not None
    whole = {**{item.key: item.default for item in spec.inputs if item.default}, **GOOD[action]}
    more: dict[str, Any] = {"extraParameters": {"seed": 1}, "headers": [], "formData": []}
    whole |= {item.key: more[item.key] for item in spec.inputs if item.key in more}
    check = connector.catalog.handlers.find(spec.check)
    for key in whole:
        check({name: value for name, value in whole.items() if name != key}, {key})
        check({key: whole[key]}, {*whole} - {key})
    check({}, set(whole))
