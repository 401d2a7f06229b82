"""Whether a value fits a JSON Schema, as fast as plain Python can say: yes, or "ask jsonschema".

A schema becomes one generated function, as `dataclasses` and `namedtuple` do it: its texts and
numbers reach the code only as names of constants. A yes is always right; a no is not final (a
subclass of `str`, a keyword that is not in the table), and jsonschema then decides. The tests
prove that both agree on JSON values.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from connector.validation import conditions

Check = Callable[[Any], bool]

ANNOTATIONS = frozenset(
    "$schema $defs $comment title description default examples writeOnly x-form".split()
)
_CHECKS: Mapping[str, Mapping[str, str]] = {
    # By type and keyword, the condition under which `x` is refused; {c} is the keyword's value.
    "number": {
        "minimum": "{x} < {c}",
        "maximum": "{x} > {c}",
        "exclusiveMinimum": "{x} <= {c}",
        "exclusiveMaximum": "{x} >= {c}",
    },
    "string": {
        "minLength": "len({x}) < {c}",
        "maxLength": "len({x}) > {c}",
        "pattern": "not {c}({x})",
        "enum": "{x} not in {c}",
    },
    "array": {"minItems": "len({x}) < {c}", "maxItems": "len({x}) > {c}"},
    "object": {},
}
_TESTS = {
    "string": "type({x}) is str",
    "array": "type({x}) is list",
    "object": "type({x}) is dict",
    "number": "(type({x}) is int or type({x}) is float and isfinite({x}))",
    "integer": "(type({x}) is int or type({x}) is float and {x}.is_integer())",
    "boolean": "type({x}) is bool",
    "null": "{x} is None",
}
_KNOWN = ANNOTATIONS.union(
    ("type", "anyOf", "allOf", "if", "then", "else", "$ref"),
    ("items", "properties", "required", "additionalProperties"),
    *_CHECKS.values(),
)


REACHING = frozenset(("items", "properties", "additionalProperties", "anyOf"))
"""Keywords that are not understood beside `$ref`: both would look at what lies in a value."""

_MOST_CHOICES = 64
"""How often one value may be looked at, by options and parts that nest in each other."""

_MOST_INLINED = 500
"""Schemas that are written out where a reference leads to them; the others become functions."""

_DEEPEST = 16
"""Columns of indentation before a nested schema gets a function of its own: Python nests no more
than 20 loops."""


class _Unsupported(Exception):
    """The schema says something that only jsonschema understands."""


@lru_cache(maxsize=256)
def pattern(text: str) -> re.Pattern[str]:
    """Return the compiled pattern; a final `$` is the end of the text, as in ECMA-262."""
    return re.compile(re.sub(r"(?<!\\)\$(?=\)*\Z)", r"\\Z", text))


def is_number(value: Any) -> bool:
    """Whether `value` is a JSON number: NaN, infinities and booleans are not."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether `value` is a JSON number without a fraction."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def compile_schema(schema: Mapping[str, Any]) -> Check:
    """Return the verdict on `schema`, one that always asks where a keyword is not known here."""
    try:
        return _Compiler(schema).compile()
    except _Unsupported:
        return ask


def ask(value: Any) -> bool:
    """The verdict on a schema that says more than is known here: never yes."""
    return False


