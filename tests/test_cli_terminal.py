"""Results as a person reads them: on a terminal, in colour, with the error once."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors.cli import main as cli
from connector.doors.cli import progress as progress_module
from connector.doors.cli import screen
from connector.sandbox import Sandbox

from .support import pseudo_terminal
from .support.fault_server import FaultServer, chat_completion
from .support.front import connection, inputs_of, refusal
from .support.manifests import examples

REPOSITORY = Path(__file__).parent.parent
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and more").decode()

Cli = Callable[..., tuple[int, str, str]]
"""Runs the command line on a terminal; returns its exit code and what it wrote to each stream."""


@pytest.fixture
def on_terminal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Cli:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def run(*words: str, payload: Any = None) -> tuple[int, str, str]:
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True)
        file = tmp_path / "payload.json"
        file.write_text(json.dumps(payload))
        code = cli.main([*words, *(["--payload", str(file)] if payload else [])])
        return (code, *capsys.readouterr())

    return run


def on_server(
    run: Cli, action: str, answers: Any, *words: str, **inputs: Any
) -> tuple[int, str, str]:
    """Run an action on a server with these responses."""
    with FaultServer(answers) as server:
        given = {"connection": connection(server.url), "inputs": inputs_of(action, **inputs)}
        return run("invoke", action, *words, payload=given)


def value_at(data: Any, path: str) -> Any:
    for step in re.findall(r"\w+", path.removeprefix("data")):
        data = data[int(step) if isinstance(data, list) else step]
    return data


def _without_marks(text: str) -> str:
    """Remove the random marks around a text, which the sandbox repeats."""
    return re.sub(r"text [0-9a-f]{32}", "text", text)


@pytest.mark.parametrize(("action", "inputs"), examples())
def test_every_example_shows_the_value_that_most_flows_use(
    action: str, inputs: dict[str, Any], connector: Connector, sandbox: Sandbox, on_terminal: Cli
) -> None:
    given = {"connection": sandbox.connection("openai"), "inputs": inputs}
    code, out, _ = on_terminal("invoke", action, "--json", payload=given)
    envelope = json.loads(out)
    assert out == json.dumps(envelope, indent=2, ensure_ascii=False) + "\n"
    path = connector.manifest.actions[action].output_path
    assert path is not None
    value = value_at(envelope["data"], path)
    code, out, err = on_terminal("invoke", action, payload=given)
    assert code == 0
    data = value.get("data") if isinstance(value, dict) and "encoding" in value else value
    saved = re.findall(r"^(?:1  )?(/\S+)  \w+/", out, re.MULTILINE)
    if saved:
        assert Path(saved[0]).read_bytes() == base64.b64decode(str(data))
    elif isinstance(value, str):
        assert value in out
        assert "{" not in out
    else:
        shown = json.dumps(value, indent=2, ensure_ascii=False)
        assert _without_marks(shown) in _without_marks(out) or "numbers)" in out
    usage = envelope["meta"]["usage"] or {}
    assert f"{usage['total_tokens']} tokens" in err if "total_tokens" in usage else "openai" in err


def test_a_text_is_printed_as_it_is(on_terminal: Cli) -> None:
    text = "  # Tides\r\n\n\tone\nGrüße \x1b[2J\u202e 灯台\n\n"
    code, out, err = on_server(on_terminal, "createChatCompletion", {"json": chat_completion(text)})
    assert code == 0
    assert out == "  # Tides\n\n\tone\nGrüße \\x1b[2J\\u202e 灯台\n\n"
    assert re.fullmatch(r"\nopenai · 9 prompt \+ 2 completion = 11 tokens · [0-9.]+ s\n", err)


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        ({"prompt_tokens": 9, "total_tokens": 15}, "15 tokens"),
        ({"prompt_tokens": 9, "completion_tokens": 2}, "9 prompt + 2 completion tokens"),
        ({"total_tokens": 5, "seconds": 3, "details": {}}, "5 tokens, 3 seconds"),
    ],
)
def test_usage_is_one_line(usage: dict[str, Any], shown: str, on_terminal: Cli) -> None:
    answer = {"json": chat_completion(usage=usage)}
    _, _, err = on_server(on_terminal, "createCompletions", answer, messages=["a", "b"])
    doubled = re.sub(r"\d+", lambda number: str(int(number[0]) * 2), shown)
    end = rf"\r\nopenai · {re.escape(doubled)} · 2 requests · [0-9.]+ s\n\Z"
    assert re.search(end, err)


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["Danube", "富士山"], "1  Danube\n2  富士山\n"),
        (["Danube", ""], "1  Danube\n2  (an empty text)\n"),
        (["a\nb", "c"], "[1]\na\nb\n\n[2]\nc\n"),
        (["灯" * 39, "c"], f"[1]\n{'灯' * 39}\n\n[2]\nc\n"),  # 78 columns, and three for the number
        (["灯" * 38 + "a", "c"], f"1  {'灯' * 38}a\n2  c\n"),
    ],
)
def test_several_texts_are_numbered_in_order(
    texts: list[str], shown: str, on_terminal: Cli
) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}}
        for index, text in enumerate(texts)
    ]
    answer = {"json": chat_completion(choices=choices)}
    code, out, _ = on_server(on_terminal, "createChatCompletion", answer, numChoices=2)
    assert (code, out) == (0, shown)


def test_an_item_without_a_text_is_shown_whole(on_terminal: Cli) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1"}]}
    choice = {"index": 0, "message": message}
    answer = {"json": chat_completion(choices=[choice])}
    _, out, _ = on_server(on_terminal, "createChatCompletion", answer)
    assert json.loads(out) == choice


def test_a_failed_item_keeps_its_place_and_its_error_is_printed_once(on_terminal: Cli) -> None:
    message = "It is the weather."
    answers = [{"json": chat_completion("Danube")}, refusal(400, message=message)]
    inputs = {"messages": ["a", "b"]}
    code, out, err = on_server(on_terminal, "createCompletions", answers, **inputs)
    assert code == 1
    assert out == "1  Danube\n2  error: [bad_request]\n"
    assert err.count(message) == 1
    assert "HTTP 400 · may have been done and billed · 9 prompt + 2 completion = 11" in err


def test_different_errors_of_items_are_all_printed(on_terminal: Cli) -> None:
    answers = [
        refusal(400, message="No rain."),
        refusal(403, message="No snow."),
        {"json": chat_completion("Danube")},
    ]
    inputs = {"messages": ["a", "b", "c"]}
    _, out, err = on_server(on_terminal, "createCompletions", answers, **inputs)
    assert "2  error: No snow. [permission_denied]\n" in out
    assert (out + err).count("No rain.") == 1


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ({"b64_json": PNG}, r"/connector-\w+/image-1\.png  image/png, 17 bytes\n"),
        ({"url": "https://example.org/a?b=c"}, r"https://example.org/a\?b=c  image/png\n$"),
    ],
)
def test_an_image_is_saved_or_said_where(
    image: dict[str, str], shown: str, on_terminal: Cli
) -> None:
    answer = {"json": {"created": 1, "data": [image]}}
    code, out, _ = on_server(on_terminal, "createImage", answer)
    assert code == 0
    assert re.search(shown, out)
    assert ("--output FILE" in out) == ("b64_json" in image)


def test_images_that_cannot_be_saved_say_so(
    on_terminal: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: str) -> str:
        raise PermissionError

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    answer = {"json": {"created": 1, "data": [{"b64_json": PNG}]}}
    code, out, _ = on_server(on_terminal, "createImage", answer)
    assert (code, out) == (0, "(not saved)  image/png, 17 bytes\n")


def test_output_files_are_named(on_terminal: Cli, tmp_path: Path) -> None:
    answer = {"json": {"created": 1, "data": [{"b64_json": PNG}, {"b64_json": PNG}]}}
    words = ["--output", "a.png"]
    code, out, err = on_server(on_terminal, "createImage", answer, *words, numImages=2)
    assert code == 0
    assert out == "1  a.png  image/png, 17 bytes\n2  a-2.png  image/png, 17 bytes\n"
    assert "warning" not in err
    assert (tmp_path / "a-2.png").read_bytes() == base64.b64decode(PNG)


@pytest.mark.parametrize(
    ("headers", "body", "shown"),
    [
        ({"content-type": "text/plain"}, "tide", "tide\n"),
        ({"content-type": "text/plain"}, "", "(an empty text)\n"),
    ],
)
def test_a_body_of_text_is_printed(
    headers: dict[str, str], body: str, shown: str, on_terminal: Cli
) -> None:
    answer = {"headers": headers, "text": body}
    _, out, _ = on_server(on_terminal, "rawRequest", answer, responseType="text")
    assert out == shown


def test_a_binary_body_goes_to_a_file(on_terminal: Cli) -> None:
    answer = {"headers": {"content-type": "audio/mpeg"}, "text": "1" * 1000}
    _, out, _ = on_server(on_terminal, "rawRequest", answer, responseType="binary")
    (name,) = re.findall(r"^(\S+/audio-1\.mp3)  audio/mpeg, 1\.0 kB", out)
    assert Path(name).read_bytes() == b"1" * 1000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null\n"),
        ([0.5] * 7, "[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, …] (7 numbers)\n"),
        ([1, 2], "[\n  1,\n  2\n]\n"),
        ({"contentType": "a/b", "encoding": "base64", "data": "?"}, None),
        ({"contentType": "a/b"}, None),
        ({"error": {"code": "x", "message": "y"}}, None),
    ],
)
def test_other_data_is_json(value: Any, shown: str | None, on_terminal: Cli) -> None:
    _, out, _ = on_server(on_terminal, "rawRequest", {"json": value})
    assert out == (json.dumps(value, indent=2) + "\n" if shown is None else shown)


def test_a_dry_run_shows_the_requests(on_terminal: Cli, sandbox: Sandbox) -> None:
    given = {"connection": sandbox.connection("azure"), "inputs": {"prompt": "x", "numImages": 2}}
    words = ["invoke", "createImage", "-i", "model=dall-e-3", "--dry-run", "--output", "a.png"]
    code, out, err = on_terminal(*words, payload=given)
    assert code == 0
    first, second = out.split("\n\nPOST ")
    assert first == f"POST {second.rstrip()}"
    head, body = first.split("\n\n")
    assert (
        head.splitlines()[0]
        == f"POST {sandbox.url}/openai/v1/images/generations?api-version=preview"
    )
    assert "api-key: ***" in head.splitlines()
    assert json.loads(body) == {"model": "dall-e-3", "prompt": "x", "size": "1024x1024"}
    assert err == "\nnothing was sent\n"
    assert sandbox.requests == []


def test_a_dry_run_shows_a_body_of_text(on_terminal: Cli, sandbox: Sandbox) -> None:
    form = {"formData": {"purpose": "tide"}, "method": "POST"}
    given = {"connection": sandbox.connection("openai"), "inputs": form}
    _, out, _ = on_terminal("invoke", "rawRequest", "--dry-run", payload=given)
    assert 'Content-Disposition: form-data; name="purpose"\n\ntide\n' in out


def test_a_dry_run_of_wrong_inputs_is_an_error(on_terminal: Cli, sandbox: Sandbox) -> None:
    given = {"connection": sandbox.connection("openai"), "inputs": {"topP": 7}}
    code, out, err = on_terminal("invoke", "createChatCompletion", "--dry-run", payload=given)
    assert (code, out) == (1, "")
    assert err.startswith("error: top_p")


def test_verdicts_have_a_mark_and_their_error_is_printed_once(
    on_terminal: Cli, sandbox: Sandbox
) -> None:
    given = {"connection": sandbox.connection("openai")}
    code, out, _ = on_terminal("test-connection", payload=given)
    assert code == 0
    assert out.splitlines()[0] == f"✓ endpoint  ok: {sandbox.url}"
    assert [line[:12] for line in out.splitlines()[1:]] == ["✓ key       ", "✓ version   "]
    given["connection"]["fields"]["apiKey"] = "sk-wrong"
    code, out, err = on_terminal("test-connection", payload=given)
    assert code == 1
    assert "✗ key       failed\n" in out
    assert re.search(r"^\? version   unknown: ", out, re.MULTILINE)
    assert err.count("error: ") == 1


def test_choices_of_a_dropdown_are_a_list(on_terminal: Cli, sandbox: Sandbox) -> None:
    given = {"connection": sandbox.connection("openai")}
    code, out, _ = on_terminal("options", "selectModel", payload=given)
    assert code == 0
    lines = out.splitlines()
    assert "gpt-4o" in lines
    assert "gpt-4o-mini  (until 2027-01-14)" in lines
    code, out, _ = on_terminal("options", "selectModel", "--json", payload=given)
    assert [row["key"] for row in json.loads(out)] == [line.split()[0] for line in lines]


@pytest.mark.parametrize("words", [["options", "nonsense"], ["schema", "nonsense"]])
def test_an_error_is_no_json(words: list[str], on_terminal: Cli) -> None:
    code, out, err = on_terminal(*words)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")


# Errors


@pytest.mark.parametrize(
    ("inputs", "shown"),
    [
        ({"topP": 7}, ["error: top_p: must be at most 1 (it is 7) [invalid_input]"]),
        (
            {"topP": 7, "temperature": 9},
            [
                "error: 2 problems [invalid_input]",
                "  temperature: must be at most 2 (it is 9)",
                "  topP: must be at most 1 (it is 7)",
            ],
        ),
    ],
)
def test_a_problem_is_printed_once(
    inputs: dict[str, Any], shown: list[str], on_terminal: Cli, sandbox: Sandbox
) -> None:
    given = {"connection": sandbox.connection("openai"), "inputs": inputs}
    code, out, err = on_terminal("invoke", "createChatCompletion", payload=given)
    assert (code, out) == (1, "")
    assert err.splitlines() == shown


def test_in_a_pipe_a_problem_is_printed_once_too(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    for inputs, shown in (
        ({"topP": 7}, "error: top_p: must be at most 1 (it is 7) [invalid_input]\n"),
        (
            {"topP": 7, "temperature": 9},
            "error: 2 problems [invalid_input]\n"
            "  /inputs/temperature: must be at most 2 (it is 9)\n"
            "  /inputs/topP: must be at most 1 (it is 7)\n",
        ),
    ):
        file.write_text(json.dumps({"connection": sandbox.connection("openai"), "inputs": inputs}))
        words = ["invoke", "createChatCompletion", "--payload", str(file)]
        done = subprocess.run(
            [sys.executable, "-m", "connector", *words],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            check=False,
        )
        assert done.stderr == shown
        assert json.loads(done.stdout)["error"]["code"] == "invalid_input"


def test_an_error_is_shown_with_what_support_asks_for(on_terminal: Cli) -> None:
    headers = {"x-request-id": "req_1", "retry-after": "3600"}
    answer = refusal(429, headers, message="Slow down.", code="too_fast")
    code, out, err = on_server(on_terminal, "createChatCompletion", answer)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0] == "error: Slow down. [rate_limited]"
    assert lines[-1] == "HTTP 429 · too_fast · retry after 3600 s · request req_1"


# Output files


def test_a_wrong_extension_is_told_everywhere(tmp_path: Path, on_terminal: Cli) -> None:
    answer = {"json": {"created": 1, "data": [{"b64_json": PNG}, {"b64_json": PNG}]}}
    words = ["--output", "a.JPG"]
    _, _, err = on_server(on_terminal, "createImage", answer, *words, numImages=2)
    assert err.count("warning: ") == 1
    shown = " ".join(err.split())
    assert "the content is image/png, but the name ends in .JPG; .png is the right" in shown


def test_an_existing_file_is_replaced_only_by_force(
    sandbox: Sandbox, tmp_path: Path, on_terminal: Cli
) -> None:
    file = tmp_path / "a.png"
    file.write_text("mine")
    given = {"connection": sandbox.connection("openai"), "inputs": {"prompt": "x"}}
    words = ["invoke", "createImage", "--output", str(file)]
    for more in ([], ["--json"]):
        code, out, err = on_terminal(*words, *more, payload=given)
        assert (code, out) == (2, "")
        assert (
            err
            == f"connector: --output: {file} exists; give --force to replace it, or another name\n"
        )
    assert sandbox.requests == []
    assert file.read_text() == "mine"
    assert on_terminal(*words, "--dry-run", payload=given)[0] == 0
    assert on_terminal(*words, "--force", payload=given)[0] == 0
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_folder_as_output_is_refused(sandbox: Sandbox, on_terminal: Cli) -> None:
    given = {"connection": sandbox.connection("openai"), "inputs": {"prompt": "x"}}
    code, _, err = on_terminal("invoke", "createImage", "--output", ".", payload=given)
    assert code == 1
    assert "it is a folder or a device" in err
    assert sandbox.requests == []


def test_in_a_pipe_an_existing_file_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    file, payload = tmp_path / "a.png", tmp_path / "payload.json"
    file.write_text("old")
    payload.write_text(json.dumps({"connection": sandbox.connection("openai")}))
    words = ["invoke", "createImage", "-i", "prompt=x", "--output", str(file)]
    assert cli.main([*words, "--payload", str(payload)]) == 0
    assert file.read_bytes().startswith(b"\x89PNG")


# Colours and widths


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours(env: dict[str, str], coloured: bool) -> None:
    words = ["invoke", "createCompletions", "--sandbox", "-i", 'messages=["a", "b"]']
    code, text = pseudo_terminal.run(words, env=env)
    assert code == 0
    assert ("\x1b[" in text) == coloured
    found = {*re.findall(r"\x1b\[([0-9;]*)m", text)}
    assert found <= {"0", "1", "2", "35;1"}  # bold, dim, magenta


@pytest.mark.parametrize("columns", [0, 40, 80, 200])
def test_messages_fit_the_terminal(columns: int) -> None:
    words = ["invoke", "createChatCompletion", "-i", "topP=灯台", "-i", "temprature=x"]
    code, text = pseudo_terminal.run(words, columns=columns)
    assert code == 1
    lines = screen.unpainted(text).splitlines()
    assert columns == 40 or max(map(screen.width, lines)) > 40
    assert max(map(screen.width, lines)) <= (columns or 80)
    assert {line[:1] for line in lines} <= {"e", "h", " "}
    shown = " ".join(" ".join(lines).split())
    assert "temprature: is not known here; did you mean 'temperature'?" in shown


def test_a_long_word_is_not_broken() -> None:
    address = "https://example.org/" + "a" * 80
    lines = screen.wrapped(f"  see: {address} for more", 40)
    assert lines == ["  see:", f"    {address}", "    for more"]


@pytest.mark.parametrize(
    ("text", "columns"), [("tide", 4), ("灯台", 4), ("e\u0301", 1), ("👩", 2), ("ﾀ", 1)]
)
def test_the_width_of_a_text(text: str, columns: int) -> None:
    assert screen.width(text) == columns


def test_what_the_encoding_lacks_is_replaced() -> None:
    env = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    code, text = pseudo_terminal.run(["test-connection", "--sandbox"], env=env)
    assert code == 0
    assert screen.unpainted(text).startswith("endpoint  ok: http://")
    words = ["invoke", "summarizeText", "--sandbox", "-i", "textToSummarize=灯"]
    code, text = pseudo_terminal.run(words, env=env)
    assert code == 0
    assert r"\u706f" in text
    assert text.isascii()


# Progress


SLOW = ["invoke", "createCompletions", "--sandbox", "-i", "concurrency=1", "-i"]


def test_progress_has_a_bar_with_rate_and_time_left() -> None:
    code, text = pseudo_terminal.run([*SLOW, 'messages=["a", "b", "c"]'])
    assert code == 0
    shown = text.split("\r")
    assert any(re.match(r"2 of 3 \|.*\| +[0-9.]+/s, [0-9:]+ left", piece) for piece in shown)
    assert "of 3" not in shown[-1]  # removed before the result
    assert shown[-2].isspace()


def test_progress_in_a_pipe_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*SLOW, 'messages=["a", "b", "c"]']) == 0
    assert "of 3" not in capsys.readouterr().err


def test_an_interrupt_removes_the_progress() -> None:
    sent: list[int] = []

    def interrupt(text: str, process: subprocess.Popen[bytes]) -> None:
        if "1 of 2" in text and not sent:
            process.send_signal(signal.SIGINT)
            sent.append(signal.SIGINT)

    words = [*SLOW, 'messages=["a", "sandbox:slow"]']
    code, text = pseudo_terminal.run(words, seen=interrupt)
    assert code == 130
    end = screen.unpainted(text.rpartition("\r")[2])
    assert "1  Sandbox reply" in end or "[1]\nSandbox reply" in end
    assert "[cancelled]" in end
    assert "of 2 |" not in end


class _Stream:
    """A terminal that keeps what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("extra", [True, False], ids=["tqdm", "counter"])
