"""After `Connector.load` no call imports: an import takes locks that a fork or an interrupt can
leave held."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

# Prints the modules that are looked for once the connector is loaded, and what became of the calls.
PROGRAM = """
import sys
from connector import Connector
from connector.files import resources
from connector.manifest import reader
from tests.support.fault_server import FaultServer, chat_completion

connector = LOAD
looked_for = []

class Guard:
    def find_spec(self, name, path=None, target=None):
        looked_for.append(name)

def to(server):
    url = server.url.replace("127.0.0.1", "localhost")  # a name, which is looked up
    return {"fields": {"apiKey": "sk-0123456789abcdef", "isOpenAIKey": True, "endpoint": url}}

def raw(**more):
    return ("rawRequest", {"method": "GET", "maxRetries": 1, "retryAllErrors": True, **more})

def text(charset):
    return {"body_base64": "6QA=", "headers": {"content-type": f"text/plain; charset={charset}"}}

CHAT = "createChatCompletion"
DATES = {"retry-after": "Wed, 25 Nov 2026 10:00:01 GMT", "date": "Wed, 25 Nov 2026 10:00:00 GMT"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
FILE = {"contentType": "image/png", "encoding": "base64", "data": "iVBORw0KGgo="}
call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
message = {"role": "assistant", "content": None, "tool_calls": [call]}
called = {"json": {"choices": [{"index": 0, "message": message}]}}
hi = {"json": chat_completion("Hi")}
image = {"json": {"data": [{"b64_json": "iVBORw0KGgo="}]}}
one = {"json": 1}
CASES = [
    (CHAT, {}, [hi]),
    (CHAT, {"numChoices": 2, "maxTokens": 7}, [{"status": 503}, hi]),
    (CHAT, {}, [{"status": 429, "json": {}, "headers": DATES}, hi]),
    (CHAT, {}, [{"reset": "after_request"}, hi]),
    (CHAT, {}, [{"text": "<html>"}]),
    (CHAT, {}, [{"json": {"choices": [{"message": 7}]}}]),
    (CHAT, {}, [{"status": 401, "json": {"error": {"message": "no"}}}]),
    (CHAT, {"temprature": 1, "topP": 3}, one),
    ("createImage", {"prompt": "x", "numImages": 2}, [image]),
    (CHAT, {"tools": TOOLS, "images": [FILE]}, [called]),
    ("createSpeech", {"text": "x"}, [{"body_base64": "AA=="}]),
    ("transcribeAudio", {"file": FILE | {"contentType": "audio/wav"}}, [{"json": {"text": "x"}}]),
    ("editImage", {"prompt": "x", "images": [FILE]}, [image]),
    ("createCompletions", {"model": "gpt-4o", "messages": ["a", "b", "c"]}, hi),
    ("summarizeText", {"model": "gpt-4o", "textToSummarize": "word " * 40000}, hi),
    (*raw(responseType="text"), [text("iso-8859-2")]),
    (*raw(responseType="text"), [text("no-such-thing")]),
    (*raw(responseType="binary"), [{**one, "gzip": True}]),
    (*raw(fileData={"a": "x"}, formData={"b": 1}), [one]),
    (*raw(data={"a": 1}), [one]),
    (*raw(url="//x", method="BREW"), [one]),
    ("noAction", {}, one),
]
with FaultServer({"json": {"data": []}}) as server:  # which imports as it begins
    sys.meta_path.insert(0, Guard())
    connector.test_connection(to(server))
    connector.options("selectModel", to(server))
    connector.invoke(CHAT, {}, "noName")
    connector.invoke(CHAT, {}, to(server), dry_run=True)
codes = set()
for action, inputs, answers in CASES:
    with FaultServer(answers) as server:
        result = connector.invoke(action, inputs, to(server))
        codes.add(result.error.code if result.error else "ok")
assert {"ok", "invalid_response", "authentication_failed", "unknown_action"} <= codes, codes
print(*sorted(set(looked_for)))
"""

# Where another module than the handler's has the check.
CHECK = """
import sys
from pathlib import Path
from connector import Connector
from connector.manifest import reader

spec = reader.load(Path("tests/second/connector.yaml"))
action = spec.actions["embed"]._replace(handler="nothing.at_all")
made = Connector(spec._replace(actions={"embed": action}), "tests.second.handlers")
made.import_all()
print("tests.second.handlers.rules" in sys.modules)
"""


def printed(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def looked_for(load: str) -> list[str]:
    return printed(PROGRAM.replace("LOAD", load))


def test_a_loaded_connector_imports_nothing_in_a_call() -> None:
    assert looked_for("Connector.load()") == []


def test_a_connector_of_the_command_line_imports_late() -> None:
    """And so the guard above sees what is imported."""
    late = looked_for("Connector(reader.load(resources.manifest()))")
    assert {"connector.http.sender", "requests", "backoff"} <= set(late)


def test_the_checks_of_actions_are_imported_too() -> None:
    assert printed(CHECK) == ["True"]
