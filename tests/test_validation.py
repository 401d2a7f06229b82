"""The compiled function, the search for violations, jsonschema and a validator in Rust agree."""

from __future__ import annotations

import json
import socket
import warnings
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import Phase, assume, example, find, given, settings
from hypothesis import strategies as st

from connector import Connector
from connector.manifest.schemas import bundle
from connector.validation import compiler, violations
from connector.validation.entries import Unsupported, leaf
from connector.validation.keywords import KEYWORDS, compile_pattern
from connector.validation.messages import Problem
from connector.validation.suggestions import nearest, suggester
from connector.validation.validator import Validator
from tests.support import work

pytestmark = pytest.mark.core

CONNECTOR = Connector.load()
SPEC = CONNECTOR.manifest
SCHEMAS: dict[str, Any] = {
    **{key: CONNECTOR.schema(key) for key in SPEC.actions},
    "connection": CONNECTOR.schema("connection"),
    **{
        action.output: bundle(action.output, SPEC.schemas)
        for action in SPEC.actions.values()
        if action.output is not None
    },
}
VALIDATORS = {name: Validator(schema) for name, schema in SCHEMAS.items()}


def agree(validator: Validator, value: Any) -> bool:
    """Assert that compiled function, search and jsonschema agree; return what they say."""
    valid = compiler.compile_schema(validator.schema, KEYWORDS)(value)
    problems = validator.explain(value)
    assert valid == (not problems)
    assert validator.problems(value) == problems  # searched
    assert validator.problems(value) == problems  # compiled
    return valid


KINDS = ["string", "number", "integer", "boolean", "array", "object", "null"]

