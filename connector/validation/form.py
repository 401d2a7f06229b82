"""A JSON payload cleaned, defaulted and validated against what the manifest declares.

Low-code builders send strings: they are converted where the schema wants something else. Every
problem is found at once, before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connector.errors import ConnectorError, ErrorCode, pointer, problem, unknown
from connector.manifest.model import ABSENT, Input
from connector.manifest.schemas import Schemas, object_schema, resolved
from connector.text import strict_json
from connector.validation.compiler import pattern
from connector.validation.suggestions import suggester
from connector.validation.validator import Validator

_NUMBER = re.compile(
    r"[-+]?([0-9]{1,80}|[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?\Z"
)


_JSON = (str, int, float, list, dict)


class Cleaned(NamedTuple):
    """The values to act on, the keys whose value is their default (whether it was left out or
    sent: forms send the defaults that they show), and the problems (then no value may be used)."""

    values: dict[str, Any]
    defaulted: frozenset[str]
    problems: list[dict[str, str]]
    form: Form


class Refusal(NamedTuple):
    """All that is wrong with the inputs of a payload, in the order of the form."""

    code: ErrorCode
    problems: list[dict[str, str]]
    hint: str | None = None


Check = Callable[[Mapping[str, Any], Collection[str]], object]
"""Raises ConnectorError, with details, for what is wrong with inputs that pass their schemas.

It is given the inputs that do, and the keys of those that do not.
"""


class _Plan(NamedTuple):
    """What cleaning needs to know of one input. `array` validates the array that a text may stand
    for where the schema takes both, None where it does not."""

    item: Input
    types: frozenset[str]
    keeps_empty: bool
    pairs: bool
    array: Validator | None


class Form:
    """The declared inputs of an action, or the fields of a connection, ready to clean payloads.

    `path` is the JSON pointer under which problems are reported, such as `/inputs`. `check`
    returns the action's own check; None where it has none.
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
        self.schema = object_schema(title, inputs, schemas)
        self._plans = {item.key: _plan(item, self.schema) for item in inputs}
        self._places = {key: index for index, key in enumerate(self._plans)}
        self._validator = Validator(self.schema)

    def clean(self, given: Mapping[str, Any]) -> Cleaned:
        """Return `given` cleaned; it is not changed itself."""
        values: dict[str, Any] = {}
        defaulted: list[str] = []
        problems: list[dict[str, str]] = []
        for key, plan in self._plans.items():
            value = given.get(key)
            if value is None or (value == "" and not plan.keeps_empty):
                if plan.item.default is not ABSENT:
                    values[key] = _fresh(plan.item.default)
                    defaulted.append(key)
                continue
            try:
                values[key] = _converted(value, plan)
                if _same(values[key], plan.item.default):
                    defaulted.append(key)
            except ValueError as error:
                row = problem(f"{self.path}/{key}", f"is not valid JSON: {error}", plan.item.label)
                problems.append(row)
        problems.extend(self._unknown(str(key) for key in given if key not in self._plans))
        found = self._check(values)
        if problems or found:
            refused = {row["path"] for row in problems}
            problems.extend(row for row in found if row["path"] not in refused)
            problems.sort(key=self._rank)
        return Cleaned(values, frozenset(defaulted), problems, self)

    def refusal(self, values: Mapping[str, Any], problems: list[dict[str, str]]) -> Refusal:
        """Return `problems` with those that the action's own check finds in the other values.

        Only for what is refused: of good inputs the action itself says what it refuses.
        """
        if self._own_check is None:
            return Refusal("invalid_input", problems)
        bad = {self._key(row) for row in problems}
        try:
            self._own_check()({k: v for k, v in values.items() if k not in bad}, bad)
        except ConnectorError as error:
            if not error.details:
                raise
            more = [dict(row) for row in error.details if self._key(row) not in bad]
            return Refusal(error.code, sorted([*problems, *more], key=self._rank), error.hint)
        return Refusal("invalid_input", problems)

    def _key(self, row: Mapping[str, str]) -> str:
        return row["path"][len(self.path) + 1 :].partition("/")[0]

    def _rank(self, row: Mapping[str, str]) -> int:
        """Return where a problem stands among the others: as in the form, unknown names first."""
        return self._places.get(self._key(row), -1)

    def _unknown(self, keys: Iterable[str]) -> Iterator[dict[str, str]]:
        of_action = self.path == "/inputs"
        known = [*self._plans, "connection"] if of_action else self._plans
        suggested = suggester()
        for key in keys:
            close = suggested(key, known)
            # A refused connection has no key yet by which one in place of a name could be told.
            place = pointer(key) if of_action or close else unknown(key)
            yield problem(self.path + place, "is not known here" + close)

    def _check(self, values: dict[str, Any]) -> list[dict[str, str]]:
        return [
            problem(
                self.path + pointer(*found.path),
                found.message,
                self._plans[str(found.path[0])].item.label if found.path else None,
            )
            for found in self._validator.problems(values)
        ]


NO_INPUTS = Form("Nothing", "/inputs", (), lambda name: {}).clean({})
"""What a test of a connection, or a data source, is given."""


def _same(value: Any, default: Any) -> bool:
    """Whether a cleaned value equals the default as JSON, where `true` is not 1."""
    if value is True or value is False or default is True or default is False:
        return value is default
    return isinstance(value, _JSON) and bool(value == default)


def _fresh(default: Any) -> Any:
    """Return a default that a handler may change without changing it for others."""
    if not isinstance(default, dict | list):
        return default
    return strict_json.copy(default)


def _plan(item: Input, schema: Mapping[str, Any]) -> _Plan:
    fragment = resolved(schema["properties"][item.key], schema)
    types = fragment.get("type", [])
    types = frozenset([types] if isinstance(types, str) else types)
    array = None
    if types >= {"string", "array"} and "object" not in types:
        array = Validator({**fragment, "type": "array", "$defs": schema.get("$defs", {})})
    return _Plan(
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
        and bool(pattern(fragment.get("pattern", "")).search(""))
    )


def _converted(value: Any, plan: _Plan) -> Any:
    """Return `value` as the schema wants it, unchanged where it cannot be: validation then says
    what is wrong. Raises ValueError where a JSON text was wanted and this is not one."""
    if isinstance(value, str) and "string" not in plan.types:
        value = _from_text(value, plan.types)
    elif isinstance(value, str) and plan.array is not None:
        value = _array_from_text(value, plan.array)
    elif isinstance(value, float) and "integer" in plan.types and value.is_integer():
        value = int(value)
    if plan.pairs and isinstance(value, dict):
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
    """Return the array that a text is, where it is one that the schema takes; else the text, which
    is a value too, whatever it looks like."""
    if not text.lstrip().startswith("["):
        return text
    try:
        value = strict_json.loads(text, unique=True)
    except ValueError:
        return text
    return text if array.problems(value) else value


def _number(text: str, types: frozenset[str]) -> int | float:
    if text.strip().lstrip("+-").isdigit():
        return int(text)  # exact, however long
    number = float(text)
    return int(number) if "integer" in types and number.is_integer() else number
