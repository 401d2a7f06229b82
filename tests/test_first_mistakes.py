"""What a newcomer does wrong first: each message says what to write, and quotes no key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.manifest.model import ABSENT
from connector.payload import parse

pytestmark = pytest.mark.core

MESSAGES = '[{"role": "user", "content": "Hi"}]'
PROMPTS = '["Name a river in Europe.", "Name a mountain in Asia."]'
KEY = "sk-never-shown-0123456789"
ENDPOINT = "https://my-resource.openai.azure.com"


@pytest.fixture(scope="module")
def shared() -> Connector:
    return Connector.load()


def test_every_input_and_field_has_an_example(shared: Connector) -> None:
    manifest = shared.manifest
    items = [item for action in manifest.actions.values() for item in action.inputs]
    items += [item for kind in manifest.connections.values() for item in kind.fields]
    assert [item.key for item in items if item.example is ABSENT] == []


OPENAI = {"fields": {"apiKey": KEY, "isOpenAIKey": True}}

INPUTS: list[tuple[str, dict[str, Any], str]] = [
    ("createChatCompletion", {"messages": "Hi"}, f"for example {MESSAGES}"),
    ("createChatCompletion", {"messages": ["Hi"]}, f"not a text; for example {MESSAGES}"),
    ("createChatCompletion", {"messages": [{"content": "x"}]}, f"required; for example {MESSAGES}"),
    ("createChatCompletion", {"temperature": "0,2"}, "no comma); for example 0.2"),
    ("createChatCompletion", {"temperature": "warm"}, "must be a number, not a text; for example"),
    ("createChatCompletion", {"maxTokens": "1,000"}, "no comma); for example 500"),
    ("createChatCompletion", {"responseFormat": "json_object"}, 'example {"type": "json_object"}'),
    ("createChatCompletion", {"extraParameters": "seed=7"}, 'for example {"seed": 7}'),
    ("createChatCompletion", {"model": ["gpt-4o-mini"]}, "for example gpt-4o-mini"),
    ("createChatCompletion", {"model": " "}, "the name alone"),
    ("createImage", {}, 'is required; for example "A lighthouse at dawn, watercolour"'),
    ("createImage", {"prompt": "x", "numImages": "two"}, "for example 2"),
    ("createCompletions", {"messages": "Hi"}, f"for example {PROMPTS}"),
    ("rawRequest", {}, "Method: is required; for example GET"),
    ("rawRequest", {"method": "GET", "headers": "A: b"}, 'for example [{"key": "OpenAI-Beta"'),
    ("rawRequest", {"method": "GET", "queryParams": "a=1"}, 'for example [{"key": "limit"'),
    ("rawRequest", {"method": "GET", "headers": {"Host": "x"}}, "leave it out"),
    ("rawRequest", {"method": "GET", "timeout": "10s"}, "for example 30000"),
    ("summarizeText", {}, "is required; for example"),
    ("createChatCompletion", {"images": "a.png"}, 'for example ["https://example.com'),
    ("createChatCompletion", {"images": ["a.png"]}, "must be a URL that begins with https://"),
    (
        "createChatCompletion",
        {"tools": [{"name": "f"}]},
        'example [{"type": "function", "function"',
    ),
    ("createChatCompletion", {"toolChoice": "auto"}, "needs Tools to choose from"),
    ("createSpeech", {"input": "Hi"}, "known: text, model, voice, format, speed, instructions"),
    ("createSpeech", {"text": "x", "format": "ogg"}, "one of mp3, opus, aac, flac, wav, pcm"),
    ("transcribeAudio", {"file": "a.wav"}, 'for example {"contentType": "audio/wav"'),
    ("transcribeAudio", {"file": {"data": "x"}}, 'example {"contentType": "audio/wav"'),
    ("editImage", {"prompt": "x", "images": []}, "must not be empty; for example"),
    ("summarizeText", {"text": "x"}, "known: model, textToSummarize, maxTokens, language"),
]


@pytest.mark.parametrize(("action", "inputs", "says"), INPUTS)
def test_a_refused_input_shows_what_to_write(
    shared: Connector, action: str, inputs: dict[str, Any], says: str
) -> None:
    error = shared.invoke(action, inputs, OPENAI).error
    assert error is not None
    assert says in error.message


def test_an_example_is_shown_once_for_each_input(shared: Connector) -> None:
    result = shared.invoke("createCompletions", {"messages": [1] * 50}, OPENAI)
    assert result.error is not None
    assert result.error.details is not None
    shown = [row for row in result.error.details if "for example" in row["message"]]
    assert [row["path"] for row in shown] == ["/inputs/messages/0"]


FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"apiKey": f"{KEY} "}, "the key alone, without spaces"),
    ({"apiKey": f"{KEY}\n"}, "the key alone"),
    ({"apiKey": f'"{KEY}"'}, "quotes"),
    ({"apiKey": f"'{KEY}'"}, "quotes"),
    ({"apiKey": f"Bearer {KEY}"}, "Bearer"),
    ({}, f"Endpoint: is required for Azure OpenAI Service; for example {ENDPOINT}"),
    ({"organization": ENDPOINT}, "an address goes into Endpoint"),
    ({"organization": "my.resource"}, "letters, digits and hyphens; for example my-resource"),
    ({"endpoint": "ftp://x"}, f"must begin with https:// or http://; for example {ENDPOINT}"),
    ({"endpoint": f"{ENDPOINT}/keys/list"}, f"for example {ENDPOINT}"),
    ({"endpoint": "https://portal.azure.com/#home"}, f"for example {ENDPOINT}"),
    ({"endpoint": f"{ENDPOINT}/openai/deployments/d?api-version=new"}, "YYYY-MM-DD"),
    ({"endpoint": ENDPOINT, "apiVersion": "2024"}, "YYYY-MM-DD"),
    ({"endpoint": ENDPOINT, "apiVersion": "2024"}, "for example 2024-10-21"),
    ({"isOpenAIKey": True, "proxy": "proxy:3128"}, "for example http://proxy.example:3128"),
]


@pytest.mark.parametrize(("fields", "says"), FIELDS)
def test_a_refused_field_shows_what_to_write(
    shared: Connector, fields: dict[str, Any], says: str
) -> None:
    result = shared.invoke("createImage", {"prompt": "x"}, {"fields": {"apiKey": KEY, **fields}})
    assert result.error is not None
    assert says in result.error.message
    assert KEY not in json.dumps(result.to_dict())


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        (5, 'must be {"fields": {"apiKey": "..."}}, or the name of'),
        ({"apiKey": KEY}, 'fields go under \'fields\': {"fields": {"apiKey": "..."}}'),
        ({"key": "api_key"}, "is not a kind of connection; write apiKey"),
        ({"fields": KEY}, 'must be an object; write {"fields": {"apiKey": "..."}}'),
    ],
)
def test_a_connection_of_the_wrong_shape_shows_the_right_one(
    shared: Connector, connection: Any, says: str
) -> None:
    result = shared.invoke("createImage", {"prompt": "x"}, connection)
    assert result.error is not None
    assert says in result.error.message
    assert KEY not in json.dumps(result.to_dict())


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('{"prompt": "x"}', 'inputs go under "inputs": {"inputs": {"prompt": ...}}', "A payload"),
        (f'{{"{KEY}": "x"}}', '{"inputs": {"...": ...}}', "A payload"),
        ('{"input": {}}', "did you mean 'inputs'?", "A payload"),
        ("", "The payload is empty.", "A payload"),
        (b" \n", "The payload is empty.", "A payload"),
        ("inputs:\n  prompt: x", "not strict JSON", "Write JSON"),
        ("{'inputs': {}}", "not strict JSON", "double quotes"),
        ('"x"', "is not a JSON object", "A payload"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8", "Save the payload as UTF-8."),
        ('{"inputs": 1}', "must be an object that maps", "A payload"),
        ('{"connection": 1}', 'must be an object: {"fields"', "A payload"),
    ],
)
def test_a_payload_of_the_wrong_shape_shows_the_right_one(
    text: str | bytes, message: str, hint: str
) -> None:
    with pytest.raises(ConnectorError) as caught:
        parse(text)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("action", "model", "example"),
    [
        ("createChatCompletion", "gpt-image-2", "gpt-4o-mini"),
        ("createImage", "gpt-4o-mini", "gpt-image-2"),
        ("createChatCompletion", "gpt-3.5-turbo-instruct", None),
        ("createChatCompletion", "of-my-own", None),
    ],
)
def test_a_model_of_another_kind_is_warned_of(
    shared: Connector, action: str, model: str, example: str | None
) -> None:
    inputs = {"prompt": "x", "model": model} if action == "createImage" else {"model": model}
    result = shared.invoke(action, inputs, OPENAI, dry_run=True)
    wanted = f"{model} is a model of another kind; write one such as {example}."
    assert result.meta["warnings"] == ([wanted] if example else [])
    azure = {"fields": {"apiKey": KEY, "endpoint": ENDPOINT}}  # any name may be a deployment's
    assert shared.invoke(action, inputs, azure, dry_run=True).meta["warnings"] == []


DEAD = {"fields": {"apiKey": KEY, "isOpenAIKey": True, "endpoint": "http://127.0.0.1:9"}}


@pytest.mark.parametrize(
    ("variables", "fields", "hint"),
    [
        ({"HTTP_PROXY": "http://p:1"}, {}, "HTTP_PROXY is set in the environment but not used"),
        ({"all_proxy": "http://p:1"}, {}, "all_proxy is set in the environment but not used"),
        ({"HTTPS_PROXY": "http://p:1"}, {}, None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1"}, {}, None),
        ({"HTTP_PROXY": "http://p:1"}, {"proxy": "http://127.0.0.1:9"}, None),
        ({}, {}, None),
    ],
)
def test_a_proxy_of_the_environment_is_ignored_and_named(
    connector: Connector,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    fields: dict[str, str],
    hint: str | None,
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = connector.test_connection({"fields": {**DEAD["fields"], **fields}})
    assert result.error is not None
    assert result.error.code == "connect_failed"
    if hint is None:
        assert "is set in the environment" not in str(result.error.hint)
    else:
        assert f"{hint}: fill in Proxy of the connection." in str(result.error.hint)
        assert "Check the endpoint" in str(result.error.hint)