# Values that look like what a schema wants, with a little wrong here and there

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.floats(allow_nan=True)
    | st.sampled_from(["", "a", "user", "GET", "json", "base64", "text", "1024x1024", "a\n", "é"])
    | st.text(max_size=5)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def mostly(right: st.SearchStrategy[Any], wrong: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of `right`, and one in ten of `wrong`."""
    return st.sampled_from(range(10)).flatmap(lambda number: right if number else wrong)


def like(schema: Any, root: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values near the border of `schema`: mostly right, some wrong."""
    if "$ref" in schema:
        return like(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth)
    if depth > 5:
        return scalars
    types = schema.get("type", KINDS)
    kinds = [types] if isinstance(types, str) else types
    return mostly(st.one_of([_of_kind(kind, schema, root, depth) for kind in kinds]), scalars)


def _of_kind(kind: str, schema: Any, root: Any, depth: int) -> st.SearchStrategy[Any]:
    if kind == "string":
        low, high = schema.get("minLength", 0), min(schema.get("maxLength", 4), 1001)
        rare = st.sampled_from(["a" * low, "a" * high, "a" * (high + 1), "a b", "\n", ""])
        return mostly(st.sampled_from(schema.get("enum", ["a" * low, "a" * high])), rare)
    if kind in ("number", "integer"):
        edges = [schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum")]
        near = [edge + by for edge in edges if edge is not None for by in (-1, -0.5, 0, 0.5, 1)]
        return st.sampled_from(near or [0, 1.0, 1.5, float("inf")])
    if kind == "array":
        item = like(schema["items"], root, depth + 1) if "items" in schema else scalars
        low, high = schema.get("minItems", 0), min(schema.get("maxItems", 2), 5)
        return mostly(
            st.lists(item, min_size=low, max_size=high), st.lists(item, max_size=high + 1)
        )
    if kind == "object":
        return _object(schema, root, depth)
    return st.booleans() if kind == "boolean" else st.none()


def _object(schema: Any, root: Any, depth: int) -> st.SearchStrategy[Any]:
    if "allOf" in schema:
        return st.one_of([_object(each, root, depth) for each in _branches(schema)])
    properties = {k: like(v, root, depth + 1) for k, v in schema.get("properties", {}).items()}
    required = {k: v for k, v in properties.items() if k in schema.get("required", ())}
    optional = {k: v for k, v in properties.items() if k not in required}
    whole = st.fixed_dictionaries(required, optional=optional)
    broken = st.fixed_dictionaries({}, optional={**properties, "stranger": scalars})
    return mostly(whole | st.fixed_dictionaries(required), broken)


def _branches(schema: Any) -> list[Any]:
    """The schemas without conditions that the conditions of `schema` lead to."""
    found = []
    for part in schema["allOf"]:
        branch = part.get("then") or part["else"]
        chosen = part["if"]["properties"] if "then" in part else {}
        allowed = {k: v for k, v in branch.get("properties", {}).items() if v is not False}
        properties = {**schema["properties"], **allowed}
        properties |= {k: {**v, "type": "string"} for k, v in chosen.items()}
        required = [*schema["required"], *branch.get("required", ())]
        found.append({"type": "object", "properties": properties, "required": required})
    return found


@pytest.mark.parametrize("name", SCHEMAS)
@given(st.data())
def test_the_compiled_function_agrees_with_jsonschema(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    value = data.draw(like(schema, schema) | anything)
    agree(VALIDATORS[name], value)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_strategy_finds_valid_and_invalid_values(name: str) -> None:
    schema = SCHEMAS[name]
    values = like(schema, schema) | anything
    quick = settings(phases=[Phase.generate], max_examples=1000)  # any example will do
    find(values, lambda value: agree(VALIDATORS[name], value), settings=quick)
    if "type" in schema:
        find(values, lambda value: not agree(VALIDATORS[name], value), settings=quick)


# Random schemas of the keywords in the table

patterns = st.sampled_from(["^a", "a$", "^[a-c]*$", "^(a|b)$", "[0-9]+", "^a+$"])
sizes = st.integers(0, 3)
bounds = st.integers(-3, 3) | st.sampled_from([0.5, 1.5])
types = st.sampled_from(KINDS) | st.lists(st.sampled_from(KINDS), min_size=1, unique=True)
keys = st.sampled_from(["a", "b", "type", "$ref"])

leaf_keywords = {
    "type": types,
    "minimum": bounds,
    "maximum": bounds,
    "exclusiveMinimum": bounds,
    "exclusiveMaximum": bounds,
    "minLength": sizes,
    "maxLength": sizes,
    "pattern": patterns,
    "minItems": sizes,
    "maxItems": sizes,
    "title": st.text(max_size=2),
    "default": scalars,
    "const": st.sampled_from(["a", 1, True, None]),
    "enum": st.lists(st.sampled_from(["a", "b", "", 1, None]), min_size=1, unique=True),
}
references = st.sampled_from([{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"}])


kinds = st.lists(st.sampled_from(["a", "b", "user"]), min_size=1, max_size=2, unique=True)
asking = st.builds(
    lambda key, texts: {"required": [key], "properties": {key: {"enum": texts}}}, keys, kinds
)


def conditions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Conditions on the text of a key, with one branch or two."""
    branches = st.fixed_dictionaries({}, optional={"then": inner, "else": inner})
    return st.builds(lambda condition, branch: {"if": condition, **branch}, asking, branches)


def choices(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas of objects whose `type` selects one of some schemas, or nearly so."""
    every = ["a", "b", "user"]

    def part(text: str, branch: Any) -> Any:
        return {"if": {"required": ["type"], "properties": {"type": {"enum": [text]}}}, **branch}

    then = st.builds(lambda schema: {"then": schema}, inner)
    other = st.builds(lambda schema: {"else": schema}, inner)
    whole = {"if": {"required": ["type"], "properties": {"type": {"enum": every}}}}
    parts = st.builds(
        lambda branches, last: [*map(part, every, branches), *({**whole, **b} for b in last)],
        st.lists(then, min_size=2, max_size=3),
        st.lists(other, max_size=1),
    )
    return st.builds(
        lambda parts, texts: {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string", "enum": texts}},
            "allOf": parts,
        },
        parts,
        st.sampled_from([every, every[::-1], every[:2]]),
    )


absent = st.fixed_dictionaries({"properties": st.dictionaries(keys, st.just(False), max_size=3)})


def _bigger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    required = st.lists(keys, unique=True, max_size=2)
    option = inner | st.fixed_dictionaries({"required": required})
    return st.fixed_dictionaries(
        {},
        optional={
            "type": types,
            "items": inner,
            "properties": st.dictionaries(keys, inner, max_size=3),
            "required": required,
            "additionalProperties": st.booleans() | inner,
            "anyOf": st.lists(option, min_size=1, max_size=3),
            "allOf": st.lists(inner | conditions(inner), min_size=1, max_size=3),
            "if": inner | asking,
            "then": inner,
            "else": inner,
            "minItems": sizes,
            "pattern": patterns,
            "not": inner | absent,
        },
    )


chosen = st.fixed_dictionaries(
    {"type": st.sampled_from(["a", "b", "user", "other", 1, None])},
    optional={"a": scalars, "b": scalars},
)
leaves = st.fixed_dictionaries({}, optional=dict(leaf_keywords)) | references
fragments = st.recursive(leaves | st.booleans(), _bigger, max_leaves=8)
plain = st.fixed_dictionaries({}, optional={k: leaf_keywords[k] for k in ("type", "minLength")})
documents = st.builds(
    lambda main, one, two: {**main, "$defs": {"one": one, "two": two}},
    fragments.filter(lambda schema: isinstance(schema, dict)),
    plain,
    st.builds(lambda inner: {"type": ["array", "null"], "items": inner}, plain | references),
)


@given(choices(st.recursive(leaves | st.booleans(), _bigger, max_leaves=4)), chosen | anything)
def test_all_agree_on_random_choices(schema: dict[str, Any], value: Any) -> None:
    check_agreement({**schema, "$defs": {"one": {"type": "string"}, "two": {}}}, value)


@given(documents, anything)
def test_all_agree_on_random_schemas(schema: dict[str, Any], value: Any) -> None:
    check_agreement(schema, value)


def check_agreement(schema: dict[str, Any], value: Any) -> None:
    validator = Validator(schema)
    valid = compiler.compile_schema(schema, KEYWORDS)(value)
    problems = validator.explain(value)
    # False is not final where the schema has other keywords.
    assert not (valid and problems)
    if understood(schema):
        assert valid == (not problems)
    assert validator.problems(value) == problems  # searched
    assert validator.problems(value) == problems  # compiled


def understood(schema: Any) -> bool:
    """Whether the schema can be compiled, so that False is final."""
    try:
        compiler.Compiler(schema, KEYWORDS).compile()
    except Unsupported:
        return False
    return True


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"required": []}]},
        {"anyOf": [True, {"type": "string"}]},
        {"items": False},
        {"type": "string", "items": False},
        {"type": "string", "items": {"const": 2}},
        {"properties": {"a": True}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {}}},
        {"$ref": "#", "type": ["object", "null"]},
        {"$ref": "#/$defs/a/b", "$defs": {"a": {"b": {}}}},
        {"const": 1},
        {"enum": [1, True]},
    ],
)
@pytest.mark.parametrize("value", [None, True, 1, 1.0, "a", [], [1], {}, {"a": 1}])
def test_jsonschema_decides_what_cannot_be_compiled(schema: Any, value: Any) -> None:
    validator = Validator(schema)
    assert validator.problems(value) == validator.explain(value)


