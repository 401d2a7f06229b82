"""Mutation testing of one module: changes it in a copy of the tree and lists what no test notices.

    python tests/mutate.py text/secrets
    python tests/mutate.py actions/raw tests/test_contract.py

The first word is a module of `connector`, the others go to pytest; without them all tests run that
kill by no chance. Each mutant meets the tests that run the changed function, most special first,
then the other tests of the module, because coverage does not see what worker threads run. Sentences
are left alone: the wording of a message is read by people, and its place is tested.
mutmut makes the mutants, at module level and in decorated functions too, where its own runner makes
none. A mutant that no test can tell from the original is listed in `EQUIVALENT` with the reason.
"""

from __future__ import annotations

import ast
import difflib
import gc
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import libcst
import pytest
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

REPOSITORY = Path(__file__).parent.parent
EQUIVALENT = REPOSITORY / "tests/data/equivalent-mutants.txt"
ALL = ["-m", "not hypothesis", "tests"]
WORKERS = int(os.environ.get("WORKERS", 0)) or os.cpu_count() or 1
OUTPUT = "mutate-output.txt"
PRELOADED = "aiohttp hypothesis jsonschema jsonschema_rs requests trustme yaml".split()
"""Imported once and not by each mutant's process."""

PRELOADING = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]

TEST_SECONDS = 30
"""How long a test may take with a mutant: six times as long as the slowest one without."""

SECONDS = 1800
"""How long all may take; a module that is endless when it is imported is stopped after this."""

TIMEOUTS = [
    *("-o", f"faulthandler_timeout={TEST_SECONDS}"),
    *("-o", "faulthandler_exit_on_timeout=true"),
]

MEMORY = 4 << 30
"""Bytes that a mutant may address: one that grows without end is stopped."""


@dataclass(frozen=True)
class Mutant:
    """A changed module: `code` is all of it, the others say what is changed where."""

    path: str
    scope: str
    lines: range
    removed: tuple[str, ...]
    added: tuple[str, ...]
    code: str

    def __str__(self) -> str:
        changes = [*map("  - {}".format, self.removed), *map("  + {}".format, self.added)]
        return "\n".join([f"{self.path} {self.scope}", *changes])


class Visitor(MutationVisitor):
    """mutmut's, for decorated functions too."""

    def _skip_node_and_children(self, node: libcst.CSTNode) -> bool:
        return not isinstance(node, libcst.FunctionDef) and super()._skip_node_and_children(node)


def mutants(path: str) -> list[Mutant]:
    """Return every mutant of a module that compiles."""
    source = (REPOSITORY / path).read_text(encoding="utf-8")
    visitor = Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = MetadataWrapper(libcst.parse_module(source)).visit(visitor)
    found: dict[str, Mutant] = {}
    for mutation in visitor.mutations:
        if _is_prose(mutation.original_node):
            continue
        changed = deep_replace(module, mutation.original_node, mutation.mutated_node)
        assert isinstance(changed, libcst.Module)
        if changed.code != source and _compiles(changed.code):
            found[changed.code] = _described(path, source, changed.code)
    return list(found.values())


def _is_prose(node: libcst.CSTNode) -> bool:
    return isinstance(node, libcst.SimpleString) and " " in node.value


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _described(path: str, source: str, code: str) -> Mutant:
    before, after = source.splitlines(), code.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    parts = [part for part in matcher.get_opcodes() if part[0] != "equal"]
    first, last = parts[0][1], parts[-1][2]
    removed = [line.strip() for part in parts for line in before[part[1] : part[2]]]
    added = [line.strip() for part in parts for line in after[part[3] : part[4]]]
    scope, lines = _scope(ast.parse(source), first + 1, last)
    return Mutant(path, scope, lines, tuple(removed), tuple(added), code)


def _scope(tree: ast.Module, first: int, last: int) -> tuple[str, range]:
    """Return the outermost function around the lines and its own lines, none for all others."""
    names: list[str] = []
    node: ast.AST | None = tree
    while isinstance(node, ast.Module | ast.ClassDef):
        node = next((child for child in node.body if _holds(child, first, last)), None)
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
            lines = range(node.lineno, (node.end_lineno or 0) + 1)
    if not isinstance(node, ast.FunctionDef):
        return ".".join([*names, "<module>"]), range(0)
    # What is decorated may be cached, and then the first test to need it runs it for all others.
    return ".".join(names), range(0) if node.decorator_list else lines


def _holds(node: ast.stmt, first: int, last: int) -> bool:
    return node.lineno <= first <= last <= (node.end_lineno or 0)


class Selection:
    """A pytest plugin: runs only these tests, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.place]
        items.sort(key=lambda item: self.place[item.nodeid])


def _pytest(copy: Path, words: list[str], plugins: list[Any]) -> None:
    """Run pytest in this process, which is one of its own, and end it with the exit code."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(copy)
    output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path[0] = str(copy)
    options = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", *PRELOADING, *TIMEOUTS]
    os._exit(pytest.main([*options, *words], plugins=plugins))


