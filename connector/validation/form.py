"""Cleans a JSON payload: conversion, defaults, and validation against the manifest's schemas.

Low-code builders send strings, which are converted if the schema requires another type. All
problems are found at once, before anything is sent.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connector.errors import ConnectorError, ErrorCode
from connector.manifest.inlining import inlined
from connector.manifest.model import ABSENT, Input
from connector.manifest.schemas import Schemas, object_schema, resolved
from connector.problems import error_of, pointer, problem, unknown_pointer
from connector.text import strict_json
from connector.validation.keywords import compile_pattern
from connector.validation.messages import not_known
from connector.validation.suggestions import suggester
from connector.validation.validator import Validator

_NUMBER = re.compile(
    r"[-+]?([0-9]{1,80}|[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?\Z"
)
_JSON_TYPES = (str, int, float, list, dict)


class Cleaned(NamedTuple):
    """The result of cleaning a payload with a form.

    `values` may be used only if there are no `problems`. `defaulted` are the keys whose value
    equals the default, whether it was sent or left out, because forms send their defaults.
    """

    values: dict[str, Any]
    defaulted: frozenset[str]
    problems: list[dict[str, str]]
    form: "Form"


Check = Callable[[Mapping[str, Any], Collection[str]], object]
"""An action's own check. It gets the inputs that fit their schemas, and the keys of the others.

