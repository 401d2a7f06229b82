"""What the connector costs beside bare requests and the openai SDK, in one interleaved run.

`sh dev.sh bench` makes the environments and runs it. The subjects take turns in each round, each
in a process of its own, and the medians are compared: on a noisy machine only ratios that were
taken side by side count. Writes docs/performance.md and docs/performance.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
MIB = 1 << 20

# An interpreter that may not write bytecode compiles every import again, which a user's does not;
# and requests prefers the authorities of the environment to those that it is given.
ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("PYTHON", "OPENAI", "AZURE", "CONNECTOR", "REQUESTS", "CURL"))
}


class Row(NamedTuple):
    """One line of the table; `met` is None where there is no goal."""

    what: str
    figures: str
    goal: str
    met: bool | None


class Bench:
    """The subjects' interpreters, the server's address, and how many rounds to take."""

    def __init__(self, plain: Path, sdk: Path, urls: tuple[str, str], rounds: int) -> None:
        self.pythons = {"ours": plain, "bare": plain, "openai": sdk}
        self.plain = plain
        self.url, self.secure_url = urls
        self.rounds = rounds

    def measure(self, subject: str, scenario: str, argument: int, url: str = "") -> Any:
        """Return one measurement of `subject.py`, against `url` or the server without TLS."""
        script = str(HERE / "subject.py")
        words = [str(self.pythons[subject]), script, subject, scenario, url or self.url]
        done = subprocess.run(
            [*words, str(argument)], env=ENVIRONMENT, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    def medians(self, subjects: dict[str, Callable[[], float]]) -> dict[str, float]:
        """Return the median of each subject, taken in turns."""
        taken: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(self.rounds):
            print(f"\r  round {number + 1} of {self.rounds} ", end="", file=sys.stderr, flush=True)
            for name, take in subjects.items():
                taken[name].append(take())
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
        return {name: statistics.median(values) for name, values in taken.items()}

    def wall(self, *words: str) -> float:
        """Return the milliseconds of wall time that a fresh process takes."""
        start = time.perf_counter()
        subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=False)
        return (time.perf_counter() - start) * 1000


def warm(bench: Bench) -> Iterator[Row]:
    """CPU of a warm call, everything included."""
    found = bench.medians(
        {
            name: lambda name=name: bench.measure(name, "warm", 4)  # type: ignore[misc]
            for name in ("ours", "bare", "openai")
        }
    )
    us = " · ".join(f"{name} {found[name]:.0f} µs" for name in found)
    ratio = found["ours"] / found["bare"]
    yield Row(
        "warm call, CPU, against bare requests", f"{us}: {ratio:.2f}", "≤ 0.38", ratio <= 0.38
    )
    ratio = found["ours"] / found["openai"]
    yield Row("warm call, CPU, against the openai SDK", f"{ratio:.2f}", "≤ 0.20", ratio <= 0.20)


def secure(bench: Bench) -> Iterator[Row]:
    """CPU of a warm call over TLS."""
    found = bench.medians(
        {
            name: lambda name=name: bench.measure(name, "warm", 4, bench.secure_url)  # type: ignore[misc]
            for name in ("ours", "bare")
        }
    )
    ratio = found["ours"] / found["bare"]
    text = f"ours {found['ours']:.0f} µs · bare {found['bare']:.0f} µs: {ratio:.2f}"
    yield Row("warm call over TLS, CPU, against bare requests", text, "≤ 0.38", ratio <= 0.38)


def own(bench: Bench) -> Iterator[Row]:
    """CPU of all but the HTTP call."""
    for count, goal in ((4, 60), (200, 150)):
        taken = bench.medians({"own": lambda count=count: bench.measure("ours", "own", count)})  # type: ignore[misc]
        checked = bench.medians(
            {"own": lambda count=count: bench.measure("ours", "validation", count)}  # type: ignore[misc]
        )
        text = f"{taken['own']:.0f} µs, of it validation {checked['own']:.0f} µs"
        yield Row(f"own part, {count} messages", text, f"≤ {goal} µs", taken["own"] <= goal)


def cold(bench: Bench) -> Iterator[Row]:
    """Wall time of a fresh process, from start to printed answer."""
    python, script = str(bench.plain), str(bench.plain.parent / "connector")
    subject = str(HERE / "subject.py")
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder, "good.json"), Path(folder, "bad.json")
        fields = {"apiKey": "sk-benchmark-0000", "isOpenAIKey": True, "endpoint": bench.url}
        good.write_text(json.dumps({"connection": {"fields": fields}}))
        bad.write_text(json.dumps({"connection": {"fields": fields}, "inputs": {"topP": 7}}))
        invoke = (script, "invoke", "createChatCompletion", "--payload")
        sdk = str(bench.pythons["openai"])
        found = bench.medians(
            {
                "python": lambda: bench.wall(python, "-c", "pass"),
                "invoke": lambda: bench.wall(*invoke, str(good)),
                "bare": lambda: bench.wall(python, subject, "bare", "cold", bench.url),
                "openai": lambda: bench.wall(sdk, subject, "openai", "cold", bench.url),
                "describe": lambda: bench.wall(script, "describe"),
                "schema": lambda: bench.wall(script, "schema", "createChatCompletion"),
                "refused": lambda: bench.wall(*invoke, str(bad)),
            }
        )
    text = " · ".join(f"{name} {found[name]:.0f} ms" for name in ("invoke", "bare", "openai"))
    ratio = found["invoke"] / found["bare"]
    yield Row("cold invoke against a bare script", f"{text}: {ratio:.2f}", "≤ 1.05", ratio <= 1.05)
    ratio = found["invoke"] / found["openai"]
    yield Row("cold invoke against the openai SDK", f"{ratio:.2f}", "≤ 0.20", ratio <= 0.20)
    for name in ("describe", "schema", "refused"):
        ratio = found[name] / found["python"]
        text = f"{found[name]:.0f} ms, Python alone {found['python']:.0f} ms: {ratio:.1f}"
        yield Row(f"cold {name}", text, "≤ 4", ratio <= 4)


def fanout(bench: Bench) -> Iterator[Row]:
    """2,000 prompts to a server that takes 50 ms, 64 at a time."""
    prompts, ideal = 2_000, 2_000 / 64 * 0.050
    counts = []

    def ours() -> float:
        _connections(bench)
        seconds: float = bench.measure("ours", "fanout", prompts)["seconds"]
        counts.append(_connections(bench) - 1)
        return seconds

    found = bench.medians(
        {"ours": ours, "openai": lambda: bench.measure("openai", "fanout", prompts)["seconds"]}
    )
    ratio = ideal / found["ours"]
    text = f"{found['ours']:.2f} s, ideal {ideal:.2f} s: {ratio:.2f}"
    yield Row("2,000 prompts, ideal ÷ wall", text, "≥ 0.94", ratio >= 0.94)
    most = max(counts)
    yield Row("connections for them", f"{most}", "64", most == 64)
    ratio = found["openai"] / found["ours"]
    text = f"openai async {found['openai']:.2f} s: {ratio:.1f} times as fast"
    yield Row("2,000 prompts against openai async", text, "≥ 1.9", ratio >= 1.9)


def crowd(bench: Bench) -> Iterator[Row]:
    """8,000 prompts to a server that takes 50 ms, 256 at a time."""
    prompts, calls, ideal = 8_000, 3_000, 256 / 0.050
    memory = []

    def together() -> float:
        found = bench.measure("ours", "crowd", prompts)
        memory.append(found["memory"] / MIB)
        return prompts / float(found["seconds"])

    found = bench.medians(
        {
            "together": together,
            "alone": lambda: calls / bench.measure("ours", "alone", calls)["seconds"],
        }
    )
    most = min(ideal, found["alone"])
    ratio = found["together"] / most
    text = f"{found['together']:,.0f} a second; ideal {ideal:,.0f}"
    text += f", one thread back to back {found['alone']:,.0f}: {ratio:.2f} of the lower"
    yield Row("8,000 prompts, 256 at once, calls", text, "≥ 0.80", ratio >= 0.80)
    yield Row("their memory", f"{max(memory):.0f} MB", "< 60 MB", max(memory) < 60)


def _connections(bench: Bench) -> int:
    with urlopen(f"{bench.url}/connections") as answer:  # noqa: S310 - our own loopback server
        return int(answer.read())


def large(bench: Bench) -> Iterator[Row]:
    """Peak memory of binary answers."""
    size = 50 * MIB
    found = bench.measure("ours", "large", size)["memory"] / size
    naive = bench.measure("bare", "large", size)["memory"] / size
    text = f"{found:.2f} × the body; by hand with requests {naive:.2f} ×"
    yield Row("50 MiB answer in process, peak memory", text, "≤ 2.7 ×", found <= 2.7)
    base = _output_peak(bench, 1)
    for mib in (50, 500):
        more = (_output_peak(bench, mib * MIB) - base) / MIB
        yield Row(
            f"{mib} MiB with --output FILE, memory over imports",
            f"{more:.1f} MB",
            "≤ 5 MB",
            more <= 5,
        )


def _output_peak(bench: Bench, size: int) -> float:
    script = str(bench.plain.parent / "connector")
    with tempfile.TemporaryDirectory() as folder:
        payload = Path(folder, "payload.json")
        fields = {"apiKey": "sk-benchmark-0000", "isOpenAIKey": True, "endpoint": bench.url}
        inputs = {"method": "GET", "url": f"/v1/bytes/{size}/content", "responseType": "binary"}
        payload.write_text(json.dumps({"connection": {"fields": fields}, "inputs": inputs}))
        words = [script, "invoke", "rawRequest", "--payload", str(payload), "--output"]
        process = subprocess.Popen(
            [*words, str(Path(folder, "out"))], env=ENVIRONMENT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss * 1024


def flat(bench: Bench) -> Iterator[Row]:
    """Memory of many prompts beyond inputs and outputs."""
    few, many = (bench.measure("ours", "flat", n)["beyond"] / MIB for n in (1_000, 10_000))
    text = f"{few:.2f} MB at 1,000, {many:.2f} MB at 10,000"
    yield Row(
        "prompts in one invocation, memory beyond in- and outputs", text, "flat", many < few + 1
    )


SCENARIOS = (warm, secure, own, cold, fanout, crowd, large, flat)


def plot(bench: Bench, path: Path) -> None:
    """Draw the cost of a call against the number of messages, and of prompts."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "connector"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    counts = [1, 4, 16, 64, 200, 400]
    for name, label in (("bare", "bare requests"), ("ours", "connector"), ("openai", "openai SDK")):
        costs = [bench.measure(name, "warm", n) for n in counts]
        left.plot(counts, costs, marker="o", label=label)
    left.set(
        xlabel="messages in the call", ylabel="CPU µs a call", xscale="log", yscale="log",
        title="A warm call",
    )  # fmt: skip
    prompts = [64, 256, 1_000, 2_000]
    for name, label in (("ours", "connector, 64 at once"), ("openai", "openai async, 64 at once")):
        walls = [bench.measure(name, "fanout", n)["seconds"] for n in prompts]
        right.plot(
            prompts, walls, marker="o", label=label, color={"ours": "C1", "openai": "C2"}[name]
        )
    ideal = [n / 64 * 0.05 for n in prompts]
    right.plot(prompts, ideal, "k--", label="ideal")
    right.set(xlabel="prompts", ylabel="wall s", ylim=0, title="Many prompts, 50 ms each")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, metadata={"Date": None})


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """Yield the addresses of the loopback server without TLS and with it, in its own process.

    The file of its authority is in the environment of the subjects.
    """
    import trustme

    authority = trustme.CA()
    with (
        authority.cert_pem.tempfile() as ca_file,
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.tempfile() as pem,
    ):
        ENVIRONMENT["BENCHMARK_CA"] = ca_file
        with _server_process(pem) as ports:
            yield f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"