class _Compiler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.names: dict[str, Any] = {"isfinite": math.isfinite}
        self.lines: list[str] = []
        self.functions: dict[tuple[int, int], str] = {}
        self.inlined: set[int] = set()
        self.pending: list[tuple[str, Any, int]] = []
        self.count = 0
        self.written = 0
        self.choices = 1

    def compile(self) -> Check:
        main = self._function(self.root)
        while self.pending:
            name, schema, self.choices = self.pending.pop()
            start = len(self.lines)
            self._value(schema, "x", " ")
            # Constants as defaults: a local name is found faster than a global one.
            used = sorted(set(re.findall(r"\bc[0-9]+\b", "\n".join(self.lines[start:]))))
            defaults = "".join(f", {constant}={constant}" for constant in used)
            self.lines.insert(start, f"def {name}(x{defaults}):")
            self.lines.append(" return True")
        exec("\n".join(self.lines), self.names)  # noqa: S102 - only names and numbers, see above
        check: Check = self.names[main]
        return check

    def _function(self, schema: Any) -> str:
        key = id(schema), self.choices
        if key not in self.functions:
            self.functions[key] = self._name("f")
            self.pending.append((self.functions[key], schema, self.choices))
        return self.functions[key]

    def _name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def _constant(self, value: Any) -> str:
        name = self._name("c")
        self.names[name] = value
        return name

    def _value(self, schema: Any, x: str, pad: str, is_object: bool = False) -> None:
        """Emit the code that returns False where `x`, of which it may be known that it is an
        object, does not fit `schema`."""
        if isinstance(schema, bool):
            self.lines += [] if schema else [f"{pad}return False"]
            return
        if not isinstance(schema, Mapping) or not _KNOWN.issuperset(schema):
            raise _Unsupported
        self.written += 1
        types = schema.get("type", ["object"] if is_object else [])
        types = [types] if isinstance(types, str) else types
        if "type" in schema:
            tests = " or ".join(_TESTS[name] for name in types).format(x=x)
            self._refuse(f"not ({tests})", pad)
        parts = conditions.parts(schema)
        selector = conditions.selector(schema, parts) if types == ["object"] else None
        if selector:
            self._keywords(conditions.without(selector, schema), types, x, pad)
            self._choice(selector, parts, x, pad)
            return
        self._keywords(schema, types, x, pad)
        with self._chosen(len(parts)):
            for part in parts:
                self._part(part, x, pad, types == ["object"])

    def _part(self, part: Any, x: str, pad: str, is_object: bool) -> None:
        """Emit a part of `allOf`, or a condition."""
        if not isinstance(part, Mapping) or "if" not in part:
            self._value(part, x, pad, is_object)
            return
        asked = conditions.asked(part)
        if asked is None or "else" in part:
            raise _Unsupported
        key, texts = map(self._constant, asked)
        other = "" if is_object else f"type({x}) is not dict or "
        self.lines.append(f"{pad}if {other}{x}.get({key}) in {texts}:")
        self._block(part.get("then", True), x, pad + " ", is_object)

    def _choice(self, selector: str, parts: list[Any], x: str, pad: str) -> None:
        """Emit the parts of which one holds, by the text of the key `selector`."""
        chosen = self._name("v")
        self.lines.append(f"{pad}{chosen} = {x}.get({self._constant(selector)})")
        word = "if"
        for part in parts:
            _, texts = conditions.asked(part) or (None, ())
            if "then" in part:
                self.lines.append(f"{pad}{word} {chosen} in {self._constant(texts)}:")
                self._block(part["then"], x, pad + " ", is_object=True)
                word = "elif"
        self.lines.append(f"{pad}else: return False")

    def _keywords(self, schema: Any, types: list[str], x: str, pad: str) -> None:
        for name in _CHECKS:
            self._typed(name, schema, types, x, pad)
        if "enum" in schema and types != ["string"]:
            raise _Unsupported
        if "anyOf" in schema:
            self._any_of(schema["anyOf"], types == ["object"], x, pad)
        if "$ref" in schema:
            if not REACHING.isdisjoint(schema):
                raise _Unsupported
            self._reference(self._resolve(schema["$ref"]), x, pad)

    def _reference(self, schema: Any, x: str, pad: str) -> None:
        # Written out where it stands: a call for each of hundreds of items would cost more than
        # what it checks.
        many = self.written > _MOST_INLINED
        if many or id(schema) in self.inlined or len(pad) > _DEEPEST:
            self._refuse(f"not {self._function(schema)}({x})", pad)
            return
        self.inlined.add(id(schema))
        self._value(schema, x, pad)
        self.inlined.discard(id(schema))

    @contextlib.contextmanager
    def _chosen(self, count: int) -> Iterator[None]:
        """Emit something that looks at a value `count` times."""
        before = self.choices
        self.choices *= max(1, count)
        if self.choices > _MOST_CHOICES:
            raise _Unsupported
        yield
        self.choices = before

    def _any_of(self, options: Any, of_object: bool, x: str, pad: str) -> None:
        other = "" if of_object else f"type({x}) is not dict or "
        with self._chosen(sum(not _only_requires(option) for option in options)):
            tests = " or ".join(self._option(option, x, other) for option in options)
        self._refuse(f"not ({tests})", pad)

    def _refuse(self, condition: str, pad: str) -> None:
        self.lines.append(f"{pad}if {condition}: return False")

    def _option(self, schema: Any, x: str, other: str) -> str:
        if _only_requires(schema):  # spares a call a message for the commonest case
            keys = " and ".join(f"{self._constant(key)} in {x}" for key in schema["required"])
            return f"{other}{keys}"
        return f"{self._function(schema)}({x})"

    def _resolve(self, reference: str) -> Any:
        name = reference.removeprefix("#/$defs/")
        if name == reference or name not in self.root.get("$defs", {}):
            raise _Unsupported
        return self.root["$defs"][name]

    def _typed(self, name: str, schema: Any, types: list[str], x: str, pad: str) -> None:
        allowed = {"number": {"number", "integer"}}.get(name, {name})
        if types and not allowed.intersection(types):
            # No value gets this far, but an explanation will name what is broken here too.
            start = len(self.lines)
            self._checks(name, schema, x, pad)
            del self.lines[start:]
            return
        if not types or set(types) - allowed:  # several types: these checks are for one of them
            start = len(self.lines)
            self.lines.append(f"{pad}if {_TESTS[name].format(x=x)}:")
            self._checks(name, schema, x, pad + " ")
            if len(self.lines) == start + 1:
                self.lines.pop()
            return
        self._checks(name, schema, x, pad)

    def _checks(self, name: str, schema: Any, x: str, pad: str) -> None:
        for keyword, condition in _CHECKS[name].items():
            if keyword in schema:
                value = self._operand(keyword, schema[keyword])
                self._refuse(condition.format(x=x, c=self._constant(value)), pad)
        if name == "array" and "items" in schema:
            item = self._name("v")
            self.lines.append(f"{pad}for {item} in {x}:")
            self._block(schema["items"], item, pad + " ")
        if name == "object":
            self._object(schema, x, pad)

    def _operand(self, keyword: str, value: Any) -> Any:
        if keyword == "pattern":
            return pattern(value).search
        if keyword == "enum":
            if not all(isinstance(choice, str) for choice in value):
                raise _Unsupported
            return frozenset(value)
        return value

    def _block(self, schema: Any, x: str, pad: str, is_object: bool = False) -> None:
        if len(pad) > _DEEPEST:
            self._refuse(f"not {self._function(schema)}({x})", pad)
            return
        start = len(self.lines)
        self._value(schema, x, pad, is_object)
        if len(self.lines) == start:
            self.lines.append(f"{pad}pass")

    def _object(self, schema: Any, x: str, pad: str) -> None:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        required = dict.fromkeys(schema.get("required", ()))
        for name in required:
            constant = self._constant(name)
            self._refuse(f"{constant} not in {x}", pad)
            if name in properties:
                value = self._name("v")
                self.lines.append(f"{pad}{value} = {x}[{constant}]")
                self._value(properties[name], value, pad)
        optional = [name for name in properties if name not in required]
        if not optional and others is True:
            return
        if required and (others is True or required.keys() <= properties.keys()):
            # Most objects have nothing but what they must have: no pass over those.
            self.lines.append(f"{pad}if len({x}) > {len(required)}:")
            pad += " "
        key, value = self._name("k"), self._name("v")
        self.lines.append(f"{pad}for {key}, {value} in {x}.items():")
        word = "if"
        for index, name in enumerate(optional):
            if index == 1 and others is True:  # a key that is none of them costs one comparison
                known = self._constant(frozenset(optional))
                self.lines.append(f"{pad} elif {key} not in {known}: pass")
            self.lines.append(f"{pad} {word} {key} == {self._constant(name)}:")
            self._block(properties[name], value, pad + "  ")
            word = "elif"
        if others is not True:
            self.lines.append(f"{pad} {word} {key} not in {self._constant(frozenset(properties))}:")
            self._block(others, value, pad + "  ")


def _only_requires(schema: Any) -> bool:
    return isinstance(schema, Mapping) and len(schema) == 1 and bool(schema.get("required"))