Raises ConnectorError with details.
"""


class _Rules(NamedTuple):
    """What cleaning needs to know about one input.

    `types` are those that its schema allows. `pairs` means that an object stands for a list of
    keys and values. If the schema allows both a text and an array, a text may contain an array,
    which `array` validates; otherwise it is None.
    """

    item: Input
    types: frozenset[str]
    keeps_empty: bool
    pairs: bool
    array: Validator | None


class Form:
    """The declared inputs of an action, or the fields of a connection, ready to clean payloads.

    `path` is the JSON pointer under which problems are reported, such as `/inputs`. `check`
    returns the action's own check; None if it has none.
    """

    def __init__(
        self,
        title: str,
        path: str,
        inputs: Sequence[Input],
        schemas: Schemas,
        check: Callable[[], Check] | None = None,
    ) -> None:
        self.path = path
        self._own_check = check
        self.schema = inlined(object_schema(title, inputs, schemas))
        self._rules = {item.key: _rules(item, self.schema) for item in inputs}
        self._positions = {key: index for index, key in enumerate(self._rules)}
        self._validator = Validator(self.schema)

    def clean(self, given: Mapping[str, Any]) -> Cleaned:
        """Return the cleaned values of `given`, which is not changed, or all its problems."""
        values: dict[str, Any] = {}
        defaulted: list[str] = []
        problems: list[dict[str, str]] = []
        for key, rules in self._rules.items():
            value = given.get(key)
            if value is None or (value == "" and not rules.keeps_empty):
                if rules.item.default is not ABSENT:
                    values[key] = _fresh(rules.item.default)
                    defaulted.append(key)
                continue
            try:
                values[key] = _converted(value, rules)
                if _same(values[key], rules.item.default):
                    defaulted.append(key)
            except ValueError as error:
                reason = f"is not JSON ({error})"
                problems.append(problem(f"{self.path}/{key}", reason, rules.item.label))
                problems[-1] = self.with_example(problems[-1])
        problems.extend(self._unknown(str(key) for key in given if key not in self._rules))
        invalid = self._invalid(values)
        if problems or invalid:
            paths = {row["path"] for row in problems}
            problems.extend(row for row in invalid if row["path"] not in paths)
            problems.sort(key=self._position)
        return Cleaned(values, frozenset(defaulted), problems, self)

    def error(
        self, values: Mapping[str, Any], problems: Sequence[Mapping[str, str]]
    ) -> ConnectorError | None:
        """Return the error that lists `problems` and those that the action's own check finds in
        the other values, in the order of the form; None if there are none.

        It is for payloads that are refused anyway. For valid inputs, the action itself raises what
        its check finds.
        """
        code: ErrorCode = "invalid_input"
        hint, rows = None, [dict(row) for row in problems]
        if self._own_check is not None:
            bad = {self._key(row) for row in problems}
            try:
                self._own_check()({k: v for k, v in values.items() if k not in bad}, bad)
            except ConnectorError as error:
                if not error.details:
                    raise
                code, hint = error.code, error.hint
                rows += [dict(row) for row in error.details if self._key(row) not in bad]
                rows.sort(key=self._position)
        return error_of(code, rows, hint) if rows else None

    def with_example(self, row: Mapping[str, str]) -> dict[str, str]:
        """Return a problem whose message ends with the example of its input, if there is one."""
        rules = self._rules.get(self._key(row))
        if rules is None or rules.item.example is ABSENT or "boolean" in rules.types:
            return dict(row)  # there are but two booleans, which the message names
        return {**row, "message": f"{row['message']}; for example {_shown(rules.item.example)}"}

    def _key(self, row: Mapping[str, str]) -> str:
        return row["path"][len(self.path) + 1 :].partition("/")[0]

    def _position(self, row: Mapping[str, str]) -> int:
        """Return the sort key of a problem: the order of the form, unknown names first."""
        return self._positions.get(self._key(row), -1)

    def _unknown(self, keys: Iterable[str]) -> Iterator[dict[str, str]]:
        of_action = self.path == "/inputs"
        known = [*self._rules, "connection"] if of_action else self._rules
        suggest = suggester()
        for key in keys:
            message = not_known(key, known, suggest)
            # In a connection the unknown name may be a key that was pasted there; it is not known
            # yet, so it could not be masked.
            place = pointer(key) if of_action or "did you mean" in message else unknown_pointer(key)
            yield problem(self.path + place, message)

    def _invalid(self, values: dict[str, Any]) -> list[dict[str, str]]:
        rows = []
        shown: set[str] = set()
        for found in self._validator.problems(values):
            key = str(found.path[0]) if found.path else None
            label = self._rules[key].item.label if key else None
            row = problem(self.path + pointer(*found.path), found.message, label)
            if key and found.by_example and key not in shown:
                shown.add(key)  # once: there may be thousands of problems
                row = self.with_example(row)
            rows.append(row)
        return rows


NO_INPUTS = Form("Nothing", "/inputs", (), lambda name: {}).clean({})
"""The form of connection tests and data sources, which have no inputs."""


def _shown(example: Any) -> str:
    """Return an example as a person may write it: JSON, but a single word as it is."""
    if isinstance(example, str) and not re.search(r"\s", example):
        return example
    return json.dumps(example, ensure_ascii=False)


def _same(value: Any, default: Any) -> bool:
    """Whether a cleaned value equals the default as JSON, where `true` is not 1."""
    if value is True or value is False or default is True or default is False:
        return value is default
    return isinstance(value, _JSON_TYPES) and bool(value == default)


def _fresh(default: Any) -> Any:
    """Return a copy of a default, which a handler may change."""
    if not isinstance(default, dict | list):
        return default
    return strict_json.copy(default)


def _rules(item: Input, schema: Mapping[str, Any]) -> _Rules:
    fragment = resolved(schema["properties"][item.key], schema)
    types = fragment.get("type", [])
    types = frozenset([types] if isinstance(types, str) else types)
    array = None
    if types >= {"string", "array"} and "object" not in types:
        array = Validator({**fragment, "type": "array", "$defs": schema.get("$defs", {})})
    return _Rules(
        item=item,
        types=types,
        keeps_empty="string" in types and _may_be_empty(fragment),
        pairs=item.control == "keyValueList",
        array=array,
    )


def _may_be_empty(fragment: Mapping[str, Any]) -> bool:
    return (
        not fragment.get("minLength")
        and "" in fragment.get("enum", ("",))
        and bool(compile_pattern(fragment.get("pattern", "")).search(""))
    )


def _converted(value: Any, rules: _Rules) -> Any:
    """Return `value` converted to a type that the schema allows.

    If that is impossible, it is returned unchanged, and validation reports the problem. Raises
    ValueError if the text must contain JSON and does not.
    """
    if isinstance(value, str) and "string" not in rules.types:
        value = _from_text(value, rules.types)
    elif isinstance(value, str) and rules.array is not None:
        value = _array_from_text(value, rules.array)
    elif isinstance(value, float) and "integer" in rules.types and value.is_integer():
        value = int(value)
    if rules.pairs and isinstance(value, dict):
        return [{"key": key, "value": item} for key, item in value.items()]
    return value


def _from_text(text: str, types: frozenset[str]) -> Any:
    if "boolean" in types and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if types & {"number", "integer"} and _NUMBER.match(text.strip()):
        return _number(text, types)
    if types & {"array", "object"}:
        return strict_json.loads(text, unique=True)
    return text


def _array_from_text(text: str, array: Validator) -> Any:
    """Return the array that `text` contains if it is valid, otherwise `text` itself."""
    if not text.lstrip().startswith("["):
        return text
    try:
        value = strict_json.loads(text, unique=True)
    except ValueError:
        return text
    return text if array.problems(value) else value


def _number(text: str, types: frozenset[str]) -> int | float:
    if text.strip().lstrip("+-").isdigit():
        return int(text)  # exact, however many digits
    number = float(text)
    return int(number) if "integer" in types and number.is_integer() else number
