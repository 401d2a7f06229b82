"""The HTTP door beside a hand-written endpoint: `python -m benchmarks.door`, in turns.

Both call the same loopback server, which answers at once. The clients are written in bytes and run
in this process. Rewrites its part of docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.run import DOCS, ENVIRONMENT, HERE, Row, served, table

CLIENTS = (1, 16, 128)
SECONDS = 4.0
MESSAGES = [{"role": "user", "content": f"Say word number {n}."} for n in range(4)]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def post(path: str, value: Any) -> bytes:
    """Return a request."""
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def client(port: int, request: bytes, until: float) -> list[float]:
    """Send a request again and again on one socket; return the seconds that each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    while (start := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = _LENGTH.search(head)
        assert length is not None
        await reader.readexactly(int(length[1]))
        taken.append(time.perf_counter() - start)
    writer.close()
    return taken


async def load(port: int, request: bytes, clients: int, seconds: float) -> list[float]:
    """Return the seconds that each request of many clients took."""
    until = time.perf_counter() + seconds
    found = await asyncio.gather(*(client(port, request, until) for _ in range(clients)))
    return [seconds for taken in found for seconds in taken]


async def health_while_busy(port: int, slow: bytes) -> list[float]:
    """Return the seconds that a health check took, each while 200 slow calls are under way."""
    calls = [asyncio.ensure_future(client(port, slow, time.perf_counter() + 1)) for _ in range(200)]
    await asyncio.sleep(0.7)  # all of them have been started
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    taken = await load(port, get, 1, 1.8)
    await asyncio.gather(*calls)
    return taken


@contextlib.contextmanager
def running(*words: str) -> Iterator[tuple[int, int]]:
    """Run a server; yield its port and its process."""
    process = subprocess.Popen(
        [sys.executable, *words],
        env={**ENVIRONMENT, "PYTHONPATH": str(HERE.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        found = re.search(r":(\d+)", line)
        assert found is not None, line
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def peak(pid: int) -> float:
    """Return the most memory that a process has used, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


def quantile(taken: list[float], share: float) -> float:
    """Return a quantile in ms."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] * 1000


def measure(rounds: int) -> Iterator[Row]:
    """Take turns, and yield the rows of the table."""
    with served() as (url, _), tempfile.TemporaryDirectory() as folder:
        fields = {"apiKey": "sk-benchmark-0000", "isOpenAIKey": True}
        named = {
            "fast": {"fields": {**fields, "endpoint": url}},
            "slow": {"fields": {**fields, "endpoint": f"{url}/delay-3000"}},
        }
        file = Path(folder, "connections.yaml")
        file.write_text(json.dumps(named))
        file.chmod(0o600)
        inputs = {"model": "gpt-4o-mini", "messages": MESSAGES}
        path = "/v1/actions/createChatCompletion"
        ours = post(path, {"connection": "fast", "inputs": inputs})
        slow = post(path, {"connection": "slow", "inputs": inputs})
        plain = post("/chat", inputs)
        direct = post("/v1/chat/completions", inputs)
        serve = ("-m", "connector", "serve", "--port", "0", "--connections", str(file))
        by_hand = (str(HERE / "plain_endpoint.py"), url)
        with running(*serve) as (door, door_pid), running(*by_hand) as (other, other_pid):
            provider = int(url.rsplit(":", 1)[1])
            for port, request in ((door, ours), (other, plain)):
                asyncio.run(load(port, request, 8, 1))  # warm
            for clients in CLIENTS:
                yield _throughput(rounds, clients, (door, ours), (other, plain))
            added = []
            for _ in range(rounds):
                base = asyncio.run(load(provider, direct, 1, SECONDS / 2))
                taken = asyncio.run(load(door, ours, 1, SECONDS / 2))
                added.append(quantile(taken, 0.5) - quantile(base, 0.5))
            ms = statistics.median(added)
            yield Row("time that the door adds to a call", f"{ms:.2f} ms", "≤ 1.0 ms", ms <= 1)
            text = f"door {peak(door_pid):.0f} MB · by hand {peak(other_pid):.0f} MB"
            yield Row("peak memory of the process", text, "", None)
            health = [
                quantile(asyncio.run(health_while_busy(door, slow)), 0.99) for _ in range(rounds)
            ]
            ms = statistics.median(health)
            yield Row(
                "health check, p99, with 200 calls of 3 s under way",
                f"{ms:.1f} ms",
                "< 20 ms",
                ms < 20,
            )


def _throughput(
    rounds: int, clients: int, door: tuple[int, bytes], other: tuple[int, bytes]
) -> Row:
    rates: dict[str, list[float]] = {"door": [], "by hand": []}
    all_taken: dict[str, list[float]] = {"door": [], "by hand": []}
    for _ in range(rounds):
        for name, (port, request) in (("door", door), ("by hand", other)):
            taken = asyncio.run(load(port, request, clients, SECONDS))
            rates[name].append(len(taken) / SECONDS)
            all_taken[name] += taken
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(rates["door"], rates["by hand"], strict=True)
    )
    text = " · ".join(
        f"{name} {statistics.median(rates[name]):,.0f}/s "
        f"(p50 {quantile(all_taken[name], 0.5):.1f}, p99 {quantile(all_taken[name], 0.99):.1f} ms)"
        for name in rates
    )
    word = "client" if clients == 1 else "clients"
    return Row(f"calls, {clients} {word}", f"{text}: {ratio:.2f}", "≥ 1.5", ratio >= 1.5)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="rewrite docs/performance.md")
    chosen = parser.parse_args()
    rows = []
    for row in measure(chosen.rounds):
        print(f"{row.what}: {row.figures} (goal {row.goal}, {row.met})", flush=True)
        rows.append(row)
    if chosen.write:
        path = DOCS / "performance.md"
        before, start, rest = path.read_text(encoding="utf-8").partition("<!-- door -->\n")
        _, end, after = rest.partition("<!-- end of door -->\n")
        assert end, "the page has no place for the figures"
        head = f"Medians of {chosen.rounds} interleaved rounds, {os.cpu_count()} cores.\n\n"
        path.write_text(before + start + head + table(rows) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
