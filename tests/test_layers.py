"""The architecture: layers, one package for each subject, locked names."""

from __future__ import annotations

import ast
import http.client
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3.connection
import urllib3.connectionpool

import connector
from connector import Connector, ConnectorError, Result
from connector.errors import CODES

pytestmark = pytest.mark.core

PACKAGE = Path(connector.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))

LONGEST = 360
"""Lines: about 300, with room for a door that has a sentence for every option."""

CONTRACT_CODES = """
invalid_payload unknown_action invalid_input invalid_connection invalid_manifest blocked_target
authentication_failed permission_denied not_found bad_request content_filtered rate_limited
quota_exhausted server_error connect_failed tls_error connection_lost timeout deadline_exceeded
protocol_error invalid_response response_too_large unexpected_redirect partial_failure cancelled
internal_error
""".split()


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.slow
def test_imports_point_downward() -> None:
    program = (
        "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contracts())} kept, 0 broken" in done.stdout


def contracts() -> list[dict[str, Any]]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return found


def modules_of(package: Path) -> set[str]:
    """Return the modules and packages directly in a package."""
    files = {path.stem for path in package.glob("*.py")}
    return files.union(path.parent.name for path in package.glob("*/__init__.py")) - {"__init__"}


def test_every_package_has_layers_and_every_module_is_in_one() -> None:
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts): modules_of(path.parent)
        for path in MODULES
        if path.name == "__init__.py"
    }
    found = {}
    for contract in contracts():
        (container,) = contract["containers"]
        assert (contract["type"], contract["exhaustive"]) == ("layers", True)
        assert "ignore_imports" not in contract
        assert not [layer for layer in contract["layers"] if ":" in layer]  # would allow cycles
        listed = re.findall(r"\w+", " ".join(contract["layers"]))
        assert len(listed) == len(set(listed))
        assert container not in found
        found[container] = set(listed)
    assert found == {package: modules for package, modules in packages.items() if len(modules) > 1}


FOREIGN = (ROOT / "tests/data/private-names.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_private_names_are_used_only_where_they_are_defined_except_listed_ones() -> None:
    """The list names each private name of a library, the class that has it, and our module."""
    listed = [line.split() for line in FOREIGN if line and not line.startswith("#")]
    for module, owner, private in listed:
        home, _, kind = owner.rpartition(".")
        library = getattr(importlib.import_module(home), kind)
        known = hasattr(library, private) or private in inspect.getsource(library)
        assert known, f"{owner} has no {private} any more; {module} relies on it"
    used = {(name(path), private) for path in MODULES for private in _foreign_private_names(path)}
    assert used == {(module, private) for module, _, private in listed}


LIBRARY_CLASSES = [
    urllib3.connection.HTTPSConnection,
    urllib3.connectionpool.HTTPSConnectionPool,
    http.client.HTTPResponse,
]
"""Those that our classes in `connector.http` extend."""


def _foreign_private_names(path: Path) -> Iterator[str]:
    """Yield the private names that a module uses and does not define, or that it overrides."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    defined = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    defined |= {node.name for node in functions}
    for node in nodes:
        is_stored = isinstance(getattr(node, "ctx", None), ast.Store)
        if is_stored and isinstance(node, ast.Name):
            defined.add(node.id)
        elif is_stored and isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
            defined.add(node.attr)
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {a.name for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names}
    foreign = used - defined - {"_replace", "_asdict", "_fields"}  # a named tuple's own
    if path.parent.name == "http":
        foreign |= {f.name for f in functions if any(hasattr(c, f.name) for c in LIBRARY_CLASSES)}
    yield from (item for item in foreign if item.startswith("_") and not item.startswith("__"))


def test_one_package_knows_what_azure_is() -> None:
    found = {
        name(path)
        for path in MODULES
        if "azure" in _words(path) and not name(path).startswith(("sandbox/", "providers/"))
    }
    # The name of the distribution, and the docstring of the package.
    assert found == {"version.py", "__init__.py"}


def _words(path: Path) -> str:
    return path.read_text(encoding="utf-8").lower()


def test_doors_and_core_name_no_action() -> None:
    keys = "|".join(Connector.load().manifest.actions)
    pattern = re.compile(rf"\b({keys})\b")
    found = {name(path) for path in MODULES if pattern.search(path.read_text(encoding="utf-8"))}
    assert found == {"__init__.py"}  # its docstring's example


def test_actions_do_not_reach_the_network() -> None:
    allowed = {"requests", "urllib3", "http", "socket", "ssl", "backoff", "certifi"}
    for path in MODULES:
        if name(path).startswith(("http/", "sandbox/", "doors/", "preload", "policy/retry.py")):
            continue
        for module in _imported(path):
            top = module.partition(".")[0]
            assert top not in allowed or module == "urllib3.filepost", f"{name(path)}: {module}"


@pytest.mark.slow
def test_one_module_knows_backoff() -> None:
    users = [name(path) for path in MODULES if "backoff" in set(_imported(path))]
    assert users == ["policy/retry.py", "preload.py"]  # preload only imports it early


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.slow
def test_modules_are_short_and_say_what_they_are() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST, name(path)
        assert ast.get_docstring(ast.parse(text)), name(path)
    assert not [path for path in MODULES if path.stem in ("utils", "helpers", "common", "misc")]


def test_the_exported_names_are_locked() -> None:
    assert connector.__all__ == [
        "Cancellation",
        "Connector",
        "ConnectorError",
        "Payload",
        "Reach",
        "Result",
        "Stream",
        "__version__",
    ]
    public = {word for word in vars(Connector) if not word.startswith("_")}
    assert public == {
        "load",
        "invoke",
        "call",
        "stream",
        "test_connection",
        "options",
        "describe",
        "schema",
        "output_schema",
        "parse_payload",
        "connection_names",
        "icon",
        "errors",
        "manifest",
        "import_all",
        "close",
    }
    assert {word for word in vars(Result) if not word.startswith("_")} == {
        "ok",
        "data",
        "error",
        "meta",
        "to_dict",
    }
    error = ConnectorError("timeout", "m")
    assert {word for word in vars(error) if not word.startswith("_")} == {
        "code",
        "message",
        "sent",
        "retryable",
        "http_status",
        "retry_after_ms",
        "provider_code",
        "provider_param",
        "request_id",
        "hint",
        "details",
        "data",
        "final",
    }


def test_the_codes_are_those_of_the_contract() -> None:
    assert list(CODES) == CONTRACT_CODES
    for code in CODES.values():
        assert code.meaning.endswith(".")
        assert code.remedy.endswith(".")


def test_every_code_is_raised_somewhere_and_no_other() -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in MODULES
        if name(path) != "error_codes.py" and not name(path).startswith("sandbox/")
    )
    raised = set(re.findall(r'ConnectorError\(\s*"(\w+)"', text))
    raised |= set(re.findall(r'\berror_of\(\s*"(\w+)"', text))
    assert raised <= set(CODES)
    for code in CODES:
        assert f'"{code}"' in text, code


def test_the_entry_point_leads_to_the_connector() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'azure-openai-service = "connector:Connector"' in text
    assert 'connector = "connector.doors.cli.main:run"' in text
