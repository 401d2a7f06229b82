"""Checks a whole manifest: what `loading` checks, then handlers, defaults, examples, references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connector.check import loading
from connector.errors import ConnectorError
from connector.handlers import Handlers
from connector.manifest.model import ABSENT, Action, Input, Manifest
from connector.manifest.schemas import bundle, object_schema
from connector.problems import pointer, problem
from connector.validation.form import Form
from connector.validation.validator import Validator

Rows = Iterator[dict[str, str]]


def check(path: Path, handlers: str) -> list[str]:
    """Return every problem of the manifest at `path` as `file:line: pointer: message`.

    `handlers` is the package with the functions that the manifest names.
    """
    lines: dict[str, int] = {}
    try:
        spec, rows = loading.read_checked(path, lines)
    except ConnectorError as error:
        return [f"{path}: {error.message}"]
    if spec is not None:
        broken = {_schema_of(row["path"]) for row in rows}
        rows += _reference_problems(spec, path, Handlers(handlers))
        rows += _value_problems(spec, broken)
        rows += _output_problems(spec, broken)
    return [
        f"{path}:{loading.line_of(row['path'], lines) or 1}: {row['path']}: {row['message']}"
        for row in rows
    ]


def _schema_of(path: str) -> str:
    """Return the pointer of the input's schema that contains `path`, otherwise `path` itself."""
    return "/".join(path.split("/")[:6])  # such as /actions/0/inputs/0/schema


def _reference_problems(spec: Manifest, path: Path, handlers: Handlers) -> Rows:
    icon = spec.raw.get("icon")
    if icon and not (path.parent / icon).is_file():
        yield problem("/icon", f"there is no file {icon}")
    for index, raw in enumerate(spec.raw["connections"]):
        at = f"/connections/{index}"
        yield from _handler(raw.get("handler"), f"{at}/handler", handlers)
        yield from _handler(raw.get("test"), f"{at}/test", handlers)
        yield from _inputs(raw["fields"], f"{at}/fields", spec)
    for index, raw in enumerate(spec.raw.get("dataSources", ())):
        yield from _handler(raw["handler"], f"/dataSources/{index}/handler", handlers)
    for index, raw in enumerate(spec.raw["actions"]):
        at = f"/actions/{index}"
        yield from _handler(raw["handler"], f"{at}/handler", handlers)
        yield from _handler(raw.get("check"), f"{at}/check", handlers)
        yield from _inputs(raw["inputs"], f"{at}/inputs", spec)
    for name, model in spec.models.items():
        if model.successor is not None and model.successor not in spec.models:
            yield problem(f"/models/{name}/successor", f"there is no model {model.successor!r}")


def _handler(name: str | None, at: str, handlers: Handlers) -> Rows:
    try:
        if name is not None:
            handlers.find(name)
    except ConnectorError as error:
        yield problem(at, error.message)


def _inputs(inputs: list[Mapping[str, Any]], at: str, spec: Manifest) -> Rows:
    keys = [item["key"] for item in inputs]
    for index, item in enumerate(inputs):
        source = item.get("dataSource")
        if source is not None and source not in spec.data_sources:
            yield problem(f"{at}/{index}/dataSource", f"there is no data source {source!r}")
        if item.get("secret") and "default" in item:
            yield problem(f"{at}/{index}/default", "a secret must not have a default")
        for other in item.get("visibleWhen", {}):
            if other not in keys:
                yield problem(f"{at}/{index}/visibleWhen", f"there is no input {other!r}")


def _value_problems(spec: Manifest, broken: set[str]) -> Rows:
    """Yield the problems of defaults and examples, except of inputs whose schema is broken."""
    for index, raw in enumerate(spec.raw["connections"]):
        fields = spec.connections[raw["key"]].fields
        yield from _samples(raw["fields"], fields, f"/connections/{index}/fields", spec, broken)
    for index, raw in enumerate(spec.raw["actions"]):
        action, at = spec.actions[raw["key"]], f"/actions/{index}"
        rows = list(_samples(raw["inputs"], action.inputs, f"{at}/inputs", spec, broken))
        yield from rows
        if rows or any(path.startswith(f"{at}/inputs") for path in broken):
            continue
        form = Form(action.label, "", action.inputs, spec.schemas)
        for number, example in enumerate(action.examples):
            for row in form.clean(example["inputs"]).problems:
                yield {**row, "path": f"{at}/examples/{number}/inputs{row['path']}"}


def _output_problems(spec: Manifest, broken: set[str]) -> Rows:
    """Yield the problems of output examples, except of actions whose output schema is broken."""
    for index, action in enumerate(spec.actions.values()):
        at = f"/actions/{index}"
        if action.output is not None and f"{at}/output" not in broken:
            validator = Validator(bundle(action.output, spec.schemas))
            for number, example in enumerate(action.output_examples):
                for found in validator.problems(example["data"]):
                    place = pointer("outputExamples", number, "data", *found.path)
                    yield problem(at + place, found.message)
        if action.output_path is not None and not _is_found(action):
            message = "leads to nothing in the first of outputExamples"
            yield problem(f"{at}/outputPath", message)


def _is_found(action: Action) -> bool:
    value: Any = action.output_examples[0] if action.output_examples else {}
    for step in re.findall(r"\w+", action.output_path or ""):
        try:
            value = value[int(step) if isinstance(value, list) else step]
        except (LookupError, TypeError, ValueError):
            return False
    return True


def _samples(
    raw: list[Any], inputs: tuple[Input, ...], at: str, spec: Manifest, broken: set[str]
) -> Rows:
    for index, (entry, item) in enumerate(zip(raw, inputs, strict=True)):
        if f"{at}/{index}/schema" in broken:
            continue
        validator = Validator(object_schema(item.label, (item,), spec.schemas))
        for name in ("default", "example"):
            value = entry.get(name, ABSENT)
            for found in validator.problems({item.key: value}) if value is not ABSENT else ():
                place = pointer(index, name, *found.path[1:])
                yield problem(at + place, found.message)