def when(texts: list[str], branches: dict[str, Any], key: str = "type") -> dict[str, Any]:
    """A condition on the text of a key."""
    return {"if": {"required": [key], "properties": {key: {"enum": texts}}}, **branches}


def chooser(*parts: Any, **more: Any) -> dict[str, Any]:
    """The schema of an object whose `type`, a or b, may select a part."""
    kind = {"type": {"type": "string", "enum": ["a", "b"]}}
    return {
        "type": "object",
        "required": ["type"],
        "properties": kind,
        "allOf": [*parts],
        **more,
    }


NEEDS_Z = {"required": ["z"]}
TWO = (when(["a"], {"then": NEEDS_Z}), when(["b"], {"then": {"properties": {"z": False}}}))


@pytest.mark.parametrize(
    "schema",
    [
        chooser(*TWO),
        chooser(*TWO, when(["a", "b"], {"else": NEEDS_Z})),
        chooser(*TWO, when(["a"], {"else": {"required": ["y"]}})),
        chooser(*TWO, additionalProperties=False),
        chooser(*TWO, {"required": ["y"]}),
        chooser(*TWO, required=[]),
        chooser(*TWO, type=["object", "null"]),
        chooser(TWO[0], {**TWO[1], "required": ["y"]}),
        chooser(TWO[0], when(["b"], {"then": NEEDS_Z}, "y")),
        chooser(TWO[0], TWO[0]),
        chooser(TWO[0]),
        chooser(*TWO, when(["c"], {"then": NEEDS_Z})),
        chooser(when(["a", "b"], {"then": NEEDS_Z})),
        chooser({"if": {"required": ["y"]}, "then": NEEDS_Z}),
        chooser(*TWO, properties={"type": {"type": "string", "enum": ["a", "c"]}}),
        chooser(*TWO, properties={"type": {"type": "number", "enum": ["a", "b"]}}),
        chooser(*TWO, properties={"type": {"type": "string", "enum": ["a", "b"], "maxLength": 0}}),
        {**when(["a"], {"then": NEEDS_Z}), "properties": {"y": False}},
        {**when(["a"], {"then": NEEDS_Z}), "else": False},
        {"then": False, "else": False},
        {"required": ["z"], "additionalProperties": {"type": "string"}},
        {"required": ["z"], "properties": {"z": {"type": "string"}}, "additionalProperties": False},
        {"type": "object", "properties": {"y": False, "z": {"type": "string"}, "type": True}},
        {"properties": {"z": False}, "additionalProperties": False},
    ],
)
def test_all_agree_on_conditions(schema: Any) -> None:
    validator = Validator(schema)
    kinds: list[Any] = [{}, *({"type": kind} for kind in ("a", "b", "c", 1, None, ["a"]))]
    others: list[Any] = [{}, {"z": 1}, {"z": "1"}, {"y": "b"}, {"y": "b", "z": "1"}]
    values: list[Any] = [None, "a", [], 1, *({**one, **more} for one in kinds for more in others)]
    for value in values:
        valid = compiler.compile_schema(schema, KEYWORDS)(value)
        problems = validator.explain(value)
        assert valid == (not problems) or not (valid or understood(schema))
        assert validator.problems(value) == problems  # searched
        assert validator.problems(value) == problems  # compiled


