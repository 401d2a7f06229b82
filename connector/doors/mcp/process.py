"""Runs the MCP server over standard input and output, or over HTTP."""

from __future__ import annotations

import socket

import anyio
import uvicorn
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from connector.doors.mcp.server import Tools
from connector.doors.server.guard import Guard
from connector.doors.server.settings import Settings

PATH = "/mcp"


def serve_stdio(tools: Tools) -> None:
    """Serve until standard input ends."""

    async def run() -> None:
        server = tools.server()
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(run)


def serve_http(tools: Tools, listener: socket.socket, settings: Settings, token: str) -> None:
    """Serve streamable HTTP until a signal. Host, origin and token are checked as by the HTTP
    door."""
    # Our guard checks host and origin, with the names that the operator lists.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = tools.server().streamable_http_app(
        streamable_http_path=PATH, transport_security=unchecked
    )
    guarded = Guard(app, settings, token, lambda _: False)
    config = uvicorn.Config(guarded, access_log=False, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
