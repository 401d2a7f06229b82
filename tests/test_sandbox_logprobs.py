"""The log probabilities of the sandbox: they match the text and each other."""

from __future__ import annotations

import math
from typing import Any

import pytest

from connector.sandbox import Sandbox

from .support.sandbox_client import CHAT, DATED, LEGACY, answered, ask, chat, choice, events

PATHS = [CHAT, "/openai/v1/chat/completions", f"/openai/deployments/any/chat/completions?{DATED}"]


def check(entry: dict[str, Any], top: int) -> None:
    assert bytes(entry["bytes"]).decode("utf-8", "surrogatepass") == entry["token"]
    rows = entry["top_logprobs"]
    assert len(rows) == top
    if rows:
        assert (rows[0]["token"], rows[0]["logprob"]) == (entry["token"], entry["logprob"])
    assert len({row["token"] for row in rows}) == top
    chances = [math.exp(row["logprob"]) for row in rows]
    assert chances == sorted(chances, reverse=True)
    assert 0 < math.exp(entry["logprob"]) < 1
    assert sum(chances) < 1 + 1e-4
    for row in rows:
        assert bytes(row["bytes"]).decode("utf-8", "surrogatepass") == row["token"]


@pytest.mark.parametrize("top", [None, 0, 1, 5, 20])
@pytest.mark.parametrize("path", PATHS)
def test_chat(sandbox: Sandbox, path: str, top: int | None) -> None:
    body = chat("Zoë 日本 🚀", logprobs=True, n=2)
    if top is not None:
        body["top_logprobs"] = top
    answer = answered(ask(sandbox, path, body))
    for found in answer["choices"]:
        entries = found["logprobs"]["content"]
        assert found["logprobs"]["refusal"] is None
        assert "".join(entry["token"] for entry in entries) == found["message"]["content"]
        for entry in entries:
            check(entry, top or 0)
    total = sum(len(found["logprobs"]["content"]) for found in answer["choices"])
    assert total == answer["usage"]["completion_tokens"]
    assert answered(ask(sandbox, path, body)) == answer


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_has_those_of_the_whole_response(sandbox: Sandbox, path: str) -> None:
    body = chat(logprobs=True, top_logprobs=2)
    whole = choice(ask(sandbox, path, body))
    entries: list[Any] = []
    text = ""
    for event in events(ask(sandbox, path, {**body, "stream": True})):
        for part in event["choices"]:
            text += part["delta"].get("content") or ""
            entries += (part["logprobs"] or {"content": []})["content"]
    assert text == whole["message"]["content"]
    assert entries == whole["logprobs"]["content"]


def test_a_cut_response_has_those_of_what_is_left(sandbox: Sandbox) -> None:
    found = choice(ask(sandbox, CHAT, chat(logprobs=True, max_completion_tokens=3)))
    assert len(found["logprobs"]["content"]) == 3


def test_no_log_probabilities_unless_asked_for_and_written(sandbox: Sandbox) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert choice(ask(sandbox, CHAT, chat()))["logprobs"] is None
    assert choice(ask(sandbox, CHAT, chat(logprobs=False)))["logprobs"] is None
    called = chat(logprobs=True, tools=[tool], tool_choice="required")
    assert choice(ask(sandbox, CHAT, called))["logprobs"] is None
    filtered = choice(ask(sandbox, CHAT, chat("sandbox:filter", logprobs=True)))
    assert filtered["logprobs"] == {"content": [], "refusal": None}
    for event in events(ask(sandbox, CHAT, chat(stream=True))):
        assert event["choices"][0]["logprobs"] is None


def test_a_text_that_has_no_bytes(sandbox: Sandbox) -> None:
    found = choice(ask(sandbox, CHAT, chat("\ud800", logprobs=True)))
    for entry in found["logprobs"]["content"]:
        check(entry, 0)


@pytest.mark.parametrize("top", [1, 5])
@pytest.mark.parametrize("path", [LEGACY, f"/openai/deployments/my-instruct/completions?{DATED}"])
def test_legacy(sandbox: Sandbox, path: str, top: int) -> None:
    body = {"model": "sandbox-instruct", "prompt": ["Hello", "Bye"], "logprobs": top}
    for found in answered(ask(sandbox, path, body))["choices"]:
        made = found["logprobs"]
        assert "".join(made["tokens"]) == found["text"]
        assert made["text_offset"] == [4 * at for at in range(len(made["tokens"]))]
        for token, logprob, rows in zip(
            made["tokens"], made["token_logprobs"], made["top_logprobs"], strict=True
        ):
            assert logprob < 0
            assert (len(rows), rows[token], max(rows.values())) == (top, logprob, logprob)


def test_legacy_extremes(sandbox: Sandbox) -> None:
    body = {"model": "sandbox-instruct", "prompt": "Hello there"}
    assert choice(ask(sandbox, LEGACY, body))["logprobs"] is None
    least = choice(ask(sandbox, LEGACY, {**body, "logprobs": 0}))["logprobs"]
    assert least["top_logprobs"] is None
    assert all(number < 0 for number in least["token_logprobs"])
    echoed = choice(ask(sandbox, LEGACY, {**body, "logprobs": 1, "echo": True}))
    assert "".join(echoed["logprobs"]["tokens"]) == echoed["text"]
    assert (echoed["logprobs"]["token_logprobs"][0], echoed["logprobs"]["top_logprobs"][0]) == (
        None,
        None,
    )
    nothing = choice(ask(sandbox, LEGACY, {**body, "logprobs": 1, "max_tokens": 0}))
    assert nothing["logprobs"]["tokens"] == nothing["logprobs"]["token_logprobs"] == []