def test_progress_counts_each_round(extra: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not extra:
        monkeypatch.setitem(sys.modules, "tqdm.std", None)
    stream = _Stream()
    progress = progress_module.Progress(stream)
    progress(1, 1)
    assert stream.text == ""
    for done, total in ((2, 3), (1, 3), (3, 3), (2, 3), (1, 3), (2, 3), (1, 2), (2, 2)):
        progress(done, total)
    progress.close()
    shown = re.findall(r"([1-9]) of ([0-9])", stream.text)
    counts = [row for row, after in zip(shown, [*shown[1:], ("", "")], strict=True) if row != after]
    expected = ["23", "13", "33", "13", "23", "12", "22"]
    assert ["".join(row) for row in counts] == expected
    assert stream.text.rpartition("\r")[2] == ""
    assert stream.text.rsplit("\r", 2)[1].isspace()


def test_progress_shows_how_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_TICK_SECONDS", 0.001)
    before = {*threading.enumerate()}
    stream = _Stream()
    progress = progress_module.Progress(stream)
    progress(1, 2)
    (ticker,) = {*threading.enumerate()} - before
    while stream.text.count("1 of 2") < 5:
        pass
    progress.close()
    ticker.join(60)
    assert not ticker.is_alive()


def test_the_rate_counts_the_time_of_the_first_part(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream()
    with monkeypatch.context() as long_ago:
        long_ago.setattr("time.time", lambda: 0.0)
        progress = progress_module.Progress(stream)
    progress(1, 2)
    progress.close()
    assert "0.00/s" in stream.text


def test_a_query_prints_its_value_only(on_terminal: Cli) -> None:
    answer = {"json": chat_completion("Hi")}
    words = ["--query", "data.choices[0].message.content"]
    assert on_server(on_terminal, "createChatCompletion", answer, *words) == (0, "Hi\n", "")
