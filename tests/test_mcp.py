"""The actions as tools of the Model Context Protocol, with the client of its SDK."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest

from connector import Connector
from connector.sandbox import Sandbox
from tests.support.fault_server import FaultServer, SilentListener
from tests.support.front import KEY, connection, inputs_of
from tests.support.manifests import examples

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent

from connector.doors.mcp.server import Tools

REPOSITORY = Path(__file__).parent.parent
CHAT = "createChatCompletion"
MESSAGES = [{"role": "user", "content": "Hi"}]


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    anyio.run(work)


def tools(connections: dict[str, Any], default: Any = None) -> Client:
    connector = Connector.load(connections=connections)
    return Client(Tools(connector, default).server())


def text_of(result: CallToolResult) -> str:
    (block,) = [b for b in result.content if isinstance(b, TextContent)]
    return block.text


@pytest.fixture
def named(running_sandbox: Sandbox) -> dict[str, Any]:
    return {
        "first": running_sandbox.connection("openai"),
        "second": running_sandbox.connection("azure"),
    }


def test_there_is_a_tool_an_action(named: dict[str, Any]) -> None:
    async def work() -> None:
        async with tools(named) as client:
            listed = (await client.list_tools()).tools
        connector = Connector.load()
        assert [tool.name for tool in listed] == list(connector.manifest.actions)
        for tool in listed:
            assert tool.input_schema["type"] == "object"
            assert tool.input_schema["properties"]["connection"]["enum"] == ["first", "second"]
            assert "connection" in tool.input_schema["required"]
            assert tool.output_schema is not None
            assert tool.output_schema["type"] == "object"
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            assert "apiKey" not in json.dumps(tool.input_schema)

    run(work)


def test_one_connection_is_the_default(named: dict[str, Any]) -> None:
    async def work() -> None:
        async with tools({"only": named["first"]}) as client:
            (tool, *_) = (await client.list_tools()).tools
            assert tool.input_schema["properties"]["connection"]["default"] == "only"
            assert "connection" not in tool.input_schema.get("required", [])
            result = await client.call_tool(CHAT, {"messages": MESSAGES})
            assert not result.is_error

    run(work)


@pytest.mark.parametrize(("action", "inputs"), examples())
def test_every_example_runs_as_a_tool(
    named: dict[str, Any], action: str, inputs: dict[str, Any]
) -> None:
    async def work() -> None:
        async with tools(named) as client:
            result = await client.call_tool(action, {**inputs, "connection": "first"})
        assert not result.is_error, result
        assert result.structured_content is not None
        if "data" in result.structured_content:
            assert json.loads(json.dumps(result.structured_content)) is not None

    run(work)


def test_images_are_content_and_not_data_too(named: dict[str, Any]) -> None:
    async def work() -> None:
        async with tools(named) as client:
            arguments = {"prompt": "A lighthouse", "numImages": 2, "connection": "first"}
            result = await client.call_tool("createImage", arguments)
        images = [block for block in result.content if isinstance(block, ImageContent)]
        assert len(images) == 2
        assert images[0].mime_type == "image/png"
        shown = json.dumps(result.structured_content) + text_of(result)
        assert images[0].data not in shown
        assert "content 1 of this result" in shown

    run(work)


def test_a_failure_is_an_error_that_the_model_can_read(named: dict[str, Any]) -> None:
    async def work() -> None:
        async with tools(named) as client:
            arguments = {"messages": MESSAGES, "temperature": 7, "connection": "first"}
            result = await client.call_tool(CHAT, arguments)
        assert result.is_error
        error = json.loads(text_of(result))["error"]
        assert (error["code"], error["sent"]) == ("invalid_input", "no")

    run(work)


@pytest.mark.parametrize(
    "given",
    [
        {"fields": {"apiKey": "sk-of-a-stranger-0123", "endpoint": "https://x.example"}},
        {"key": "apiKey", "fields": {}},
        "absent",
        7,
    ],
)
def test_a_tool_takes_the_name_of_a_connection_only(named: dict[str, Any], given: Any) -> None:
    async def work() -> None:
        async with tools(named) as client:
            result = await client.call_tool(CHAT, {"messages": MESSAGES, "connection": given})
        assert result.is_error
        assert json.loads(text_of(result))["error"]["code"] == "invalid_connection"
        assert "stranger" not in text_of(result)

    run(work)


def test_progress_of_a_fan_out_is_told(named: dict[str, Any]) -> None:
    seen: list[tuple[float, float | None]] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async def work() -> None:
        async with tools(named) as client:
            arguments = {"messages": ["a", "b", "c"], "connection": "first"}
            result = await client.call_tool("createCompletions", arguments, progress_callback=told)
            assert not result.is_error
            with anyio.fail_after(30):
                while len(seen) < 3:
                    await anyio.sleep(0.01)

    run(work)
    assert sorted(seen) == [(1, 3), (2, 3), (3, 3)]


def test_a_cancelled_call_ends_at_the_provider(named: dict[str, Any]) -> None:
    async def work() -> None:
        with SilentListener() as silent:
            async with tools({"p": connection(silent.url)}) as client:

                async def call() -> None:
                    await client.call_tool("rawRequest", inputs_of("rawRequest"))

                async with anyio.create_task_group() as group:
                    group.start_soon(call)
                    with anyio.fail_after(30):
                        while silent.connections == 0:
                            await anyio.sleep(0.01)
                    group.cancel_scope.cancel()

    run(work)


def test_no_key_is_told(named: dict[str, Any]) -> None:
    echo = {"status": 400, "json": {"error": {"message": f"The key {KEY} is bad."}}}

    async def work() -> None:
        with FaultServer([echo]) as server:
            async with tools({"p": connection(server.url)}) as client:
                result = await client.call_tool(CHAT, {"messages": MESSAGES})
        assert result.is_error
        assert KEY not in text_of(result)

    run(work)


def test_the_command_serves_standard_input_and_output(tmp_path: Path) -> None:
    async def work() -> None:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "connector", "mcp", "--sandbox=openai"],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_CONFIG_HOME": str(tmp_path)},
        )
        async with Client(server) as client:
            result = await client.call_tool(CHAT, {"messages": MESSAGES})
            assert not result.is_error

    run(work)
