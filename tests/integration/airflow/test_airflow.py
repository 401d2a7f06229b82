"""The provider in Airflow: the form, the connection test, tasks and their retries.

Airflow runs in processes of its own, on a database made for the test; the sandbox runs here.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox
from connector.version import DISTRIBUTION
from tests.support.canary import KEY, assert_absent
from tests.support.silent_listener import refused_port

HERE = Path(__file__).parent
PAGE = (HERE.parent.parent.parent / "docs" / "airflow.md").read_text(encoding="utf-8")
CONNECTOR = Connector.load()
DEFAULT = "azure_openai_service_default"
TYPE = "azure_openai_service_api_key"
FORMS = """
import json
from airflow._shared.secrets_masker import should_hide_value_for_key
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

forms = {
    form.connection_type: {
        "name": form.hook_name,
        "standard": form.standard_fields.model_dump(),
        "fields": {
            key: {**field, "hidden": should_hide_value_for_key(key)}
            for key, field in form.extra_fields.items()
        },
    }
    for form in HookMetaService.hook_meta_data()
    if form.connection_type.startswith("azure_openai")
}
print(json.dumps(forms))
"""


class Engine:
    """An installation of Airflow; `said` is all that its processes have written."""

    def __init__(self, python: Path, home: Path, dags: Path) -> None:
        self.home = home
        self.said = ""
        self._python = python
        self._environment = {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__XCOM_BACKEND": (
                "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"
            ),
            "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": f"file://{home}/xcom",
            "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "20000",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self._python), *arguments],
            env=self._environment,
            cwd=self.home,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def end(self, process: subprocess.Popen[str]) -> str:
        said, _ = process.communicate(timeout=240)
        self.said += said
        return said

    def python(self, *arguments: str) -> str:
        process = self.start(*arguments)
        said = self.end(process)
        assert process.returncode == 0, said
        return said

    def airflow(self, *arguments: str, status: int = 0) -> str:
        process = self.start("-m", "airflow", *arguments)
        said = self.end(process)
        assert process.returncode == status, said
        return said


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(CONNECTOR.manifest.raw["models"]) as running:
        yield running


@pytest.fixture(scope="module")
def nowhere() -> Iterator[int]:
    with refused_port() as port:
        yield port


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the DAGs of the tests and the one of the documentation."""
    folder = tmp_path_factory.mktemp("dags")
    code = next(block for block in blocks("python") if "@dag" in block)
    (folder / "digest.py").write_text(code, encoding="utf-8")
    (folder / "cases.py").write_text((HERE / "cases.py").read_text("utf-8"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def engine(
    airflow: Path,
    sandbox: Sandbox,
    nowhere: int,
    dags: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Engine:
    """Airflow with a database and connections, made once because it takes some seconds."""
    engine = Engine(airflow, tmp_path_factory.mktemp("airflow"), dags)
    engine.airflow("db", "migrate")
    # The form saves null for a blank field.
    blank = {item.key: None for item in CONNECTOR.manifest.connections["apiKey"].fields}
    works = {**blank, "apiKey": KEY, "isOpenAIKey": True, "endpoint": sandbox.url}
    (example,) = (json.loads(block) for block in blocks("json"))
    assert example[DEFAULT]["conn_type"] == TYPE
    assert example[DEFAULT]["extra"].keys() < works.keys()
    connections = {
        DEFAULT: works,
        "wrong_key": {**works, "apiKey": f"sk-wrong-{KEY}"},
        "wrong_address": {**works, "endpoint": f"http://127.0.0.1:{nowhere}"},
        "wrong_fields": {"isOpenAIKey": KEY, "apiKeys": KEY},
    }
    file = tmp_path_factory.mktemp("connections") / "connections.json"
    document: dict[str, Any] = {
        name: {"conn_type": TYPE, "extra": fields} for name, fields in connections.items()
    }
    document["of_another_type"] = {"conn_type": "http", "password": KEY}
    file.write_text(json.dumps(document), encoding="utf-8")
    engine.airflow("connections", "import", str(file))
    return engine


@pytest.fixture(scope="module")
def outcomes(engine: Engine, dags: Path) -> dict[str, Any]:
    """What became of the tasks; all in one process, which takes most of the time to start."""
    runs = str(HERE / "runs.py")
    names = "digest limited broken refused invalid elsewhere slow image".split()
    said = engine.python(runs, str(dags), *names)
    rows = [json.loads(line) for line in said.splitlines() if line.startswith('{"dag"')]
    return {"said": said, **{row["dag"]: row["tasks"] for row in rows}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)


def only_task(outcomes: dict[str, Any], name: str) -> Any:
    (task,) = outcomes[name]
    return task


def errors(said: str) -> list[dict[str, Any]]:
    """Return the errors that the log names."""
    lines = re.findall(r"\{\"code\".*?\}(?= \[airflow\.task)", said)
    return [json.loads(line) for line in lines]


def test_airflow_lists_the_provider(engine: Engine) -> None:
    listed = json.loads(engine.airflow("providers", "list", "-o", "json").splitlines()[-1])
    assert DISTRIBUTION in [row["package_name"] for row in listed]


def test_the_forms_are_those_of_the_manifest(engine: Engine) -> None:
    forms = json.loads(engine.python("-c", FORMS).splitlines()[-1])
    kinds = CONNECTOR.manifest.connections
    assert len(forms) == len(kinds)
    for form, kind in zip(forms.values(), kinds.values(), strict=True):
        assert form["name"] == f"{CONNECTOR.manifest.label}: {kind.label}"
        hidden = {name for name, field in form["standard"].items() if field and field["hidden"]}
        assert hidden == {"host", "port", "login", "password", "url_schema"}
        assert list(form["fields"]) == [item.key for item in kind.fields]
        for item in kind.fields:
            field = form["fields"][item.key]
            assert field["schema"]["title"] == item.label
            assert (field["schema"].get("format") == "password") is item.secret
            # Airflow's own rule decides what its pages and its API mask.
            assert field["hidden"] is item.secret
            optional = "null" in field["schema"]["type"] or "default" in field["schema"]
            assert optional is not item.required


def test_a_working_connection_passes_the_test(engine: Engine) -> None:
    assert "Connection success" in engine.airflow("connections", "test", DEFAULT)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong_key", "authentication_failed"),
        ("wrong_address", "connect_failed"),
        ("wrong_fields", "API Key is required"),
    ],
)
def test_a_wrong_connection_fails_the_test(engine: Engine, name: str, message: str) -> None:
    said = engine.airflow("connections", "test", name, status=1)
    assert "Connection failed!" in said
    assert message in said


def test_actions_run_as_mapped_and_templated_tasks(
    outcomes: dict[str, Any], sandbox: Sandbox
) -> None:
    found = {(task["task"], task["index"]): task["state"] for task in outcomes["digest"]}
    assert found == dict.fromkeys(
        [("articles", -1), ("summarize", 0), ("summarize", 1), ("headline", -1)], "success"
    )
    body = next(
        json.loads(request.body)
        for request in sandbox.requests
        if b"Write a headline" in request.body
    )
    assert body["temperature"] == 0.2
    assert "{" not in body["messages"][0]["content"]
    assert {request.headers["authorization"] for request in sandbox.requests} >= {f"Bearer {KEY}"}


def test_a_large_result_becomes_a_file(outcomes: dict[str, Any], engine: Engine) -> None:
    assert only_task(outcomes, "image")["state"] == "success"
    (file,) = (path for path in (engine.home / "xcom").rglob("*") if path.is_file())
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert stored[0]["b64_json"]


def test_a_retry_waits_as_long_as_the_provider_asked(outcomes: dict[str, Any]) -> None:
    task = only_task(outcomes, "limited")
    assert (task["state"], task["tries"]) == ("success", 2)
    (first,) = task["earlier"]
    assert first["delay"] == 1
    assert task["start"] - first["end"] >= 1


def test_a_retry_without_such_a_delay_is_airflows(outcomes: dict[str, Any]) -> None:
    task = only_task(outcomes, "broken")
    assert (task["state"], task["tries"]) == ("success", 2)
    assert [row["delay"] for row in task["earlier"]] == [None]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("refused", "not_found"),
        ("invalid", "invalid_input"),
        ("elsewhere", "invalid_connection"),
    ],
)
def test_what_a_retry_cannot_help_fails_at_once(
    outcomes: dict[str, Any], name: str, code: str
) -> None:
    task = only_task(outcomes, name)
    assert (task["state"], task["tries"]) == ("failed", 1)
    assert f"reason='{code} is not retryable'" in outcomes["said"]