def start(copy: Path, words: list[str], *plugins: Any) -> Any:
    process = get_context("fork").Process(target=_pytest, args=(copy, words, list(plugins)))
    process.start()
    return process


class Coverage(NamedTuple):
    """Which tests run a line of the module, and how much each test runs."""

    tests: dict[int, set[str]]
    size: Counter[str]

    def rounds(self, mutant: Mutant) -> list[list[str]]:
        """Return the tests that run the mutant's function, then the module's others.

        In both those that run little else come first. No list is empty.
        """
        every = set().union(*self.tests.values())
        first = set().union(*(self.tests.get(line, set()) for line in mutant.lines))
        lists = [sorted(part, key=self._order) for part in (first, every - first)]
        return [tests for tests in lists if tests]

    def _order(self, test: str) -> tuple[int, str]:
        return self.size[test], test


def covered(copy: Path, path: str, words: list[str]) -> Coverage:
    """Run the tests on the unchanged copy."""
    measured = ["--cov=connector", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"]
    parallel = ["-n", str(WORKERS), "--dist", "worksteal"]
    process = start(copy, [*words, *measured, *parallel])
    process.join()
    if process.exitcode:
        sys.exit((copy / OUTPUT).read_text() + "The tests fail on the unchanged code.")
    data = coverage.CoverageData(str(copy / ".coverage"))
    data.read()
    tests: dict[int, set[str]] = {}
    size: Counter[str] = Counter()
    for file in data.measured_files():
        for line, contexts in data.contexts_by_lineno(file).items():
            names = {context.partition("|")[0] for context in contexts if context}
            size.update(names)
            if file == str(copy / path):
                tests[line] = names
    return Coverage(tests, size)


def survivors(copies: list[Path], made: list[Mutant], found: Coverage) -> Iterator[Mutant]:
    """Yield the mutants with which all their tests pass."""
    pending = [(mutant, found.rounds(mutant)) for mutant in reversed(made)]
    free = list(copies)
    running: dict[Any, tuple[Mutant, list[list[str]], Path, float]] = {}
    while pending or running:
        while pending and free:
            mutant, rounds = pending.pop()
            if not rounds:
                yield mutant
                continue
            copy = free.pop()
            (copy / mutant.path).write_text(mutant.code, encoding="utf-8")
            files = {test.partition("::")[0] for test in rounds[0]}
            process = start(copy, sorted(files), Selection(rounds[0]))
            running[process] = (mutant, rounds[1:], copy, time.monotonic() + SECONDS)
        connection.wait([process.sentinel for process in running], 1)
        for process, (mutant, rounds, copy, end) in list(running.items()):
            if process.is_alive() and time.monotonic() < end:
                continue
            if process.is_alive() or "Timeout (" in (copy / OUTPUT).read_text(errors="replace"):
                print(f"\nKilled by a time limit:\n{mutant}", flush=True)
            survived = process.exitcode == 0
            _end(process)
            del running[process]
            free.append(copy)
            if survived:
                pending.append((mutant, rounds))


def _end(process: Any) -> None:
    """End a process and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.join()


def known() -> dict[str, str]:
    """Return the mutants that are equivalent, as they are printed, and the reason of each."""
    text = EQUIVALENT.read_text(encoding="utf-8") if EQUIVALENT.exists() else ""
    entries = (entry.partition("\n  because: ") for entry in text.split("\n\n"))
    return {mutant.strip(): reason.strip() for mutant, _, reason in entries if reason.strip()}


def main(name: str, words: list[str]) -> int:
    """Print the mutants of `connector/NAME.py` that survive; return 1 where there are any."""
    path = f"connector/{name.removesuffix('.py').removeprefix('connector/')}.py"
    for module in PRELOADED:
        importlib.import_module(module)
    equivalent = known()
    every = mutants(path)
    made = [mutant for mutant in every if str(mutant) not in equivalent]
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, str(number)) for number in range(WORKERS)]
        ignored = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(REPOSITORY, copies[0], ignore=ignored)
        found = covered(copies[0], path, words or ALL)
        for cached in (copies[0] / path).parent.glob(f"__pycache__/{Path(path).stem}.*"):
            cached.unlink()
        for copy in copies[1:]:
            shutil.copytree(copies[0], copy)
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        gc.freeze()  # the processes share what is loaded
        print(f"{path}: {len(made)} mutants, {WORKERS} at a time", flush=True)
        alive = 0
        for mutant in survivors(copies, made, found):
            alive += 1
            print(f"\n{mutant}", flush=True)
    for text in equivalent.keys() - set(map(str, every)):
        if text.startswith(f"{path} "):
            print(f"\nNo such mutant any more; remove it from {EQUIVALENT.name}:\n{text}")
    killed = len(made) - alive
    print(f"\n{path}: {killed} of {len(made)} mutants killed ({killed / max(len(made), 1):.1%})")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