@pytest.mark.parametrize("value", [[], [3, 6.0, "a"], [4], [3, "a", 1], [True], 4, {"a": 1}])
def test_one_entry_in_the_table_adds_a_keyword(value: Any) -> None:
    entry = leaf("multipleOf", "number", "{x} % {limit} != 0", lambda error: "must be a multiple")
    keywords = {**KEYWORDS, entry.name: entry}
    schema = {"items": {"multipleOf": 3}}
    found = [violation.absolute_path for violation in violations.find(schema, value, keywords)]
    assert found == [problem.path for problem in Validator(schema).explain(value)]
    assert compiler.compile_schema(schema, keywords)(value) == (not found)


def test_the_path_of_a_forbidden_property_ends_with_its_name() -> None:
    validator = Validator({"properties": {"z": False}})
    problems = [Problem(("z",), "is not allowed here; leave it out")]
    assert validator.problems({"z": 1}) == validator.explain({"z": 1}) == problems


def test_schemas_may_nest_deeper_than_python_nests_loops() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    value: Any = 1
    wrong: Any = "1"
    for _ in range(60):
        schema = {"type": "array", "items": {"type": "object", "properties": {"a": schema}}}
        value, wrong = [{"a": value}], [{"a": wrong}]
    check = compiler.compile_schema(schema, KEYWORDS)
    assert check(value)
    assert not check(wrong)


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=50)
@given(st.data())
def test_the_validator_in_rust_agrees(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    value = data.draw(like(schema, schema) | anything)
    assume(_is_json(value))
    assert jsonschema_rs.validator_for(schema).is_valid(value) == agree(VALIDATORS[name], value)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@given(st.text(alphabet="ab\n", max_size=4))
@example("a\n")
def test_a_dollar_is_the_end_of_the_text(text: str) -> None:
    assert bool(compile_pattern("^a$").search(text)) == (text == "a")
    assert agree(Validator({"pattern": "^(a|b)$"}), text) == (text in ("a", "b"))


# Messages


@pytest.mark.parametrize(
    ("schema", "value", "path", "message"),
    [
        ({"type": "string", "minLength": 2}, "a", (), "must have at least 2 characters"),
        ({"type": "string", "minLength": 1}, "", (), "must not be empty"),
        ({"maxLength": 2}, "abc", (), "must have at most 2 characters (it has 3)"),
        ({"maxItems": 1}, [1, 2], (), "must have at most 1 items (it has 2)"),
        ({"enum": ["a", "b"]}, "secret", (), "must be one of a, b"),
        ({"pattern": "^a"}, "b", (), "does not have the required format"),
        ({"pattern": "^a", "x-form": "an a"}, "b", (), "must be an a"),
        ({"minimum": 1}, 0, (), "must be at least 1 (it is 0)"),
        ({"exclusiveMinimum": 0}, 0, (), "must be more than 0 (it is 0)"),
        ({"exclusiveMaximum": 1}, 1, (), "must be less than 1 (it is 1)"),
        ({"const": 1}, "secret", (), "breaks the rule 'const'"),
        ({"type": ["array", "null"]}, {}, (), "must be an array or null, not an object"),
        ({"type": "string", "writeOnly": True}, 12345678, (), "must be a text, not a number"),
        ({"type": "string"}, object(), (), "must be a text, not a Python object"),
        ({"items": {"required": ["a"]}}, [{}], (0, "a"), "is required"),
    ],
)
def test_the_message_of_a_problem(
    schema: Any, value: Any, path: tuple[Any, ...], message: str
) -> None:
    assert [found[:2] for found in Validator(schema).problems(value)] == [(path, message)]


def test_problems_are_in_the_order_of_the_value() -> None:
    schema = {"items": {"type": "integer"}}
    found = Validator(schema).problems(["x"] * 12)
    assert [problem.path for problem in found] == [(index,) for index in range(12)]


def test_no_reference_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(self: object, address: object) -> None:
        asked.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    validator = Validator({"$ref": "http://127.0.0.1:9/x.schema.json"})
    # Without our registry jsonschema warns, and then asks: the warning must not hide the asking.
    warnings.simplefilter("ignore")
    with pytest.raises(Exception, match="Unresolvable"):
        validator.problems({})
    assert asked == []


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("temprature", ["temperature", "topP"], "; did you mean 'temperature'?"),
        ("MODEL", ["model"], "; did you mean 'model'?"),
        ("zzz", ["model"], ""),
        ("x", [], ""),
    ],
)
def test_nearest(name: str, known: list[str], text: str) -> None:
    assert nearest(name, known) == text


