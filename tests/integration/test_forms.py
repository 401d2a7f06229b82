"""Form libraries render the schemas as they are, and what they submit is accepted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial, reduce
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from connector import Connector
from connector.sandbox import Sandbox

from .conftest import run

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "forms"
EXAMPLE = ROOT / "examples" / "form"
LIBRARIES = ("plain", "rjsf", "jsonforms")

CONNECTOR = Connector.load()
DESCRIBED = CONNECTOR.describe()
ACTIONS = {action["key"]: action for action in DESCRIBED["actions"]}
KINDS = {kind["key"]: kind for kind in DESCRIBED["connections"]}
CHOICES = {source["key"]: [{"key": "a-model"}] for source in DESCRIBED["dataSources"]}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
)


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema of an action, or of `connection-` and a kind."""
    _, is_kind, kind = name.partition("connection-")
    return CONNECTOR.schema("connection", kind=kind) if is_kind else CONNECTOR.schema(name)


class Handler(BaseHTTPRequestHandler):
    """Serves `/LIBRARY/NAME/` with the page and its files, and the schema of NAME."""

    def __init__(self, bundle: Path, *arguments: Any) -> None:
        self.bundle = bundle
        super().__init__(*arguments)

    def do_GET(self) -> None:
        library, name, file = self.path.split("/")[1:]
        kind = {"": "text/html", "form.css": "text/css", "page.js": "text/javascript"}
        if file == "schema.json":
            body = json.dumps({"schema": schema_of(name), "choices": CHOICES}).encode()
        else:
            folder = self.bundle if file == "page.js" else EXAMPLE
            body = (folder / (file or "index.html")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", kind.get(file, "application/json"))
        self.send_header("Content-Length", str(len(body)))
        # The validator of JSON Forms makes functions from text.
        evaluates = "'self' 'unsafe-eval'" if library == "jsonforms" else "'self'"
        policy = POLICY.replace("script-src 'self'", f"script-src {evaluates}")
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the pages."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle(HERE / "page.jsx", folder / "page.js")
    with serving(partial(Handler, folder)) as address:
        yield address


@contextlib.contextmanager
def serving(handler: Any) -> Iterator[str]:
    """Serve on loopback; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bundle(source: Path, target: Path) -> None:
    """Bundle a page as docs/forms.md says."""
    run(
        str(HERE / "node_modules" / ".bin" / "esbuild"),
        str(source),
        *("--bundle", "--format=esm", "--jsx=automatic", "--log-level=warning"),
        f"--alias:@rjsf/validator-ajv8={EXAMPLE / 'validator.js'}",
        f"--outfile={target}",
        env={**os.environ, "NODE_PATH": str(HERE / "node_modules")},
    )


class OpenForm(NamedTuple):
    """A form in the browser, used as a person uses it."""

    page: Page
    schema: dict[str, Any]

    def find(self, title: str, within: Locator | None = None) -> Locator:
        """Return the only input, or group of inputs, with this label."""
        place = within or self.page.locator("form")
        names = (title, f"{title}*")
        labelled = [place.get_by_label(name, exact=True) for name in names]
        inner = place.locator("fieldset fieldset")  # the outer one has the title of the form
        grouped = [inner.and_(place.get_by_role("group", name=n, exact=True)) for n in names]
        found = reduce(Locator.or_, labelled + grouped).filter(visible=True)
        expect(found, title).to_have_count(1)
        return found

    def is_group(self, key: str) -> bool:
        found = self.find(self.schema["properties"][key]["title"])
        return bool(found.evaluate("element => element.tagName") == "FIELDSET")

    def fill(self, title: str, value: Any, within: Locator | None = None) -> None:
        found = self.find(title, within)
        tag = found.evaluate("element => element.tagName")
        if tag == "FIELDSET":
            self._fill_group(found, value)
        elif tag == "SELECT":
            found.select_option(label=value)
        elif isinstance(value, bool):
            if found.is_checked() is not value:
                found.click()
            expect(found).to_be_checked(checked=value)
        else:
            found.fill(value if isinstance(value, str) else json.dumps(value))

    def _fill_group(self, group: Locator, value: Any) -> None:
        assert isinstance(value, dict), "add a way to fill this"
        for key, item in value.items():
            self.fill(key, item, group)

    def submitted(self) -> dict[str, Any] | None:
        """Submit the form and return what it gives, None where it refuses."""
        before, button = self._all(), self.page.get_by_role("button", name="Submit")
        button.click()
        found = self._all()
        return found[-1] if len(found) > len(before) else None

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.page.locator("output").inner_text())
        return found


def opened(page: Page, site: str, library: str, name: str) -> OpenForm:
    page.goto(f"{site}/{library}/{name}/")
    page.get_by_role("button", name="Submit").wait_for()
    folded = page.get_by_text("Advanced", exact=True)
    if library == "rjsf" and folded.count():
        folded.click()
    return OpenForm(page, schema_of(name))


def shown(found: Locator) -> Any:
    """Return the value that an input shows."""
    tag, kind = found.evaluate("element => [element.tagName, element.type]")
    if tag == "SELECT":
        return found.evaluate("element => element.selectedOptions[0]?.label ?? ''")
    return found.is_checked() if kind == "checkbox" else found.input_value()


def texts(value: Any) -> list[str]:
    """Return all texts in a default."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return [text for part in parts for text in texts(part)]
    return [str(value)]


def check_inputs(form: OpenForm) -> None:
    """Each input is there by its label, shows its default, and hides what is secret."""
    for item in form.schema["properties"].values():
        found = form.find(item["title"])
        is_group = found.evaluate("element => element.tagName") == "FIELDSET"
        default = item.get("default", "")
        if item.get("writeOnly"):
            assert found.get_attribute("type") == "password", item["title"]
        if is_group:
            inside = found.locator("input, select, textarea")
            values = [shown(inside.nth(index)) for index in range(inside.count())]
            assert set(texts(default or [])) <= {*values}, item["title"]
        elif isinstance(default, dict | list):
            assert json.loads(shown(found)) == default
        elif isinstance(default, bool):
            assert shown(found) is default
        elif item["type"] == "boolean":
            assert shown(found) is False
        else:
            blank = ("", "None") if default == "" else (str(default),)  # JSON Forms says "None"
            assert shown(found) in blank, item["title"]


def planned(action: str, inputs: dict[str, Any], connection: Any) -> str:
    """Return the request that would be sent, without the random marks around a text."""
    result = CONNECTOR.invoke(action, inputs, connection, dry_run=True)
    assert result.ok, result.error
    return re.sub(r"\b[0-9a-f]{32}\b", "…", json.dumps(result.data, sort_keys=True))


EXAMPLES = {
    kind["key"]: {field["key"]: field.get("example", "value") for field in kind["fields"]}
    for kind in DESCRIBED["connections"]
}

NO_CONTROL = {
    "createChatCompletion": "an input that is a text or an object, and one of objects in a list",
    "createResponse": "an input that is a text or a list of objects",
    "extractData": "an object without declared properties",
    "classifyText": "a list of at least two texts",
    "transcribeAudio": "a file that is a text or an object",
    "editImage": "a list of files",
}
"""What the libraries as they come have no control for, nor this test a way to fill."""

FILES = ("extractData", "transcribeAudio", "editImage")
"""Actions whose required inputs our page shows, but this test cannot fill."""


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("action", ACTIONS)
def test_the_form_of_an_action(
    library: str, action: str, page: Page, site: str, sandbox: Sandbox
) -> None:
    if action in FILES or (library != "rjsf" and action in NO_CONTROL):
        pytest.skip(f"no control for {NO_CONTROL[action]}")
    form = opened(page, site, library, action)
    check_inputs(form)
    example = ACTIONS[action]["examples"][0]["inputs"]
    needed = {key: example[key] for key in form.schema["required"]}
    untouched = form.submitted()
    assert (untouched is None) is bool(needed)
    connection = sandbox.connection("openai")
    if untouched is not None:
        assert planned(action, untouched, connection) == planned(action, {}, connection)
    filled = {
        key: value for key, value in example.items() if key in needed or not form.is_group(key)
    }
    for key, value in filled.items():
        form.fill(form.schema["properties"][key]["title"], value)
    inputs = form.submitted()
    assert inputs is not None
    assert planned(action, inputs, connection) == planned(action, filled, connection)
    result = CONNECTOR.invoke(action, inputs, connection)
    assert result.ok, result.error


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_form_of_a_connection(
    library: str, kind: str, page: Page, site: str, sandbox: Sandbox
) -> None:
    form = opened(page, site, library, f"connection-{kind}")
    check_inputs(form)
    if form.schema["required"]:
        assert form.submitted() is None
    fields = sandbox.connection("openai")["fields"]
    for key, item in form.schema["properties"].items():
        if key in fields:
            form.fill(item["title"], fields[key])
        elif key in form.schema["required"] or (kind == "entraId" and not item.get("x-advanced")):
            form.fill(item["title"], EXAMPLES[kind][key])
    given = form.submitted()
    assert given is not None
    assert (
        given.items()
        >= {key: fields[key] for key in form.schema["properties"] if key in fields}.items()
    )
    result = CONNECTOR.invoke(
        "rawRequest", {"method": "GET"}, {"key": kind, "fields": given}, dry_run=True
    )
    assert result.ok, result.error


# docs/forms.md


def block(mark: str) -> str:
    """Return the code after a comment in docs/forms.md."""
    text = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", text, re.S)
    assert found is not None
    return found[1]


def test_the_quoted_code_is_that_of_the_example() -> None:
    assert block("from form.jsx") in (EXAMPLE / "form.jsx").read_text(encoding="utf-8")


def test_the_example_page(page: Page, tmp_path: Path) -> None:
    """The commands make a page whose payload the command line accepts."""
    install, *commands, serve = block("commands").splitlines()
    packages = json.loads((HERE / "package.json").read_text())["dependencies"]
    for package in install.split()[2:]:
        assert re.sub(r"@\d+$", "", package) in packages
    folder = tmp_path / "form"
    shutil.copytree(EXAMPLE, folder)
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    for command in commands:
        run("sh", "-c", command.replace("npx ", "node_modules/.bin/"), cwd=folder, env=environment)
    assert serve == "python3 -m http.server --bind 127.0.0.1 8000"
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with serving(handler) as address:
        page.goto(address)
        page.get_by_role("button", name="Submit").wait_for()
        form = OpenForm(page, schema_of("createChatCompletion"))
        model = form.find("Model / Deployment Name")
        choices = page.locator(f"datalist#{model.get_attribute('list')} option")
        assert choices.count() > 10
        form.fill("Temperature", "0.2")
        form.fill("Messages", [{"role": "user", "content": "Hi"}])
        page.get_by_text("Advanced", exact=True).click()
        form.fill("Extra Parameters", {"seed": 7, "metadata": {}})
        page.get_by_role("button", name="Submit").click()
        payload = page.locator("pre").inner_text()
    (folder / "payload.json").write_text(payload)
    words = ("invoke", "createChatCompletion", "--payload", "payload.json", "--sandbox")
    done = json.loads(run("connector", *words, cwd=folder, env=environment))
    assert done["data"]["choices"]
    assert json.loads(payload)["inputs"]["temperature"] == 0.2
    assert json.loads(payload)["inputs"]["extraParameters"] == {"seed": 7, "metadata": {}}


def test_a_page_says_what_is_wrong_at_its_input(page: Page, site: str) -> None:
    form = opened(page, site, "rjsf", "createImage")
    assert form.submitted() is None
    expect(page.get_by_text("Fill in this field.")).to_have_count(1)
    form.fill("Prompt", "A lighthouse")
    form.fill("Extra Parameters", "{")
    assert form.submitted() is None
    expect(page.locator("form").get_by_role("listitem")).to_have_count(1)
