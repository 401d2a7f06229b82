"""A loopback server that costs next to nothing: `python benchmarks/server.py PEM` prints its port
and that for TLS, with the key and certificate in the file PEM.

It answers any POST with a fixed chat completion of about 800 bytes, after the milliseconds that
the path names (`/delay-50/v1/…`); GET `/…/bytes/N/content` with N zero bytes; GET `/connections`
with how many connections it has taken since it was last asked, `/posts` with how many POSTs.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys

_CHAT = json.dumps(
    {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "word " * 100, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 50, "completion_tokens": 100, "total_tokens": 150},
    }
).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
_ANSWER = _HEAD % (b"application/json", len(_CHAT)) + _CHAT
_ZEROS = bytes(1 << 16)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Server(asyncio.Protocol):
    """One connection."""

    taken = 0
    posts = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        Server.taken += 1
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        Server.posts += head.startswith(b"POST")
        self.answer(head.split(b" ", 2)[1].decode())

    def answer(self, path: str) -> None:
        delay = re.match(r"/delay-(\d+)/", path)
        size = re.search(r"/bytes/(\d+)/", path)
        if path == "/connections":
            body = str(Server.taken).encode()
            Server.taken = 0
            self.transport.write(_HEAD % (b"text/plain", len(body)) + body)
        elif path == "/posts":
            body = str(Server.posts).encode()
            Server.posts = 0
            self.transport.write(_HEAD % (b"text/plain", len(body)) + body)
        elif size:
            self.task = asyncio.ensure_future(self.stream(int(size[1])))
        elif delay:
            asyncio.get_running_loop().call_later(
                int(delay[1]) / 1000, self.transport.write, _ANSWER
            )
        else:
            self.transport.write(_ANSWER)

    async def stream(self, size: int) -> None:
        self.transport.write(_HEAD % (b"application/octet-stream", size))
        for start in range(0, size, len(_ZEROS)):
            while self.transport.get_write_buffer_size() > 1 << 20:
                await asyncio.sleep(0.0005)
            self.transport.write(_ZEROS[: size - start])


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    plain = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)
    secure = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024, ssl=context)
    print(*(s.sockets[0].getsockname()[1] for s in (plain, secure)), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