@contextmanager
def _server_process(pem: str) -> Iterator[list[int]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), pem],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield [int(port) for port in process.stdout.readline().split()]
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(10)
        process.stdout.close()


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    marks = {True: "met", False: "**missed**", None: ""}
    lines = ["| What | Measured | Goal | |", "| --- | --- | --- | --- |"]
    lines += [f"| {r.what} | {r.figures} | {r.goal} | {marks[r.met]} |" for r in rows]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", type=Path, required=True, help="Python with the connector")
    parser.add_argument("--sdk", type=Path, required=True, help="Python with the openai SDK")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*", help="scenarios, instead of all of them and the page")
    chosen = parser.parse_args()
    rows: list[Row] = []
    with served() as urls:
        bench = Bench(chosen.plain, chosen.sdk, urls, chosen.rounds)
        for scenario in SCENARIOS:
            if not chosen.only or scenario.__name__ in chosen.only:
                print(f"{scenario.__doc__}", file=sys.stderr)
                for row in scenario(bench):
                    print(f"{row.what}: {row.figures} (goal {row.goal}, {row.met})", flush=True)
                    rows.append(row)
        if not chosen.only:
            plot(bench, DOCS / "performance.svg")
            _write(rows, chosen)


def _write(rows: list[Row], chosen: argparse.Namespace) -> None:
    path = DOCS / "performance.md"
    before, start, rest = path.read_text(encoding="utf-8").partition("<!-- figures -->\n")
    _, end, after = rest.partition("<!-- end of figures -->\n")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    head = f"Medians of {chosen.rounds} interleaved rounds on {date.today()}: {machine}.\n\n"
    path.write_text(before + start + head + table(rows) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
