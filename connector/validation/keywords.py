"""The JSON Schema keywords that the fast validator understands, each defined once.

An entry holds what both ways of validating need: the code that `compiler` writes to accept a value
fast, and the search of `violations` for all problems. If a keyword looks at one value only, both
come from one condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from connector.validation import conditions, messages
from connector.validation.compiler import Compiler
from connector.validation.entries import (
    TYPES,
    Keyword,
    Path,
    Schema,
    Unsupported,
    Violation,
    leaf,
    names,
    table,
)
from connector.validation.violations import Finder


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> re.Pattern[str]:
    """Return the compiled pattern; a final `$` is the end of the text, as in ECMA-262."""
    return re.compile(re.sub(r"(?<!\\)\$(?=\)*\Z)", r"\\Z", text))


def _search(text: str) -> Callable[[str], Any]:
    return compile_pattern(text).search


def _strings(choices: Any) -> frozenset[str]:
    if not all(isinstance(choice, str) for choice in choices):
        raise Unsupported  # 1 is true for Python, but not for JSON
    return frozenset(choices)


# type


def _emit_type(out: Compiler, schema: Schema, x: str, types: Sequence[str]) -> None:
    tests = " or ".join(TYPES[name].exact for name in types)
    out.refuse(f"not ({tests.format(x=x)})")


def _find_type(_: Finder, schema: Schema, value: Any, path: Path) -> Sequence[Violation]:
    if any(TYPES[name].matches(value) for name in names(schema["type"])):
        return ()
    return (Violation("type", schema["type"], value, schema, path),)


# items


def _emit_items(out: Compiler, schema: Schema, x: str, _: Sequence[str]) -> None:
    item = out.variable()
    with out.block(f"for {item} in {x}:"):
        out.value(schema["items"], item)


def _find_items(finder: Finder, schema: Schema, value: Any, path: Path) -> Iterator[Violation]:
    if schema["items"] is False:
        raise Unsupported  # jsonschema has its own message for this
    for index, item in enumerate(value):
        yield from finder.find(schema["items"], item, (*path, index))


# required, properties and additionalProperties: the compiled code takes them in one pass


def _emit_object(out: Compiler, schema: Schema, x: str, _: Sequence[str]) -> None:
    selector = conditions.selector(schema)
    if selector:  # this key is checked when its value selects a part
        schema = conditions.without(selector, schema)
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    required = dict.fromkeys(schema.get("required", ()))
    for name in required:
        constant = out.constant(name)
        out.refuse(f"{constant} not in {x}")
        if name in properties:
            value = out.variable()
            out.line(f"{value} = {x}[{constant}]")
            out.value(properties[name], value)
    optional = [name for name in properties if name not in required]
    if not optional and others is True:
        return
    if required and (others is True or required.keys() <= properties.keys()):
        # Most objects have only the required keys, which need no pass over all keys.
        with out.block(f"if len({x}) > {len(required)}:"):
            _emit_loop(out, x, optional, properties, others)
    else:
        _emit_loop(out, x, optional, properties, others)


def _emit_loop(
    out: Compiler, x: str, optional: Sequence[str], properties: Schema, others: Any
) -> None:
    key, value = out.variable(), out.variable()
    with out.block(f"for {key}, {value} in {x}.items():"):
        word = "if"
        for index, name in enumerate(optional):
            if index == 1 and others is True:  # any other key costs one comparison
                out.line(f"elif {key} not in {out.constant(frozenset(optional))}: pass")
            with out.block(f"{word} {key} == {out.constant(name)}:"):
                out.value(properties[name], value)
            word = "elif"
        if others is not True:
            known = out.constant(frozenset(properties))
            with out.block(f"{word} {key} not in {known}:"):
                out.value(others, value)


def _find_required(_: Finder, schema: Schema, value: Any, path: Path) -> Sequence[Violation]:
    if all(key in value for key in schema["required"]):
        return ()
    return (Violation("required", schema["required"], value, schema, path),)


def _find_properties(finder: Finder, schema: Schema, value: Any, path: Path) -> Iterator[Violation]:
    for key, fragment in schema["properties"].items():
        if key in value:
            yield from finder.find(fragment, value[key], (*path, key))


def _find_others(finder: Finder, schema: Schema, value: Any, path: Path) -> Iterator[Violation]:
    limit, known = schema["additionalProperties"], schema.get("properties", {})
    others = [key for key in value if key not in known]
    if limit is False and others:
        yield Violation("additionalProperties", limit, value, schema, path)
    elif isinstance(limit, Mapping):
        for key in others:
            yield from finder.find(limit, value[key], (*path, key))


# $ref

_DESCENDING = frozenset(("items", "properties", "additionalProperties", "anyOf"))
"""Keywords that are not supported next to `$ref`. Both would examine the values inside a value,
which doubles the work at each level."""


def _definition(schema: Schema) -> str:
    reference: str = schema["$ref"]
    name = reference.removeprefix("#/$defs/")
    if name == reference or not _DESCENDING.isdisjoint(schema):
        raise Unsupported
    return name


def _emit_reference(out: Compiler, schema: Schema, x: str, _: Sequence[str]) -> None:
    out.reference(_definition(schema), x)


def _find_reference(finder: Finder, schema: Schema, value: Any, path: Path) -> Iterator[Violation]:
    name = _definition(schema)
    if name not in finder.definitions:
        raise Unsupported
    yield from finder.find(finder.definitions[name], value, path)


# anyOf


def _emit_any_of(out: Compiler, schema: Schema, x: str, types: Sequence[str]) -> None:
    options = schema["anyOf"]
    with out.repeated(sum(not conditions.only_requires(option) for option in options)):
        tests = " or ".join(_option(out, option, x, types) for option in options)
    out.refuse(f"not ({tests})")


def _option(out: Compiler, schema: Any, x: str, types: Sequence[str]) -> str:
    if not conditions.only_requires(schema):
        return f"{out.function(schema)}({x})"
    # The most common option is written inline, which saves a call for each value.
    keys = " and ".join(f"{out.constant(key)} in {x}" for key in schema["required"])
    return _unless_object(x, types) + keys


def _unless_object(x: str, types: Sequence[str]) -> str:
    """Return the part that makes a condition true for values that are not objects."""
    return "" if list(types) == ["object"] else f"type({x}) is not dict or "


def _find_any_of(finder: Finder, schema: Schema, value: Any, path: Path) -> Sequence[Violation]:
    if finder.any_fits(schema["anyOf"], value):
        return ()
    return (Violation("anyOf", schema["anyOf"], value, schema, path),)


# not: of one form only


def _emit_not(out: Compiler, schema: Schema, x: str, types: Sequence[str]) -> None:
    keys = conditions.absent(schema["not"])
    if keys is None:
        raise Unsupported
    present = " or ".join(f"{out.constant(key)} in {x}" for key in keys)
    is_object = "" if list(types) == ["object"] else f"type({x}) is dict and "
    out.refuse(f"not ({is_object}({present}))")


def _find_not(_: Finder, schema: Schema, value: Any, path: Path) -> Sequence[Violation]:
    keys = conditions.absent(schema["not"])
    if keys is None:
        raise Unsupported
    if TYPES["object"].matches(value) and any(key in value for key in keys):
        return ()
    return (Violation("not", schema["not"], value, schema, path),)


# allOf, if, then and else: schemas that apply besides the one that contains them


def _emit_parts(out: Compiler, schema: Schema, x: str, types: Sequence[str]) -> None:
    parts = conditions.parts(schema)
    selector = conditions.selector(schema)
    if selector:
        _emit_selection(out, selector, parts, x)
        return
    with out.repeated(len(parts)):
        for part in parts:
            if isinstance(part, Mapping) and "if" in part:
                _emit_condition(out, part, x, types)
            else:
                out.value(part, x, types)


def _emit_condition(out: Compiler, part: Schema, x: str, types: Sequence[str]) -> None:
    tested = conditions.tested(part)
    if tested is None or "else" in part:
        raise Unsupported
    key, texts = map(out.constant, tested)
    other = _unless_object(x, types)
    with out.block(f"if {other}{x}.get({key}) in {texts}:"):
        out.value(part.get("then", True), x, () if other else types)


def _emit_selection(out: Compiler, selector: str, parts: Sequence[Any], x: str) -> None:
    """Emit the one part that the value of the key `selector` selects."""
    selected = out.variable()
    out.line(f"{selected} = {x}.get({out.constant(selector)})")
    word = "if"
    for part in parts:
        _, texts = conditions.tested(part) or (None, ())
        if "then" in part:
            with out.block(f"{word} {selected} in {out.constant(texts)}:"):
                out.value(part["then"], x, ("object",))
            word = "elif"
    out.line("else: return False")


def _find_all_of(finder: Finder, schema: Schema, value: Any, path: Path) -> Iterator[Violation]:
    for part in schema["allOf"]:
        finder.step()
        yield from finder.find(part, value, path)


def _find_if(finder: Finder, schema: Schema, value: Any, path: Path) -> Iterator[Violation]:
    finder.step()
    broken = next(iter(finder.find(schema["if"], value, ())), None) is not None
    yield from finder.find(schema.get("else" if broken else "then", True), value, path)


def _find_nothing(_: Finder, schema: Schema, value: Any, path: Path) -> Sequence[Violation]:
    return ()  # `then` and `else` belong to `if`


_NUMBER, _LENGTH = messages.number, messages.length

KEYWORDS = table(
    (
        Keyword(
            "type", None, _emit_type, _find_type, messages.one_problem(messages.wrong_type, True)
        ),
        leaf(
            "enum", None, "not isinstance({x}, str) or {x} not in {limit}", messages.enum, _strings
        ),
        leaf("minimum", "number", "{x} < {limit}", _NUMBER("at least")),
        leaf("maximum", "number", "{x} > {limit}", _NUMBER("at most")),
        leaf("exclusiveMinimum", "number", "{x} <= {limit}", _NUMBER("more than")),
        leaf("exclusiveMaximum", "number", "{x} >= {limit}", _NUMBER("less than")),
        leaf("minLength", "string", "len({x}) < {limit}", _LENGTH, by_example=True),
        leaf("maxLength", "string", "len({x}) > {limit}", _LENGTH),
        leaf("pattern", "string", "not {limit}({x})", messages.pattern, _search, by_example=True),
        leaf("minItems", "array", "len({x}) < {limit}", _LENGTH, by_example=True),
        leaf("maxItems", "array", "len({x}) > {limit}", _LENGTH),
        Keyword("items", "array", _emit_items, _find_items),
        Keyword("required", "object", _emit_object, _find_required, messages.missing),
        Keyword("properties", "object", _emit_object, _find_properties),
        Keyword("additionalProperties", "object", _emit_object, _find_others, messages.unknown),
        Keyword("anyOf", None, _emit_any_of, _find_any_of, messages.no_option),
        Keyword("not", None, _emit_not, _find_not, messages.excluded),
        Keyword("$ref", None, _emit_reference, _find_reference),
        Keyword("allOf", None, _emit_parts, _find_all_of),
        Keyword("if", None, _emit_parts, _find_if),
        Keyword("then", None, _emit_parts, _find_nothing),
        Keyword("else", None, _emit_parts, _find_nothing),
    )
)
