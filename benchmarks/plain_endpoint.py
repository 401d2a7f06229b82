"""What one writes by hand instead of the HTTP door: `python plain_endpoint.py URL` prints its port.

A Starlette route that reads the body, calls the provider with `requests` on a thread, and returns
its answer. It validates nothing, retries nothing and notices no client that goes away.
"""

from __future__ import annotations

import socket
import sys

import requests
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SESSION = requests.Session()
SESSION.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=128))


async def chat(request: Request) -> JSONResponse:
    """Pass a chat on."""
    body = await request.json()
    response = await run_in_threadpool(
        SESSION.post,
        sys.argv[1] + "/v1/chat/completions",
        json=body,
        headers={"Authorization": "Bearer sk-benchmark-0000"},
        timeout=60,
    )
    return JSONResponse(response.json(), response.status_code)


def main() -> None:
    """Serve until terminated."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
        config = uvicorn.Config(app, access_log=False, log_level="error")
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
