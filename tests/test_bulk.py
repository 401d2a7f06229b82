"""One action over a file of rows: each row is called once, whatever stops the run."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from connector.doors.cli import main as cli
from connector.sandbox import Sandbox
from tests.support.fault_server import FaultServer, Received, chat_completion

CHAT = "createChatCompletion"
TEMPLATE = 'messages=[{"role": "user", "content": "Translate: {text}"}]'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_rows(rows: Sequence[Any], name: str = "rows.jsonl") -> Path:
    path = Path(name)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def texts(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "text": f"Sentence {number}"} for number in range(count)]


def connections(url: str) -> list[str]:
    fields = {"apiKey": "sk-bulk-0123456789", "isOpenAIKey": True, "endpoint": url}
    Path("connections.json").write_text(json.dumps({"p": {"fields": fields}}), encoding="utf-8")
    os.chmod("connections.json", 0o600)
    return ["--connections", "connections.json", "-i", "connection=p"]


def bulk(*words: str, rows: str = "rows.jsonl", template: str | None = TEMPLATE) -> int:
    given = ["-i", template] if template else []
    return cli.main(["bulk", CHAT, rows, "--results", "results.db", *given, *words])


def results(path: str = "results.db") -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT row, ok, data, error FROM results ORDER BY row")
        return list(found)


def prompts(server: FaultServer) -> list[str]:
    return [request.json()["messages"][0]["content"] for request in server.requests]


def answer(_: Received | None, __: int) -> dict[str, Any]:
    return {"json": chat_completion("Done.")}


@pytest.fixture
def provider() -> Iterator[FaultServer]:
    with FaultServer(answer) as server:
        yield server


# Results


def test_each_row_has_its_result(provider: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(texts(20))
    assert bulk(*connections(provider.url)) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["called"], summary["failed"], summary["doneBefore"]) == (20, 0, 0)
    assert [row for row, *_ in results()] == list(range(1, 21))
    assert Counter(prompts(provider)) == {f"Translate: Sentence {n}": 1 for n in range(20)}


def test_what_is_done_is_not_called_again(provider: FaultServer) -> None:
    write_rows(texts(5))
    to = connections(provider.url)
    assert bulk(*to) == 0
    write_rows(texts(8))
    assert bulk(*to) == 0
    assert len(provider.requests) == 8
    assert bulk(*to) == 0
    assert len(provider.requests) == 8


def test_changed_inputs_are_other_rows(provider: FaultServer) -> None:
    write_rows(texts(3))
    to = connections(provider.url)
    assert bulk(*to) == 0
    assert bulk(*to, "-i", "temperature=0.2") == 0
    assert len(provider.requests) == 6
    # A value that says the same in another spelling is the same row.
    assert bulk(*to, "-i", "temperature=0.20") == 0
    assert len(provider.requests) == 6


def test_a_repeated_row_is_called_once_and_exported_twice(provider: FaultServer) -> None:
    write_rows([{"text": "a"}, {"text": "b"}, {"text": "a"}] * 10)
    assert bulk(*connections(provider.url), "--export", "out.jsonl") == 0
    assert sorted(prompts(provider)) == ["Translate: a", "Translate: b"]
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == list(range(1, 31))
    assert lines[0]["key"] == lines[2]["key"] != lines[1]["key"]
    assert set(lines[0]) == {"row", "key", "ok", "data", "error", "meta"}


def test_results_are_exported_as_csv(provider: FaultServer) -> None:
    write_rows(texts(3))
    assert bulk(*connections(provider.url), "--export", "out.csv") == 0
    with open("out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["1", "2", "3"]
    data = json.loads(rows[0]["data"])
    assert data["choices"][0]["message"]["content"] == "Done."


def test_failed_rows_keep_their_error_and_run_again_on_demand() -> None:
    bad = True

    def sometimes(request: Received | None, _: int) -> dict[str, Any]:
        assert request is not None
        if bad and "Sentence 1" in request.body.decode():
            return {"status": 400, "json": {"error": {"message": "No."}}}
        return {"json": chat_completion("Done.")}

    write_rows(texts(3))
    with FaultServer(sometimes) as server:
        to = connections(server.url)
        assert bulk(*to) == 1
        (_, ok, _, error) = results()[1]
        assert not ok
        assert json.loads(error)["code"] == "bad_request"
        assert bulk(*to) == 1  # nothing to do, and still not all rows are good
        assert len(server.requests) == 3
        bad = False
        assert bulk(*to, "--retry-failed") == 0
        assert len(server.requests) == 4
    assert all(ok for _, ok, *_ in results())


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "invalid_api_key"), (429, "insufficient_quota")],
)
def test_a_failure_that_concerns_every_row_stops_the_run(
    status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def after_two(_: Received | None, number: int) -> dict[str, Any]:
        if number < 2:
            return {"json": chat_completion("Done.")}
        return {"status": status, "json": {"error": {"message": "No.", "code": code}}}

    write_rows(texts(200))
    with FaultServer(after_two) as server:
        to = connections(server.url)
        assert bulk(*to, "--concurrency", "2") == 1
        assert len(server.requests) <= 6
    assert "stopped" in capsys.readouterr().err
    assert len(results()) == 2
    with FaultServer(answer) as server:
        to = connections(server.url)  # another endpoint, and so other rows
        assert bulk(*to) == 0


# Rows and inputs


def test_columns_with_the_name_of_an_input_are_that_input(provider: FaultServer) -> None:
    message = [{"role": "user", "content": "Hi"}]
    write_rows([{"messages": message, "temperature": 0.3}, {"messages": message}])
    assert bulk(*connections(provider.url), template=None) == 0
    sent = [request.json().get("temperature") for request in provider.requests]
    assert sorted(sent, key=str) == [0.3, None]


def test_csv_texts_become_what_the_inputs_want(provider: FaultServer) -> None:
    Path("rows.csv").write_text('text,temperature\n"a, ""b""\nc",0.3\n', encoding="utf-8")
    assert bulk(*connections(provider.url), rows="rows.csv") == 0
    (request,) = provider.requests
    assert request.json()["temperature"] == 0.3
    assert request.json()["messages"][0]["content"] == 'Translate: a, "b"\nc'


def test_parquet_rows_are_read(provider: FaultServer) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"text": ["a", "b"]}), "rows.parquet")
    assert bulk(*connections(provider.url), rows="rows.parquet") == 0
    assert sorted(prompts(provider)) == ["Translate: a", "Translate: b"]


@pytest.mark.parametrize(
    ("template", "row", "content"),
    [
        (
            'messages=[{"role":"user","content":"{text}!"}]',
            {"text": 'a "b" \\ {x}'},
            'a "b" \\ {x}!',
        ),
        ('messages=[{"role":"user","content":"{{text}} {n}"}]', {"text": "a", "n": 3}, "{text} 3"),
        ('messages=[{"role":"user","content":"{a column}"}]', {"a column": "x"}, "x"),
        ('messages=[{"role":"user","content":"{n} of {l}"}]', {"n": 1.5, "l": [1]}, "1.5 of [1]"),
    ],
)
def test_templates_take_columns_and_survive_json(
    provider: FaultServer, template: str, row: dict[str, Any], content: str
) -> None:
    write_rows([row])
    assert bulk(*connections(provider.url), template=template) == 0
    (request,) = provider.requests
    assert request.json()["messages"][0]["content"] == content


def test_a_template_that_is_a_column_takes_its_value(provider: FaultServer) -> None:
    write_rows([{"talk": [{"role": "user", "content": "Hi"}], "heat": 0.4}])
    words = ["-i", "temperature={heat}"]
    assert bulk(*connections(provider.url), *words, template="messages={talk}") == 0
    (request,) = provider.requests
    assert request.json()["messages"] == [{"role": "user", "content": "Hi"}]
    assert request.json()["temperature"] == 0.4


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.txt", "x", ".jsonl"),
        ("absent.jsonl", None, "No such file"),
        ("rows.jsonl", "", "no rows"),
        ("rows.jsonl", '{"text": "a"}\n[]\n', "line 2 is not a JSON object"),
        ("rows.jsonl", '{"text": "a"}\n{"text": "a", "text": "b"}\n', "line 2"),
        ("rows.csv", "text,text\na,b\n", "same name"),
        ("rows.csv", "text\na,b\n", "line 2"),
        ("rows.csv", 'text\n"a\n', "is not CSV"),
        ("rows.parquet", "x", "not Parquet"),
    ],
)
def test_a_file_that_is_no_rows_is_refused_before_anything_is_sent(
    provider: FaultServer,
    name: str,
    content: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    if content is not None:
        Path(name).write_text(content, encoding="utf-8")
    assert bulk(*connections(provider.url), rows=name) == 2
    assert said in capsys.readouterr().err
    assert not provider.requests


def test_a_missing_column_is_an_error_before_anything_is_sent(
    provider: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(texts(3))
    template = 'messages=[{"role":"user","content":"{txt}"}]'
    assert bulk(*connections(provider.url), template=template) == 2
    assert "no column txt; their columns are id, text" in capsys.readouterr().err
    assert not provider.requests


def test_wrong_inputs_of_the_first_rows_are_all_told_and_nothing_is_sent(
    provider: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows([{"text": "a"}, {"text": "b", "topP": 7}, {"text": "c", "temperature": "hot"}])
    assert bulk(*connections(provider.url)) == 2
    said = capsys.readouterr().err
    assert "row 2: " in said
    assert "row 3: " in said
    assert not provider.requests


def test_a_wrong_row_further_down_fails_alone(provider: FaultServer) -> None:
    write_rows([*texts(100), {"text": "x", "topP": 7}])
    assert bulk(*connections(provider.url)) == 1
    assert len(provider.requests) == 100
    (row, ok, _, error) = results()[-1]
    assert (row, bool(ok)) == (101, False)
    assert json.loads(error)["sent"] == "no"


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--limit", "3"], [1, 2, 3]),
        (["--sample", "4"], [1, 6, 11, 16]),
        (["--sample", "99"], list(range(1, 21))),
        (["--sample", "4", "--limit", "2"], [1, 6]),
    ],
)
def test_some_rows_only(provider: FaultServer, words: list[str], numbers: list[int]) -> None:
    write_rows(texts(20))
    assert bulk(*connections(provider.url), *words) == 0
    assert [row for row, *_ in results()] == numbers


def test_a_dry_run_sends_nothing(provider: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(texts(9))
    assert bulk(*connections(provider.url), "--dry-run") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"] == 9
    contents = [request["body"]["messages"][0]["content"] for request in shown["requests"]]
    assert contents == [f"Translate: Sentence {n}" for n in range(3)]
    assert not provider.requests
    assert not Path("results.db").exists()


def test_a_second_run_on_the_same_results_is_refused(
    provider: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    from connector.doors.bulk.store import Store

    write_rows(texts(1))
    with Store("results.db").locked():
        assert bulk(*connections(provider.url)) == 2
    assert "another run" in capsys.readouterr().err
    assert not provider.requests


def test_results_that_cannot_be_kept_end_the_run(
    provider: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(texts(50))
    to = connections(provider.url)
    words = ["bulk", CHAT, "rows.jsonl", "-i", TEMPLATE, *to, "--results"]
    assert cli.main([*words, "absent/results.db"]) == 2
    assert cli.main([*words, "nothing://x"]) == 2
    assert cli.main([*words, "postgresql+psycopg2://u:secret-word@127.0.0.1:1/x"]) == 2
    said = capsys.readouterr()
    assert "secret-word" not in said.out + said.err
    assert not provider.requests


# Stopped in the middle


def command(*words: str) -> list[str]:
    given = ["--results", "results.db", "-i", TEMPLATE, *words]
    return [sys.executable, "-m", "connector", "bulk", CHAT, "rows.jsonl", *given]


def wait_for(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_stopped_goes_on_where_it_was(running_sandbox: Sandbox, number: int) -> None:
    """At most as many rows as there are slots are called twice after a kill, none otherwise."""
    running_sandbox.reset()
    write_rows(texts(400))
    fields = running_sandbox.connection("openai")
    Path("connections.json").write_text(json.dumps({"p": fields}), encoding="utf-8")
    os.chmod("connections.json", 0o600)
    line = command("--connections", "connections.json", "-i", "connection=p", "--concurrency", "8")
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(running_sandbox.requests) >= 50)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL)
    before = len(results())
    assert before < 400
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["doneBefore"] == before
    assert [row for row, *_ in results()] == list(range(1, 401))
    calls = Counter(request.body for request in running_sandbox.requests)
    twice = sum(count - 1 for count in calls.values())
    assert twice <= (8 if number == signal.SIGKILL else 0)
    if number != signal.SIGKILL:
        assert json.loads(out)["results"]["ok"] == before


# What a person sees, and failures that are no fault of a row


def test_a_row_without_a_column_of_the_template_fails_alone(provider: FaultServer) -> None:
    write_rows([*texts(100), {"id": 100}])
    assert bulk(*connections(provider.url)) == 1
    assert len(provider.requests) == 100
    (row, ok, _, error) = results()[-1]
    assert (row, bool(ok)) == (101, False)
    assert "no column text" in json.loads(error)["message"]


def test_limits_of_ones_own_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(texts(1))
    with pytest.raises(SystemExit, match="2"):
        bulk("--sandbox", "--requests-per-minute", "0")
    assert "--requests-per-minute" in capsys.readouterr().err


def test_the_summary_says_what_failed_and_what_to_do() -> None:
    from connector.doors.bulk.report import Bar
    from connector.doors.bulk.runner import Outcome
    from connector.errors import ConnectorError
    from connector.result import Result, failed

    bar = Bar(None)
    bar.finished(Result({}, None, {"usage": {"total_tokens": 1_234}}))
    bar.finished(failed(ConnectorError("bad_request", "No.")))
    lines = bar.summary(Outcome(2, 3, 1, 1, None), "results.db")
    assert lines[0] == "2 rows called: 1 ok, 1 failed; 3 done before."
    assert "1,234 tokens" in lines[1]
    assert lines[2:] == [
        "Failed: 1 bad_request.",
        "With --retry-failed the same command runs the 2 failed rows again.",
        "The results are in results.db.",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_shows_a_bar_and_a_summary_and_no_json(running_sandbox: Sandbox) -> None:
    import pty
    import termios

    running_sandbox.reset()
    write_rows(texts(30))
    line = command("--sandbox", "--limit", "30")
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    process = subprocess.Popen(line, stdout=follower, stderr=follower, stdin=follower)
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:  # the end of a pseudo-terminal
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert "30 of 30 |" in text
    assert "tokens, 0 failed" in text
    assert "30 rows called: 30 ok, 0 failed; 0 done before." in text
    assert "{" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX")
def test_a_full_disk_ends_the_run_and_loses_nothing(running_sandbox: Sandbox) -> None:
    """The limit of the size of a file stands for the disk."""
    import resource

    running_sandbox.reset()
    write_rows(texts(400))
    fields = running_sandbox.connection("openai")
    Path("connections.json").write_text(json.dumps({"p": fields}), encoding="utf-8")
    os.chmod("connections.json", 0o600)
    line = command("--connections", "connections.json", "-i", "connection=p", "--concurrency", "8")

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    full = subprocess.run(line, capture_output=True, text=True, preexec_fn=little, timeout=120)
    assert full.returncode == 1
    assert "--results: " in full.stderr
    assert "run the same command again" in full.stderr
    before = len(results())
    assert 0 < before < 400
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["doneBefore"] == before
    assert [row for row, *_ in results()] == list(range(1, 401))
    calls = Counter(request.body for request in running_sandbox.requests)
    assert sum(count - 1 for count in calls.values()) <= 8
