"""One measurement of one subject, in a process of its own: prints one JSON object.

`python subject.py SUBJECT SCENARIO URL [ARGUMENT]`, run by `run.py` with the Python of the
subject's environment. CPU is that of this process, in microseconds a call; memory in bytes.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

KEY = "sk-benchmark-000000000000"
CA = os.environ["BENCHMARK_CA"]
"""The file of the authority that signed the server's certificate."""

CROWDS = {"fanout": (64, "/delay-50"), "crowd": (256, "/delay-50"), "alone": (1, "")}
"""Prompts in one invocation: how many at once, and the path that says how long each takes."""

TALK = ["You are a helpful assistant.", "Who won in 2020?", "The Dodgers.", "Where was it played?"]


def messages(count: int) -> list[dict[str, str]]:
    """Return a conversation of `count` messages."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": TALK[n % 4]} for n in range(count)]


def cpu(call: Callable[[], Any], calls: int) -> float:
    """Return the CPU microseconds that one call costs."""
    for _ in range(30):
        call()
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls * 1e6


def peak() -> int:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def bare(scenario: str, url: str, argument: int) -> Any:
    """What a good engineer writes by hand with requests."""
    import requests

    session = requests.Session()
    session.verify = CA
    headers = {"Authorization": f"Bearer {KEY}"}
    if scenario == "warm":
        body = {"model": "gpt-4o-mini", "messages": messages(argument)}

        def call() -> None:
            answer = session.post(f"{url}/v1/chat/completions", json=body, headers=headers)
            answer.raise_for_status()
            answer.json()

        return cpu(call, 300)
    if scenario == "cold":
        body = {"model": "gpt-4o-mini", "messages": messages(4)}
        answer = session.post(f"{url}/v1/chat/completions", json=body, headers=headers)
        return answer.json()
    if scenario == "large":
        before = peak()
        answer = session.get(f"{url}/v1/files/bytes/{argument}/content", headers=headers)
        data = base64.b64encode(answer.content).decode()
        text = json.dumps({"data": data})
        return {"memory": peak() - before, "length": len(text)}
    raise SystemExit(f"bare has no scenario {scenario}")


def openai(scenario: str, url: str, argument: int) -> Any:
    """The services' own SDK."""
    import openai as sdk

    body: Any = messages(argument if scenario == "warm" else 4)
    if scenario == "fanout":
        return _openai_fanout(sdk, url, argument)
    client = sdk.OpenAI(api_key=KEY, base_url=f"{url}/v1")
    if scenario == "warm":
        return cpu(lambda: client.chat.completions.create(model="gpt-4o-mini", messages=body), 100)
    if scenario == "cold":
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=body)
        return answer.model_dump(mode="json")
    raise SystemExit(f"openai has no scenario {scenario}")


def _openai_fanout(sdk: Any, url: str, prompts: int) -> Any:
    import asyncio

    async def run() -> float:
        client = sdk.AsyncOpenAI(api_key=KEY, base_url=f"{url}/delay-50/v1")
        gate = asyncio.Semaphore(64)

        async def one(number: int) -> None:
            async with gate:
                body = [{"role": "user", "content": f"Prompt {number}"}]
                await client.chat.completions.create(model="gpt-4o-mini", messages=body)

        start = time.perf_counter()
        await asyncio.gather(*(one(n) for n in range(prompts)))
        return time.perf_counter() - start

    return {"seconds": asyncio.run(run())}


def ours(scenario: str, url: str, argument: int) -> Any:
    """The connector: clean, validate, send, parse, envelope."""
    from connector import Connector

    connector = Connector.load()

    def connection(prefix: str = "") -> dict[str, Any]:
        fields = {"apiKey": KEY, "isOpenAIKey": True, "endpoint": url + prefix, "caFile": CA}
        return {"fields": fields}

    def chat() -> None:
        result = connector.invoke("createChatCompletion", {"messages": body}, connection())
        assert result.ok, result.error

    if scenario == "warm":
        body = messages(argument)
        return cpu(chat, 300)
    if scenario == "own":
        _without_http()
        body = messages(argument)
        return cpu(chat, 2_000)
    if scenario == "validation":
        given = {"messages": messages(argument)}
        form = connector.catalog.form("createChatCompletion")
        return cpu(lambda: form.clean(given), 2_000)
    if scenario in CROWDS:
        concurrency, prefix = CROWDS[scenario]
        prompts = [f"Prompt {n}" for n in range(argument)]
        inputs: dict[str, Any] = {"model": "m", "messages": prompts, "concurrency": concurrency}
        start = time.perf_counter()
        result = connector.invoke("createCompletions", inputs, connection(prefix))
        assert result.ok, result.error
        return {"seconds": time.perf_counter() - start, "memory": peak()}
    if scenario == "large":
        chat_once = {"messages": messages(4)}
        connector.invoke("createChatCompletion", chat_once, connection())  # imports are not counted
        before = peak()
        path = f"/v1/files/bytes/{argument}/content"
        inputs = {"method": "GET", "url": path, "responseType": "binary"}
        result = connector.invoke("rawRequest", inputs, connection())
        assert result.ok, result.error
        return {"memory": peak() - before}
    if scenario == "flat":
        return _flat(connector, connection(), argument)
    raise SystemExit(f"the connector has no scenario {scenario}")


def _without_http() -> None:
    """Answer in the place of the HTTP call, so that only the connector's own part is left."""
    from server import _CHAT

    from connector.http import messages, transport

    response = messages.Response(200, {"content-type": "application/json"}, _CHAT, "req_1")
    transport.Transport.send = lambda *_: response  # type: ignore[method-assign] # a stand-in


def _flat(connector: Any, connection: Any, prompts: int) -> Any:
    import tracemalloc

    texts = [f"Prompt {n}" for n in range(prompts)]
    inputs = {"model": "gpt-4o-mini", "messages": texts, "concurrency": 8}
    connector.invoke("createCompletions", {**inputs, "messages": ["warm up"]}, connection)
    tracemalloc.start()
    result = connector.invoke("createCompletions", inputs, connection)
    kept, most = tracemalloc.get_traced_memory()
    assert result.ok, result.error
    return {"beyond": most - kept, "kept": kept}


if __name__ == "__main__":
    subject, scenario, url = sys.argv[1:4]
    argument = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    print(
        json.dumps({"ours": ours, "bare": bare, "openai": openai}[subject](scenario, url, argument))
    )