def test_a_valid_value_needs_no_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    validator = VALIDATORS["createImage"]
    monkeypatch.setattr(validator, "explain", None)  # calling it would fail
    assert validator.problems({"prompt": "A boat", "numImages": 2}) == []


# What it costs


def fan(depth: int, width: int, keyword: str, last: Any) -> dict[str, Any]:
    """A chain of schemas, each of which refers to the next `width` times by one keyword."""
    definitions: dict[str, Any] = {f"s{depth}": last}
    for level in range(depth):
        next_ = [{"$ref": f"#/$defs/s{level + 1}"} for _ in range(width)]
        if keyword == "properties":
            definitions[f"s{level}"] = {"properties": dict(zip("abcde", next_, strict=False))}
        elif keyword == "properties within options":
            options = [{"properties": {"a": reference}} for reference in next_]
            definitions[f"s{level}"] = {"anyOf": options}
        else:
            definitions[f"s{level}"] = {keyword: next_}
    return {"$ref": "#/$defs/s0", "$defs": definitions}


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("keyword", ["properties", "anyOf", "properties within options"])
@pytest.mark.parametrize("width", [2, 5])
@pytest.mark.parametrize("wrong", [True, False])
def test_schemas_that_refer_to_the_same_others_again_and_again(
    keyword: str, width: int, wrong: bool
) -> None:
    """Written inline these would be millions of schemas."""
    last = {"type": "object", "required": ["x"]} if wrong else {"type": "object"}
    counts = []
    for depth in (20, 40):
        validator = Validator(fan(depth, width, keyword, last))
        value = nested(depth)

        def check(validator: Validator = validator, value: Any = value) -> None:
            for _ in range(3):
                assert bool(validator.problems(value)) == wrong

        counts.append(work.calls(check, most=200_000))
    assert counts[1] < 2.5 * counts[0]


@pytest.mark.slow
@pytest.mark.parametrize("keyword", ["allOf", "oneOf", "anyOf"])
def test_jsonschema_stops_after_so_many_steps(keyword: str) -> None:
    schema = fan(8, 5, keyword, {"type": "string", "const": "a"})
    (found,) = Validator(schema).explain({})
    assert found == Problem((), "takes too many steps to compare with its schema")
    small = Validator(fan(3, 5, keyword, {"type": "string", "const": "a"}))
    assert "too many steps" not in small.explain({})[0].message


@pytest.mark.slow
def test_a_large_value_may_take_many_steps() -> None:
    validator = Validator({"items": {"not": {"const": 1}, "allOf": [{"minimum": 0}] * 30}})
    assert validator.problems([2] * 3000) == []
    assert [found.path for found in validator.problems([2] * 3000 + [1])] == [(3000,)]


