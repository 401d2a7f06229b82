"""The MCP server: a tool an action, made from the manifest."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from connector.connector import Connector
from connector.doors.mcp.content import of_data, of_error
from connector.policy.cancellation import Cancellation
from connector.result import Result
from connector.version import __version__


class Tools:
    """The actions of a connector as tools.

    `connection` is used where a call names none, None where it must. A tool never takes a key: its
    argument `connection` is the name of a configured one.
    """

    def __init__(self, connector: Connector, connection: Any = None, concurrency: int = 64) -> None:
        self._connector = connector
        self._names = connector.connection_names()
        if connection is None and len(self._names) == 1:
            connection = self._names[0]
        self._connection = connection
        self._limiter = anyio.CapacityLimiter(concurrency)

    def server(self) -> Server[Any]:
        """Return the server."""
        manifest = self._connector.manifest
        icon = base64.b64encode(self._connector.icon()).decode()
        return Server(
            manifest.key,
            version=manifest.version or __version__,
            title=manifest.label,
            instructions=manifest.description,
            icons=[types.Icon(src=f"data:image/png;base64,{icon}", mime_type="image/png")]
            if icon
            else None,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def _list(
        self, _: ServerRequestContext[Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[self._tool(key) for key in self._actions()])

    def _actions(self) -> Mapping[str, Any]:
        return self._connector.manifest.actions

    def _tool(self, key: str) -> types.Tool:
        action = self._actions()[key]
        return types.Tool(
            name=key,
            title=action.label,
            description=f"{action.description}.".replace("..", "."),
            input_schema=self._input_schema(key),
            output_schema=_wrapped(self._connector.output_schema(key)),
            annotations=types.ToolAnnotations(
                title=action.label,
                read_only_hint=False,
                idempotent_hint=False,
                open_world_hint=True,
            ),
        )

    def _input_schema(self, key: str) -> dict[str, Any]:
        schema = self._connector.schema(key)
        if self._names:
            about = {"type": "string", "enum": self._names, "description": "The connection to use."}
            if isinstance(self._connection, str):
                about["default"] = self._connection
            schema["properties"] = {"connection": about, **schema.get("properties", {})}
            if self._connection is None:
                schema["required"] = ["connection", *schema.get("required", [])]
        return schema

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        inputs = dict(params.arguments or {})
        connection = inputs.pop("connection", None) or self._connection
        if isinstance(connection, Mapping) and connection is not self._connection:
            connection = "written out"  # no such name: a tool takes no key
        cancel = Cancellation()
        loop = asyncio.get_running_loop()

        def progress(done: int, total: int) -> None:  # on threads of the call
            asyncio.run_coroutine_threadsafe(
                context.session.report_progress(done, total, f"{done} of {total}"), loop
            )

        work = partial(
            self._connector.invoke,
            params.name,
            inputs,
            connection,
            progress=progress,
            cancel=cancel,
        )
        try:
            result: Result = await anyio.to_thread.run_sync(
                work, abandon_on_cancel=True, limiter=self._limiter
            )
        finally:
            cancel.cancel()  # harmless once the call has ended
        if result.error is not None:
            return of_error(result.error, result.data)
        return of_data(result.data)


def _wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of `{"data": …}`: clients want an object at the root."""
    inner = {key: value for key, value in schema.items() if key not in ("$defs", "$schema", "$id")}
    outer: dict[str, Any] = {
        "type": "object",
        "properties": {"data": inner},
        "required": ["data"],
    }
    if "$defs" in schema:
        outer["$defs"] = schema["$defs"]
    return outer
