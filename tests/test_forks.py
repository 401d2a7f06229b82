"""A forked child can call the provider, whatever the other threads of its parent were doing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

# Three threads make their first call while the main thread forks, again and again; each child
# makes a call of its own. A child that hangs is ended by its alarm.
PROGRAM = """
import os, signal, threading
from connector import Connector
from tests.support.fault_server import FaultServer, chat_completion

def call(connector, url, action="createChatCompletion", inputs=None):
    connection = {"fields": {"apiKey": "sk-0123456789", "isOpenAIKey": True, "endpoint": url}}
    return connector.invoke(action, inputs or {}, connection).ok

def child(connector, url):
    signal.alarm(120)
    many = {"model": "m", "messages": ["a", "b", "c"]}
    good = call(connector, url) and call(connector, url, "createCompletions", many)
    os._exit(0 if good else 1)

def serve(ready, over):
    with FaultServer({"json": chat_completion("Hi")}) as server:
        os.write(ready, server.url.encode())
        os.read(over, 1)

(read, ready), (over, stop) = os.pipe(), os.pipe()
if (server := os.fork()) == 0:
    os.close(stop)
    serve(ready, over)
    os._exit(0)
url = os.read(read, 100).decode().replace("127.0.0.1", "localhost")
connector = Connector.load()
threads = [threading.Thread(target=call, args=(connector, url)) for _ in range(3)]
for thread in threads:
    thread.start()
children = []
for _ in range(10):
    if (pid := os.fork()) == 0:
        child(connector, url)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
for thread in threads:
    thread.join()
os.close(stop)
os.waitpid(server, 0)
print(codes)
"""


def test_a_fork_during_the_first_calls_of_threads() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[0] == str([0] * 10), done.stderr


def test_a_child_has_no_pauses_of_its_parent() -> None:
    program = """
import os
from connector.policy import pauses

pauses.pause(b"key", 9.0)
if (child := os.fork()) == 0:
    os._exit(int(pauses.resume_at(b"key")))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pauses.resume_at(b"key"))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0 9.0\n", "")
