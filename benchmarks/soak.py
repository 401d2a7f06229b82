"""Many invocations against a server that fails at random: is anything lost, doubled, mixed, leaked?

    python -m benchmarks.soak [--count 50000] [--threads 8] [--seed 1]

Each invocation has a marker of its own, which the server sends back beside a mark of the key that
it saw. Not a part of the tests: it takes minutes. Exit code 1 where something is not as it should.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import hashlib
import json
import logging
import os
import queue
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from connector import Connector
from connector.policy.clock import Clock
from tests.support.fault_server import FaultServer, Received, chat_completion

KEYS = [f"sk-soak-{index}-5f1c77aa90e3" for index in range(4)]

# How often a fault is drawn, of 100; the rest is answered well.
FAULTS: list[tuple[int, dict[str, Any]]] = [
    (2, {"status": 500, "json": {"error": {"message": "Oops."}}}),
    (2, {"status": 503, "text": "<html>busy</html>", "headers": {"retry-after-ms": 1}}),
    (2, {"status": 429, "json": {"error": {"code": "slow"}}, "headers": {"retry-after-ms": 1}}),
    (2, {"reset": "after_request"}),
    (1, {"close": "after_request"}),
    (1, {"echo": "all", "status": 401}),
    (1, {"echo": "all", "status": 400}),
    (1, {"echo": "all"}),
    (1, {"text": "<html>", "headers": {"content-type": "text/html"}}),
    (1, {"nan_json": True}),
    (1, {"redirect": "http://192.0.2.1/"}),
    (1, {"header_flood": 500}),
    (1, {"status": 429, "json": {"error": {"code": "insufficient_quota"}}}),
    (1, {"status": 500, "repeat": {"text": "x", "times": 300_000}}),
]
WAYS: list[dict[str, Any]] = [
    *[{}] * 10,
    {"gzip": True},
    {"chunked": True},
    {"chunked": True, "gzip": True},
    {"deflate": True},
    {"no_length": True},
    {"close_after": True},
    {"set_cookie": "session=1"},
    {"interim": [103]},
    {"close": "mid_body"},
    {"reset": "mid_body"},
    {"content_length": 99_999},
    {"gzip_truncated": True},
    {"chunked_truncated": True},
]
EXPECTED = frozenset(
    "server_error rate_limited quota_exhausted connection_lost protocol_error invalid_response "
    "authentication_failed bad_request unexpected_redirect".split()
)


def tag(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def serve(seed: int) -> None:
    """Answer until standard input ends; the address goes to standard output."""
    dice = random.Random(seed)  # noqa: S311 - chance, not a secret

    def answer(received: Received, _: int) -> dict[str, Any]:
        draw = dice.randrange(100)
        for weight, fault in FAULTS:
            draw -= weight
            if draw < 0:
                return fault
        marker = received.json()["messages"][0]["content"]
        key = (received.header("authorization") or "").removeprefix("Bearer ")
        cookie = received.header("cookie") or ""
        return {"json": chat_completion(f"{marker} {tag(key)}{cookie}"), **dice.choice(WAYS)}

    with FaultServer(answer) as server:
        server.requests = collections.deque(maxlen=1)  # type: ignore[assignment] # it only appends
        print(server.url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def server_process(seed: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.soak", "--serve", "--seed", str(seed)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


class KeyWatch(logging.Handler):
    """Counts the log records that have a key in them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records = 0
        self.leaks = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        text = f"{record.getMessage()} {record.exc_info}"
        self.leaks += any(key in text for key in KEYS)


class Soak:
    """The invocations, and what came of them."""

    def __init__(self, url: str, count: int) -> None:
        self.connector = Connector.load(clock=Clock(random=lambda: 0.0))
        self.url = url
        self.count = count
        self.numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.codes: collections.Counter[str] = collections.Counter()
        self.attempts = 0
        self.wrong: list[str] = []
        self.done: set[int] = set()
        self._lock = threading.Lock()

    def run(self, numbers: range, threads: int) -> None:
        for number in numbers:
            self.numbers.put(number)
        workers = [threading.Thread(target=self._work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self) -> None:
        while True:
            try:
                number = self.numbers.get_nowait()
            except queue.Empty:
                return
            self._one(number)

    def _one(self, number: int) -> None:
        key = KEYS[number % len(KEYS)]
        marker = f"marker-{number}"
        result = self.connector.invoke(
            "createChatCompletion",
            {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": marker}]},
            {"fields": {"apiKey": key, "isOpenAIKey": True, "endpoint": self.url}},
        )
        envelope = json.dumps(result.to_dict())
        error = result.error
        if error is None:
            content = result.data["choices"][0]["message"]["content"]
            problem = "" if content == f"{marker} {tag(key)}" else f"another's answer: {content}"
        else:
            problem = "" if error.code in EXPECTED else f"unexpected: {error}"
        if any(key in envelope for key in KEYS):
            problem = "a key in the envelope"
        with self._lock:
            self.codes[error.code if error else "ok"] += 1
            self.attempts += result.meta["attempts"]
            if number in self.done:
                problem = "a second result"
            self.done.add(number)
            if problem:
                self.wrong.append(f"{number}: {problem}")


def rss() -> int:
    """Memory in use, in KiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def sizes() -> dict[str, int]:
    gc.collect()
    return {
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "rss_kib": rss(),
        "objects": len(gc.get_objects()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.seed)
        return 0
    watch = KeyWatch()
    logging.getLogger().addHandler(watch)
    logging.getLogger().setLevel(logging.DEBUG)
    with server_process(options.seed) as url:
        soak = Soak(url, options.count)
        warm = options.count // 5
        soak.run(range(warm), options.threads)
        before = sizes()
        started = time.perf_counter()
        soak.run(range(warm, options.count), options.threads)
        took = time.perf_counter() - started
        soak.connector.close()
        after = sizes()
    problems = soak.wrong[:20]
    if len(soak.done) != options.count:
        problems.append(f"{options.count - len(soak.done)} results are lost")
    if watch.leaks:
        problems.append(f"{watch.leaks} log records have a key in them")
    for name, most in (("threads", 0), ("files", 0), ("rss_kib", 16 << 10), ("objects", 20_000)):
        if after[name] - before[name] > most:
            problems.append(f"{name} grew from {before[name]} to {after[name]}")
    figures = {
        "invocations": options.count,
        "attempts": soak.attempts,
        "perSecond": round((options.count - warm) / took),
        "codes": dict(soak.codes.most_common()),
        "logRecords": watch.records,
        "before": before,
        "after": after,
        "problems": problems,
    }
    print(json.dumps(figures, indent=2))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
