"""What an acceptance test from outside found broken, through the front."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox
from tests.conftest import FakeClock
from tests.support.fault_server import FaultServer, chat_completion

REPOSITORY = Path(__file__).parent.parent


def connection(url: str) -> dict[str, Any]:
    return {"fields": {"apiKey": "sk-sandbox", "isOpenAIKey": True, "endpoint": url}}


@pytest.mark.parametrize("prompts", [["slow"], ["slow", "slow"], ["slow", "slow", "never sent"]])
def test_an_interrupted_prompt_that_was_sent_says_so(prompts: list[str]) -> None:
    inputs = {"messages": prompts, "concurrency": 2}
    with FaultServer({"hang": True}) as server:
        payload = json.dumps({"connection": connection(server.url), "inputs": inputs})
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", "invoke", "createCompletions", "--payload", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(payload.encode())
        process.stdin.close()
        sent = min(2, len(prompts))
        assert server.wait_for_requests(sent)
        process.send_signal(signal.SIGINT)
        envelope = json.loads(process.stdout.read())
        process.stdout.close()
        assert process.wait(20) == 130
    assert envelope["error"]["sent"] == "unknown"
    found = [choice["error"]["sent"] for choice in envelope["data"]["choices"]]
    assert found == ["unknown"] * sent + ["no"] * (len(prompts) - sent)


LONE = "a\ud800"


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("rawRequest", {"method": "GET", "url": f"/v1/{LONE}"}),
        ("rawRequest", {"method": "GET", "queryParams": {"a": LONE}}),
        ("rawRequest", {"method": "POST", "fileData": {LONE: "x"}}),
        ("rawRequest", {"method": "POST", "data": LONE}),
        ("createChatCompletion", {"messages": [{"role": "user", "content": LONE}]}),
        ("createCompletions", {"messages": ["fine", LONE]}),
        ("summarizeText", {"textToSummarize": LONE}),
    ],
)
def test_an_unpaired_surrogate_is_the_inputs_fault(
    connector: Connector, sandbox: Sandbox, action: str, inputs: Any
) -> None:
    result = connector.invoke(action, inputs, sandbox.connection("openai"))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert "unpaired surrogate" in result.error.message
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (
            "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            "https://r.services.ai.azure.com/openai/v1/chat/completions",
        ),
        (
            "https://r.openai.azure.com/OpenAI/",
            "https://r.openai.azure.com/openai/v1/chat/completions",
        ),
        ("https://r.openai.azure.com/v1", "https://r.openai.azure.com/openai/v1/chat/completions"),
        (
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?API-Version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("https://gw.example/team/openai", "https://gw.example/team/openai/v1/chat/completions"),
        ("https://r.openai.azure.com/openai/images/generations:submit", None),
        ("https://r.openai.azure.com/openai/realtime", None),
    ],
)
def test_addresses_that_a_portal_shows(
    connector: Connector, endpoint: str, url: str | None
) -> None:
    fields = {"apiKey": "0123456789abcdef", "endpoint": endpoint}
    result = connector.invoke("createChatCompletion", {}, {"fields": fields}, dry_run=True)
    if url is None:
        assert result.error is not None
        assert result.error.code == "invalid_connection"
    else:
        assert result.data["url"] == url


def test_a_value_that_is_refused_is_no_name_that_is(connector: Connector) -> None:
    error = {
        "message": "max_completion_tokens is too large: 5. This model supports at most 3.",
        "param": "max_completion_tokens",
        "code": "invalid_value",
    }
    with FaultServer({"status": 400, "json": {"error": error}}) as server:
        result = connector.invoke("createChatCompletion", {"maxTokens": 5}, connection(server.url))
    assert result.error is not None
    assert result.error.code == "bad_request"
    assert len(server.requests) == 1


@pytest.mark.parametrize("image", [{"b64_json": "!!!"}, {"b64_json": ""}, {"url": ""}])
def test_an_image_that_is_none_is_no_success(connector: Connector, image: Any) -> None:
    with FaultServer({"json": {"data": [image]}}) as server:
        result = connector.invoke("createImage", {"prompt": "x"}, connection(server.url))
    assert result.error is not None
    assert result.error.code == "invalid_response"


def test_fewer_images_than_asked_for_are_told(connector: Connector) -> None:
    with FaultServer({"json": {"data": [{"b64_json": "iVBORw0KGgo="}]}}) as server:
        inputs = {"prompt": "x", "numImages": 3}
        result = connector.invoke("createImage", inputs, connection(server.url))
    assert result.meta["warnings"] == ["The provider was asked for 3 images and sent 1."]


def test_a_summary_that_lost_a_part_pays_for_no_more(connector: Connector) -> None:
    text = "word " * 100_000
    answers = [{"json": chat_completion("Good.")}, {"status": 400, "json": {"error": {}}}]
    with FaultServer(answers) as server:
        inputs = {"model": "unknown", "textToSummarize": text}
        result = connector.invoke("summarizeText", inputs, connection(server.url))
    assert result.error is not None
    assert result.error.code == "bad_request"
    assert len(server.requests) <= 9  # those under way when the first failed


def test_words_are_utf_8_whatever_the_locale_says() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    text = "日本の灯台"
    words = ["invoke", "summarizeText", "--sandbox", "-i", f"textToSummarize={text}"]
    done = subprocess.run(
        [sys.executable, "-m", "connector", *words],
        cwd=REPOSITORY,
        env={**os.environ, **locale},
        capture_output=True,
        check=False,
    )
    assert text in json.loads(done.stdout)["data"]["summary"]


def test_a_default_that_is_replaced_by_a_reasoning_model_still_answers(sandbox: Sandbox) -> None:
    clock = FakeClock().clock()._replace(today=lambda: "2027-02-01")
    connector = Connector.load(clock=clock)
    inputs = {"temperature": 0.2, "topP": 0.9, "numChoices": 2}
    result = connector.invoke("createChatCompletion", inputs, sandbox.connection("openai"))
    shown = {**inputs, "model": "gpt-4o-mini"}  # as a form sends the default that it shows
    again = connector.invoke("createChatCompletion", shown, sandbox.connection("openai"))
    named = {**inputs, "model": "gpt-5-mini"}
    refused = connector.invoke("createChatCompletion", named, sandbox.connection("openai"))
    connector.close()
    assert result.ok, result.to_dict()
    assert again.ok, again.to_dict()
    assert again.meta["warnings"] == result.meta["warnings"]
    assert sandbox.requests[1].body == sandbox.requests[0].body
    body = json.loads(sandbox.requests[0].body)
    assert (body["model"], body["n"], len(body)) == ("gpt-5-mini", 2, 3)
    assert len(result.meta["warnings"]) == 3
    assert refused.error is not None  # what the caller named is left as it is
    assert refused.error.provider_param == "temperature"
