"""What a bulk run costs, against a loopback server: `python benchmarks/bulk.py`.

Prints rows a second against the ideal, rows a second of CPU, the memory of the coordinator, and
the rows that are called twice after a kill. With `--sdk PYTHON`, an environment with the openai
SDK, a plain script with threads does the same rows. `--rows` is how many; `--memory` are the sizes
of the memory test. On a busy machine only the CPU time and the ratios taken side by side count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

HERE = Path(__file__).parent
DELAY_MS = 50
CONCURRENCY = 64
TEMPLATE = 'messages=[{"role": "user", "content": "Translate: {text}"}]'
# An interpreter that may not write bytecode compiles every import again, which a user's does not.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

# What people write today: no results store, no retries of its own, no way to go on.
SDK_SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from openai import OpenAI
client = OpenAI(api_key="sk-benchmark-0000", base_url=sys.argv[1] + "/v1")
def call(line):
    text = "Translate: " + json.loads(line)["text"]
    made = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    return made.choices[0].message.content
with open(sys.argv[2]) as rows, ThreadPoolExecutor(int(sys.argv[3])) as pool, \\
        open(sys.argv[2] + ".out", "w") as out:
    for text in pool.map(call, rows):
        out.write(json.dumps(text) + "\\n")
"""


class Taken(NamedTuple):
    """One run: seconds of wall, seconds of CPU, MiB at the most, its counts as it prints them."""

    wall: float
    cpu: float
    mib: float
    counts: Any


@contextmanager
def server() -> Iterator[str]:
    """Run the loopback server and yield its address."""
    words = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        assert made.stdin is not None
        yield f"http://127.0.0.1:{made.stdout.readline().strip()}"
        made.stdin.close()


def posts(url: str) -> int:
    """Return how many POSTs the server has received since this was asked last."""
    return int(urlopen(f"{url}/posts").read())  # noqa: S310 - loopback


def write_rows(folder: Path, count: int, distinct: int | None = None) -> Path:
    """Write rows; only `distinct` of them differ, all for None."""
    path = folder / f"rows-{count}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps({"text": f"Sentence {number % (distinct or count)}"}) + "\n")
    return path


def command(folder: Path, rows: Path, url: str, concurrency: int) -> list[str]:
    """Return the command of a run whose results are fresh if `folder` is."""
    fields = {"apiKey": "sk-benchmark-0000", "isOpenAIKey": True, "endpoint": url}
    file = folder / "connections.json"
    file.write_text(json.dumps({"bench": {"fields": fields}}), encoding="utf-8")
    file.chmod(0o600)
    words = ["bulk", "createChatCompletion", str(rows), "--results", str(folder / "results.db")]
    words += ["--connections", str(file), "-i", "connection=bench", "-i", TEMPLATE]
    return [sys.executable, "-m", "connector", *words, "--concurrency", str(concurrency)]


def run(words: list[str]) -> Taken:
    """Run a command to its end."""
    start = time.perf_counter()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    ) as made:
        assert made.stdout is not None
        out = made.stdout.read()
        _, status, used = os.wait4(made.pid, 0)
        made.returncode = os.waitstatus_to_exitcode(status)
    assert made.returncode == 0, made.returncode
    wall = time.perf_counter() - start
    mib = used.ru_maxrss / 1024
    return Taken(wall, used.ru_utime + used.ru_stime, mib, json.loads(out) if out else None)


def paced(url: str, count: int) -> None:
    """Print the rate against the ideal, with a server that takes 50 ms."""
    ideal = count * DELAY_MS / 1000 / CONCURRENCY
    with tempfile.TemporaryDirectory() as name:
        rows = write_rows(Path(name), count)
        taken = run(command(Path(name), rows, f"{url}/delay-{DELAY_MS}", CONCURRENCY))
    seconds = taken.counts["durationMs"] / 1000
    print(
        f"{count} rows, {CONCURRENCY} at a time, {DELAY_MS} ms each: {count / seconds:.0f} rows/s, "
        f"{ideal / seconds:.2f} of ideal (goal >= 0.90); {taken.cpu / count * 1e6:.0f} µs CPU a row"
    )


def instant(url: str, count: int) -> None:
    """Print the rows per second of CPU, with a server that answers at once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = run(command(folder, write_rows(folder, count), url, 16))
    seconds = taken.counts["durationMs"] / 1000
    print(
        f"{count} rows, answered at once: {count / taken.cpu:.0f} rows a second of CPU "
        f"(goal >= 1,500; the start included), {count / seconds:.0f} rows/s of wall"
    )


def memory(url: str, sizes: list[int]) -> None:
    """Print the memory of the coordinator. The larger files repeat 10,000 texts."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = write_rows(folder, size, min(size, 10_000))
            taken = run(command(folder, rows, url, CONCURRENCY))
        print(f"{size} rows: {taken.mib:.0f} MiB at the most (goal: flat, under 150)")


def killed(url: str, count: int) -> None:
    """Print how many rows are called twice after a kill in the middle."""
    for concurrency in (8, 32, 64):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = command(
                folder, write_rows(folder, count), f"{url}/delay-{DELAY_MS}", concurrency
            )
            posts(url)
            with subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
            ) as made:
                before = 0
                while before < count // 2:
                    time.sleep(0.02)
                    before += posts(url)
                made.send_signal(signal.SIGKILL)
            run(words)
            twice = before + posts(url) - count
        print(f"killed at {concurrency} at a time: {twice} of {count} rows called twice")


def sdk(url: str, count: int, python: str) -> None:
    """Print the same rows through a plain script with the openai SDK."""
    ideal = count * DELAY_MS / 1000 / CONCURRENCY
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, script = write_rows(folder, count), folder / "script.py"
        script.write_text(SDK_SCRIPT, encoding="utf-8")
        words = [python, str(script), f"{url}/delay-{DELAY_MS}", str(rows), str(CONCURRENCY)]
        taken = run(words)
    print(
        f"plain script with the openai SDK: {count / taken.wall:.0f} rows/s, "
        f"{ideal / taken.wall:.2f} of ideal; {taken.cpu / count * 1e6:.0f} µs CPU a row"
    )


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--memory", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--sdk", metavar="PYTHON")
    arguments = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    with server() as url:
        paced(url, arguments.rows)
        if arguments.sdk:
            sdk(url, arguments.rows, arguments.sdk)
        instant(url, arguments.rows)
        killed(url, 3_000)
        memory(url, arguments.memory)


if __name__ == "__main__":
    main()