@pytest.mark.parametrize(
    "options",
    [
        [{"properties": {"a": {"$ref": "#/$defs/node"}}, "required": [key]} for key in "xy"],
        [{"properties": {"a": {"$ref": "#/$defs/node"}}}, {"type": "null"}],
        [{"$ref": "#/$defs/other"}, {"items": {"$ref": "#/$defs/node"}, "type": "array"}],
    ],
)
def test_a_schema_that_refers_to_itself_by_its_options(options: list[Any]) -> None:
    other = {"properties": {"a": {"$ref": "#/$defs/node"}}, "type": "object", "required": ["x"]}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": {"anyOf": options}, "other": other}}
    validator = Validator(schema)
    for value in (nested(20), [nested(10)], None, {"a": {"a": 1}, "x": 1}):

        def check(value: Any = value) -> Any:
            return validator.problems(value), validator.problems(value), validator.problems(value)

        assert work.calls(check, most=100_000)
        first, second, third = check()
        assert first == second == third
    small: Any = {"a": {"a": {}, "x": 1}, "x": 1}
    assert validator.problems(small) == validator.explain(small)


@pytest.mark.slow
def test_a_reference_next_to_properties_does_not_double_the_work_at_each_level() -> None:
    reference = {"$ref": "#/$defs/node"}
    both = {**reference, "properties": {"a": {"$ref": "#/$defs/both"}}}
    definitions = {"both": both, "node": {"properties": {"a": {"$ref": "#/$defs/both"}}}}
    validator = Validator({"$ref": "#/$defs/both", "$defs": definitions})
    for _ in range(2):  # searched, then compiled
        assert work.calls(lambda: validator.problems(nested(40)), most=1_000_000)
    (found,) = validator.problems(nested(40))
    assert found.message == "takes too many steps to compare with its schema"
    assert validator.problems(nested(3)) == []


def test_a_cyclic_schema_ends() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}
    validator = Validator(schema)
    for _ in range(3):
        (found,) = validator.problems({})
        assert "leads back to itself" in found.message


@given(anything)
@example([1, True])
@example([1, 1.0])
@example([{"a": [1]}, {"a": [True]}])
@example([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}])
def test_unique_items_are_those_of_jsonschema(value: Any) -> None:
    assume(_is_json(value))
    schema = {"uniqueItems": True}
    assert (not Validator(schema).explain(value)) == jsonschema_rs.validator_for(schema).is_valid(
        value
    )


def test_unique_items_are_found_without_comparing_each_with_each() -> None:
    validator = Validator({"uniqueItems": True})
    validator.explain([])

    def check(count: int) -> int:
        value = [{"a": [n], "b": "x"} for n in range(count)]
        assert not validator.explain(value)
        return work.calls(lambda: validator.explain(value))

    assert check(2000) < 2.5 * check(1000)


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("createChatCompletion", lambda count: {f"modle{n}": 1 for n in range(count)}),
        ("rawRequest", lambda count: {"fileData": [{"kye": "a", "x": 1}] * count}),
    ],
    ids=["of the payload", "of many objects"],
)
def test_only_the_first_unknown_names_get_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, action: str, inputs: Any
) -> None:
    """All of them are listed."""
    import difflib

    compared: list[object] = []
    original = difflib.get_close_matches

    def compare(*arguments: Any, **named: Any) -> list[str]:
        compared.append(arguments)
        return original(*arguments, **named)

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    result = CONNECTOR.invoke(action, inputs(500), {"fields": {"apiKey": "sk-0123456789"}})
    assert result.error is not None
    assert result.error.details is not None
    messages = [row["message"] for row in result.error.details]
    assert sum(message.startswith("is not known here") for message in messages) >= 500
    assert len(compared) <= 20  # ten of the inputs, ten of what lies in them
    assert any("did you mean" in message for message in messages)


def test_a_long_name_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    import difflib

    monkeypatch.setattr(difflib, "get_close_matches", None)  # calling it would fail
    assert nearest("model" * 1000, ["model"]) == ""


def test_there_are_ten_suggestions_at_most() -> None:
    suggested = suggester()
    found = [suggested("modle", ["model"]) for _ in range(12)]
    assert found == ["; did you mean 'model'?"] * 10 + [""] * 2


@pytest.mark.slow
def test_a_long_conversation_that_is_refused_is_searched_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """jsonschema takes ten times as long and much more memory."""
    monkeypatch.setattr(Validator, "explain", None)
    form = Connector.load().catalog.form("createChatCompletion")
    messages = [{"role": "x"}] * 30_000
    assert len(form.clean({"messages": messages}).problems) >= 30_000
