"""Which models the sandbox has, under which names, and which API serves them."""

from __future__ import annotations

from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox

from .support.sandbox_client import CHAT, DATED, LEGACY, answered, ask, chat, choice


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "gpt-4.1-nano",
        "gpt-4-0613",
        "gpt-3.5-turbo",
        "gpt-5-mini",
        "gpt-5.4-2026-03-05",
        "o3",
        "o4-mini-2025-04-16",
        "ft:gpt-4o-mini:my-org::abc123",
        "ft:gpt-4o-mini-2024-07-18:my-org:support:abc123",
        "gpt-4o-oldserver",
    ],
)
def test_models_that_there_are(sandbox: Sandbox, model: str) -> None:
    assert answered(ask(sandbox, CHAT, chat(model=model)))["model"] == model
    assert answered(ask(sandbox, f"/v1/models/{model}"))["id"] == model


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mimi",
        "gpt-4o-",
        "gpt-4o-minimal",
        "gpt4o",
        "GPT-4o",
        "gpt-99",
        "gpt-5-mni",
        "o3-minii",
        "o1x",
        "chatgpt-next",
        "text-embedding-3-smal",
        "gpt-4o-mini-2024-13-18",
        "gpt-4o-mini-2024-07-32",
        "gpt-4o-mini-2027-01-01",
        "gpt-4o-mini-2024",
        "gpt-4o-mimi-2024-07-18",
        "ft:gpt-4o-mimi:my-org::abc123",
        "ft:gpt-4o-mini",
        "ft:gpt-4o-mini:my-org",
        "gpt-oldserver",
        "gpt-4o-missing",
        "ft:gpt-4o:wrong-org::abc123",
        "llama-3",
    ],
)
def test_models_that_there_are_not(sandbox: Sandbox, model: str) -> None:
    for response in (
        ask(sandbox, CHAT, chat(model=model)),
        ask(sandbox, "/v1/embeddings", {"model": model, "input": "a"}),
        ask(sandbox, f"/v1/models/{model}"),
    ):
        assert response.status_code == 404, response.text
        assert response.json()["error"]["code"] == "model_not_found"


def test_a_variant_has_the_facts_of_its_base() -> None:
    facts: dict[str, dict[str, Any]] = {
        "thinker": {"reasoning": True},
        "gone": {"retires": {"openai": "2026-01-01"}},
        "painter": {"api": "images"},
    }
    with Sandbox(facts) as sandbox:
        for model in ("thinker-2026-01-01", "ft:thinker:org::x"):
            refused = ask(sandbox, CHAT, chat(model=model, temperature=0.5))
            assert refused.json()["error"]["param"] == "temperature"
        assert "retired" in ask(sandbox, CHAT, chat(model="gone-2025-01-01")).text
        assert "not a chat model" in ask(sandbox, CHAT, chat(model="painter-2025-01-01")).text


def test_reasoning_is_inferred_from_names_without_facts(sandbox: Sandbox) -> None:
    for model in ("gpt-5.4", "o3-mini-2025-01-31", "ft:o4-mini:org::x"):
        assert ask(sandbox, CHAT, chat(model=model, temperature=0.5)).status_code == 400
    for model in ("gpt-5-chat-latest", "gpt-4o-2024-08-06"):
        assert ask(sandbox, CHAT, chat(model=model, temperature=0.5)).status_code == 200


def test_every_model_of_the_list_is_there(sandbox: Sandbox) -> None:
    listed = [model["id"] for model in answered(ask(sandbox, "/v1/models"))["data"]]
    assert {"gpt-4o", "gpt-4o-mini", "sandbox-instruct"} <= set(listed)
    assert listed == sorted(set(listed))
    for name in listed:
        assert ask(sandbox, f"/v1/models/{name}").status_code == 200
    assert "davinci-002" not in listed
    assert ask(sandbox, "/v1/models/davinci-002").status_code == 404


def test_the_legacy_api_on_every_kind_that_has_it(connector: Connector, sandbox: Sandbox) -> None:
    body = {"model": "sandbox-instruct", "prompt": "Hello", "max_tokens": 50}
    assert '"Hello"' in choice(ask(sandbox, LEGACY, body))["text"]
    refused = ask(sandbox, CHAT, chat(model="sandbox-instruct"))
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "model")
    inputs = {"model": "sandbox-instruct", "messages": ["Hello"]}
    for kind in ("openai", "azure-dated"):
        result = connector.invoke("createCompletions", inputs, sandbox.connection(kind))
        assert result.ok, result.to_dict()
        assert result.data["choices"][0]["text"].startswith("Sandbox completion of")
        assert "legacy completions" in result.meta["warnings"][0]


def test_the_real_legacy_models_have_retired(sandbox: Sandbox) -> None:
    for model in ("gpt-3.5-turbo-instruct", "davinci-002", "babbage-002"):
        refused = ask(sandbox, LEGACY, {"model": model, "prompt": "Hello"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


def test_base_models_of_the_dated_surface(connector: Connector, sandbox: Sandbox) -> None:
    listed = answered(ask(sandbox, f"/openai/models?{DATED}"))["data"]
    for model in listed:
        assert answered(ask(sandbox, f"/openai/models/{model['id']}?{DATED}")) == model
    inputs = {"method": "GET", "url": "/openai/models/gpt-4o"}
    result = connector.invoke("rawRequest", inputs, sandbox.connection("azure-dated"))
    assert result.ok, result.to_dict()
    assert result.data["capabilities"]["chat_completion"] is True
    assert result.data["lifecycle_status"] == "generally-available"
    retired = answered(ask(sandbox, f"/openai/models/gpt-4o-mini?{DATED}"))
    assert retired["lifecycle_status"] == "deprecated"
    assert retired["capabilities"]["inference"] is False


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/openai/models/my-deployment?{DATED}", "ResourceNotFound"),
        (f"/openai/models/gpt-4o-mimi?{DATED}", "ResourceNotFound"),
        ("/openai/models/gpt-4o", "404"),
        ("/openai/models/gpt-4o?api-version=2020-01-01", "404"),
        (f"/openai/models/?{DATED}", "404"),
    ],
)
def test_base_models_that_there_are_not(sandbox: Sandbox, path: str, code: str) -> None:
    response = ask(sandbox, path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, code)


def test_a_world_without_facts() -> None:
    with Sandbox({}) as sandbox:
        assert answered(ask(sandbox, CHAT, chat(model="gpt-4o-mini")))
        assert ask(sandbox, CHAT, chat(model="gpt-4o-mimi")).status_code == 404
