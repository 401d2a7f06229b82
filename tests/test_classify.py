"""Labels of texts: only those of the caller, and the probability of each."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from connector import Connector

from .support.fault_server import Received, chat_completion
from .support.front import call, refusal

ACTION = "classifyText"

pytestmark = pytest.mark.core


def said(text: str, tokens: Any = None, **weights: Any) -> dict[str, Any]:
    """Answer with a text, with the log probabilities of its tokens if there are any."""
    answer = chat_completion(text)
    if tokens is not None:
        rows = [
            {"token": token, "bytes": list(token.encode()), "logprob": weight, **weights}
            for token, weight in tokens
        ]
        answer["choices"][0]["logprobs"] = {"content": rows, "refusal": None}
    return {"json": answer}


def weighed(*tokens: tuple[str, float]) -> dict[str, Any]:
    return said("".join(token for token, _ in tokens), tokens)


ONE = [('{"', 0), ("label", 0), ('":', 0), (' "', -5.0), ("b", -0.25), ('"}', -7.0)]


def test_one_label_and_the_probability_of_its_tokens(connector: Connector) -> None:
    seen = call(connector, ACTION, weighed(*ONE))
    assert seen.data["labels"] == [{"label": "b", "confidence": round(math.exp(-0.25), 6)}]
    body = seen.requests[0].json()
    assert body["logprobs"] is True
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"label": {"type": "string", "enum": ["a", "b", "c"]}}


@pytest.mark.parametrize(
    ("labels", "tokens", "total"),
    [
        # A label of several tokens, and tokens that hold more than the label.
        (["red", "reddish"], [('{"label":"', 0), ("red", -0.5), ("dish", -0.25), ('"}', 0)], -0.75),
        (["red", "blue"], [('{"label":', 0), ('"red"}', -0.5)], -0.5),
        (["red", "blue"], [('{"label"', 0), (': "re', -0.5), ('d"', -0.25), ("}", -1)], -0.75),
        # A label with escapes, and one beyond ASCII.
        (['say "x"', "no"], [('{"label":"', 0), ('say \\"x\\"', -0.5), ('"}', 0)], -0.5),
        (["gr\u00fcn", "rot"], [('{"label":"gr', -0.5), ("\u00fcn", -0.25), ('"}', 0)], -0.75),
        (["red", "blue"], [('```json\n{"label":"', 0), ("red", -0.5), ('"}\n```', 0)], -0.5),
        (["red", "blue"], [('{"label":"', 0), ("red", -9999), ('"}', 0)], -9999),
        (["red", "blue"], [('{"label":"', 0), ("red", 3), ('"}', 0)], 0),
    ],
)
def test_the_tokens_of_a_label(
    connector: Connector, labels: list[str], tokens: list[tuple[str, float]], total: float
) -> None:
    seen = call(connector, ACTION, weighed(*tokens), {"labels": labels})
    (row,) = seen.data["labels"]
    assert row["label"] in labels
    assert row["confidence"] == round(math.exp(total), 6)


def test_a_character_split_over_tokens(connector: Connector) -> None:
    answer = weighed(('{"label":"', 0), ("\u00fc", -0.5), ('"}', 0))
    rows = answer["json"]["choices"][0]["logprobs"]["content"]
    rows[1:2] = [
        {"token": "\\xc3", "bytes": [0xC3], "logprob": -0.5},
        {"token": "\\xbc", "bytes": [0xBC], "logprob": -0.25},
    ]
    seen = call(connector, ACTION, answer, {"labels": ["\u00fc", "o"]})
    assert seen.data["labels"] == [{"label": "\u00fc", "confidence": round(math.exp(-0.75), 6)}]


def test_several_labels_each_once(connector: Connector) -> None:
    tokens = [('{"labels":["', 0), ("c", -0.5), ('","', 0), ("a", -1), ('","', 0), ("c", -9)]
    seen = call(connector, ACTION, weighed(*tokens, ('"]}', 0)), {"multiple": "true"})
    assert seen.data["labels"] == [
        {"label": "c", "confidence": round(math.exp(-0.5), 6)},
        {"label": "a", "confidence": round(math.exp(-1), 6)},
    ]


def test_no_label_fits(connector: Connector) -> None:
    seen = call(connector, ACTION, said('{"labels": []}'), {"multiple": True})
    assert seen.data["labels"] == []


@pytest.mark.parametrize(
    "weights",
    [
        None,
        7,
        {"content": None},
        {"content": 7},
        {"content": [7]},
        {"content": [{"token": 7, "logprob": 0}]},
        {"content": [{"token": '{"label": "b"}', "logprob": "x"}]},
        {"content": [{"token": "other", "logprob": 0}]},
        {"content": [{"bytes": ["x", 1000], "logprob": 0}]},
    ],
)
def test_without_log_probabilities_the_confidence_is_null(
    connector: Connector, weights: Any
) -> None:
    answer = said('{"label": "b"}')
    answer["json"]["choices"][0]["logprobs"] = weights
    seen = call(connector, ACTION, answer)
    assert seen.data["labels"] == [{"label": "b", "confidence": None}]


def test_tokens_without_bytes(connector: Connector) -> None:
    seen = call(connector, ACTION, said('{"label":"b"}', [('{"label":"b"}', -1)], bytes=None))
    assert seen.data["labels"] == [{"label": "b", "confidence": round(math.exp(-1), 6)}]


def test_a_model_that_rejects_log_probabilities_is_asked_without(connector: Connector) -> None:
    def answer(received: Received, _: int) -> dict[str, Any]:
        if "logprobs" in received.json():
            return refusal(400, param="logprobs", message="'logprobs' is not supported.")
        return said('{"label": "b"}')

    seen = call(connector, ACTION, answer)
    assert seen.data["labels"] == [{"label": "b", "confidence": None}]
    assert len(seen.requests) == 2


def test_a_reasoning_model_is_not_asked_for_them(connector: Connector) -> None:
    seen = call(connector, ACTION, said('{"label": "b"}'), {"model": "gpt-5-mini"})
    assert "logprobs" not in seen.requests[0].json()


@pytest.mark.parametrize("own", ['{"label": "d"}', '{"label": "B"}', '{"label": null}', "b"])
def test_a_label_of_its_own_is_repaired_or_refused(connector: Connector, own: str) -> None:
    seen = call(connector, ACTION, [said(own), said('{"label": "a"}')])
    assert seen.data["labels"] == [{"label": "a", "confidence": None}]
    seen = call(connector, ACTION, said(own))
    assert seen.outcome == ("invalid_response", "unknown", 2)


def test_the_labels_stand_in_the_prompt_as_they_are(connector: Connector) -> None:
    inputs = {"labels": ["gr\u00fcn", 'say "x"'], "instructions": "Prefer green."}
    seen = call(connector, ACTION, said(json.dumps({"label": "gr\u00fcn"})), inputs)
    task = seen.requests[0].json()["messages"][0]["content"]
    assert '["gr\u00fcn", "say \\"x\\""]' in task
    assert "Prefer green." in task


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        ({"labels": ["a", "b", "a"]}, {"/inputs/labels/2": "is given twice"}),
        ({"labels": ["a"]}, {"/inputs/labels": "must have at least 2 items"}),
        ({"labels": [str(n) for n in range(101)]}, {"/inputs/labels": "at most 100 items"}),
        ({"labels": "a, b"}, {"/inputs/labels": 'for example ["billing", "technical", "sales"]'}),
        ({"labels": ["\ud800", "b"]}, {"/inputs/labels/0": "cannot be"}),
        ({"text": "\ud800"}, {"/inputs/text": "cannot be"}),
    ],
)
def test_labels_that_cannot_be_chosen_are_refused(
    connector: Connector, inputs: dict[str, Any], rows: dict[str, str]
) -> None:
    seen = call(connector, ACTION, said("x"), inputs)
    assert seen.outcome == ("invalid_input", "no", 0)
    for (path, says), row in zip(rows.items(), seen.error["details"], strict=True):
        assert row["path"] == path
        assert says in row["message"] or says == "cannot be"
