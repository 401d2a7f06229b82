"""What handlers may use, and that docs/handlers.md describes it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import KINDS, Sandbox
from connector.text import safe_yaml

from .support.fault_server import FaultServer

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "handlers.md").read_text(encoding="utf-8")
ACTIONS = sorted((ROOT / "connector" / "actions").glob("*.py"))

ALLOWED = (
    "connector.client",
    "connector.errors",
    "connector.problems",
    "connector.text",
    "connector.providers",
    "connector.http.messages",
    "connector.policy.retry",
    "connector.validation",
    "connector.actions",
)


def class_of_client() -> ast.ClassDef:
    tree = ast.parse((ROOT / "connector" / "client.py").read_text(encoding="utf-8"))
    (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Client"]
    return found


def public_names() -> dict[str, str]:
    """Return the public attributes and methods of `Client`, with their parameters."""
    found = {}
    for node in class_of_client().body:
        if not isinstance(node, ast.FunctionDef):
            continue
        if node.name == "__init__":
            for inner in ast.walk(node):
                if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Attribute):
                    found[inner.target.attr] = ""
        elif node.decorator_list:
            found[node.name] = ""
        else:
            found[node.name] = f"({', '.join(parameters(node.args))})"
    return {name: text for name, text in found.items() if not name.startswith("_")}


def parameters(arguments: ast.arguments) -> Iterator[str]:
    names = [argument.arg for argument in arguments.args[1:]]
    defaults = [f"={ast.unparse(value)}" for value in arguments.defaults]
    defaults = [""] * (len(names) - len(defaults)) + defaults
    return (name + default for name, default in zip(names, defaults, strict=True))


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in ACTIONS:
        yield path.name, ast.parse(path.read_text(encoding="utf-8"))


def is_client(node: ast.expr) -> bool:
    """Whether an expression is a client: `client` or `self._client`."""
    if isinstance(node, ast.Attribute):
        return node.attr == "_client"
    return isinstance(node, ast.Name) and node.id == "client"


def test_handlers_import_only_what_is_meant_for_them() -> None:
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert not [item for item in node.names if item.name.startswith("connector")], file
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                assert not [item.name for item in node.names if item.name.startswith("_")], file
                for item in node.names:
                    where = f"{node.module}.{item.name}"
                    if not where.startswith("connector."):
                        continue
                    assert f"{where}.".startswith(tuple(f"{name}." for name in ALLOWED)), where
                    assert file == "raw.py" or not where.startswith("connector.policy"), file


def test_handlers_use_no_private_name_of_others() -> None:
    for file, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or not node.attr.startswith("_"):
                continue
            own = isinstance(node.value, ast.Name) and node.value.id == "self"
            # `_replace` is a public method of named tuples; `__test__` is an attribute for pytest.
            assert own or node.attr in ("_replace", "__test__"), f"{file}: {ast.unparse(node)}"


def test_handlers_use_only_public_names_of_the_client() -> None:
    public = public_names()
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_client(node.value):
                assert node.attr in public, f"{file}: {ast.unparse(node)}"
            if isinstance(node, ast.Name):
                assert node.id not in ("getattr", "setattr", "vars"), file


def test_a_client_has_the_same_name_everywhere() -> None:
    """Otherwise the test above would overlook some uses."""
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.arg) and node.annotation is not None:
                assert ("Client" in ast.unparse(node.annotation).split()) == (
                    node.arg == "client"
                ) or "TokenClient" in ast.unparse(node.annotation), file
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for left, right in pairs(target, node.value):
                        assert not is_client(right) or is_client(left), f"{file}: {node.lineno}"
            if isinstance(node, ast.NamedExpr | ast.AnnAssign):
                assert node.value is None or not is_client(node.value), f"{file}: {node.lineno}"


def pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def test_the_page_describes_the_client() -> None:
    rows = re.findall(r"^- `client\.(\w+)(\(.*?\))?`", PAGE, re.M)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == public_names()


def test_the_page_lists_what_may_be_imported() -> None:
    section = PAGE.partition("A handler may import ")[2].partition(". ")[0]
    assert tuple(re.findall(r"`([\w.]+)`", section)) == ALLOWED


def test_the_page_describes_what_is_imported() -> None:
    section = PAGE.partition("## What else it may import\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", section))
    templates = (ROOT / "connector" / "template").rglob("*.py.tmpl")
    for text in [path.read_text(encoding="utf-8") for path in (*ACTIONS, *templates)]:
        for node in ast.walk(ast.parse(text.replace("$package", "a"))):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if re.match(r"connector\.(?!client|actions|testing)", module):
                assert isinstance(node, ast.ImportFrom)
                for item in node.names:
                    whole = f"`{module}.{item.name}`" in section  # a module
                    assert whole or item.name in described, f"{module}.{item.name}"


def snippet(name: str) -> str:
    found = re.search(rf"<!-- snippet: {name} -->\n```\w+\n(.*?)```", PAGE, re.S)
    assert found is not None
    return found[1]


PACKAGE = "handlers_of_the_page"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with the modules of the page."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "embeddings.py").write_text(snippet("handler"), encoding="utf-8")
    (folder / "connections.py").write_text(snippet("connection"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def load(folder: Path, connection: dict[str, Any]) -> Connector:
    """Return a connector of the page's action, with one kind of connection."""
    manifest = {
        "manifestVersion": 1,
        "key": "page",
        "label": "Page",
        "description": "The example of the page.",
        "connections": [connection],
        "actions": safe_yaml.loads(snippet("manifest")),
    }
    path = folder.parent / "connector.yaml"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return Connector.load(path, handlers=PACKAGE)