def test_a_time_limit_ends_the_call(outcomes: dict[str, Any]) -> None:
    task = only_task(outcomes, "slow")
    assert (task["state"], task["tries"]) == ("failed", 3)  # as of any task: Airflow tries again
    assert outcomes["said"].count("Stopped by AirflowTaskTimeout") == 3
    assert [e["sent"] for e in errors(outcomes["said"]) if e["code"] == "cancelled"] == [
        "unknown"
    ] * 3


def test_a_stop_ends_the_call(engine: Engine, dags: Path, sandbox: Sandbox) -> None:
    process = engine.start(str(HERE / "runs.py"), str(dags), "stopped")
    while not any(b"slow-29999" in request.body for request in sandbox.requests):
        assert process.poll() is None, engine.end(process)
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = engine.end(process)
    (error,) = errors(said)
    assert (error["code"], error["sent"]) == ("cancelled", "unknown")


def test_the_key_is_nowhere_but_in_its_connection(outcomes: dict[str, Any], engine: Engine) -> None:
    engine.airflow("connections", "list", "-o", "json")
    assert_absent("what Airflow wrote", engine.said)
    files = [path for path in engine.home.rglob("*") if path.is_file()]
    assert engine.home / "airflow.db" in files
    for path in files:
        assert_absent(str(path.relative_to(engine.home)), path.read_bytes())