def kind_of_connection(*keys: str, **more: Any) -> dict[str, Any]:
    fields = [{"key": key, "label": key, "comments": key, "schema": {}} for key in keys]
    return {"key": "apiKey", "label": "A kind", "fields": fields, **more}


API_KEY = kind_of_connection("apiKey", "isOpenAIKey", "endpoint", "apiVersion")


@pytest.mark.parametrize("kind", KINDS)
def test_the_action_of_the_page_works(package: Path, sandbox: Sandbox, kind: str) -> None:
    with load(package, API_KEY) as connector:
        data = connector.call("createEmbedding", {"texts": ["a", "b"]}, sandbox.connection(kind))
    assert [len(vector) for vector in data] == [8, 8]


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": [{"index": 0}]}, {"data": [7]}])
def test_the_action_of_the_page_rejects_other_responses(package: Path, body: Any) -> None:
    with load(package, API_KEY) as connector, FaultServer({"json": body}) as server:
        connection = {"fields": {"apiKey": "sk-x", "isOpenAIKey": True, "endpoint": server.url}}
        result = connector.invoke("createEmbedding", {"texts": ["a"]}, connection)
    assert result.error is not None
    assert result.error.code == "invalid_response"


def test_the_connection_of_the_page_works(package: Path, sandbox: Sandbox) -> None:
    fields = ("tokenUrl", "clientId", "clientSecret", "endpoint")
    kind = kind_of_connection(*fields, handler="connections.application")
    token = {"access_token": "token-0123456789abcdef", "expires_in": 3600}
    with FaultServer({"json": token}) as server, load(package, kind) as connector:
        endpoint = sandbox.connection("azure")["fields"]["endpoint"]
        values = [f"{server.url}/token", "me", "my-secret-0123456789", endpoint]
        connection = {"fields": dict(zip(fields, values, strict=True))}
        for _ in range(2):
            connector.call("createEmbedding", {"texts": ["a"]}, connection)
    assert len(server.requests) == 1
    assert b"client_secret=my-secret-0123456789" in server.requests[0].body
    headers = [request.headers for request in sandbox.requests]
    assert len(headers) == 2
    assert all("token-0123456789abcdef" in str(dict(each)) for each in headers)


@pytest.mark.slow
def test_the_code_of_the_page_has_strict_types(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *map(str, package.glob("*s.py"))],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_links_lead_somewhere() -> None:
    headings = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.M)
    }
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = link.partition("#")
        assert not path or (ROOT / "docs" / path).exists(), link
        assert path or anchor in headings, link
