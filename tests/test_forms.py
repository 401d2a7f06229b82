"""What form builders read: schemas whose parts stand alone, and comments as plain text.

`tests/integration/test_forms.py` renders them in a browser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from connector import Connector, ConnectorError
from connector.manifest.inlining import inlined
from connector.manifest.model import ABSENT, Input
from connector.manifest.vocabulary import OWN, subschemas
from connector.text import safe_yaml
from connector.text.markdown import plain
from connector.validation.form import Form
from connector.validation.validator import Validator

pytestmark = pytest.mark.core

CONNECTOR = Connector.load()
KINDS = CONNECTOR.manifest.connections
ACTIONS = CONNECTOR.manifest.actions
CASES = Path(__file__).parent / "cases" / "contract"


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    for key in ACTIONS:
        yield key, CONNECTOR.schema(key)
    for key in KINDS:
        yield f"connection {key}", CONNECTOR.schema("connection", kind=key)


def inputs() -> Iterator[Any]:
    """Yield each input and field with its property."""
    rows = [(key, CONNECTOR.schema(key), action.inputs) for key, action in ACTIONS.items()]
    for key, kind in KINDS.items():
        rows.append((key, CONNECTOR.schema("connection", kind=key), kind.fields))
    for name, schema, items in rows:
        for item in items:
            yield pytest.param(item, schema["properties"][item.key], id=f"{name} {item.key}")


@pytest.mark.parametrize(("item", "schema"), [*inputs()])
def test_a_property_can_be_used_alone(item: Input, schema: dict[str, Any]) -> None:
    assert "$ref" not in json.dumps(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    if item.default is not ABSENT:
        jsonschema.validate(schema["default"], schema)


@pytest.mark.parametrize(("item", "schema"), [*inputs()])
def test_a_property_says_what_a_form_shows(item: Input, schema: dict[str, Any]) -> None:
    assert list(schema)[:2] == ["title", "description"]
    assert schema["title"] == item.label
    assert schema.get("x-comments", schema["description"]) == item.comments
    assert not {"](", "`", "**"} & {*schema["description"].split()}
    assert schema.get("default", ABSENT) == item.default
    assert schema["x-control"] == item.control
    assert schema.get("x-data-source") == item.data_source
    assert schema.get("x-advanced", False) is item.advanced
    assert (schema.get("format") == "password") is item.secret
    assert schema.get("writeOnly", False) is item.secret


@pytest.mark.parametrize(("name", "schema"), [*schemas()])
def test_the_order_of_the_form(name: str, schema: dict[str, Any]) -> None:
    properties = schema["properties"].values()
    assert [item["x-order"] for item in properties] == [*range(len(properties))]


def test_no_schema_offers_a_choice_of_required_keys() -> None:
    """Form libraries show it as a dropdown of empty forms."""
    outputs = [(key, CONNECTOR.output_schema(key)) for key in ACTIONS]
    for name, schema in [*schemas(), *outputs]:
        for _, part in subschemas(schema):
            options = [*part.get("anyOf", ()), *part.get("oneOf", ())]
            assert not any(option.keys() == {"required"} for option in options), name


def test_every_connection_kind_has_its_schema() -> None:
    assert CONNECTOR.schema("connection") == CONNECTOR.schema("connection", kind=next(iter(KINDS)))
    with pytest.raises(ConnectorError, match="is not a kind of connection") as caught:
        CONNECTOR.schema("connection", kind="magic")
    assert caught.value.code == "invalid_connection"


# The schema and the runtime agree


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every action and inputs of the contract's cases and of the manifest's examples."""
    for path in sorted(CASES.glob("*.yaml")):
        for case in safe_yaml.loads(path.read_text(encoding="utf-8")):
            if case.get("action") in ACTIONS and isinstance(case.get("inputs"), dict):
                yield case["action"], case["inputs"]
    for key, action in ACTIONS.items():
        yield from ((key, example["inputs"]) for example in action.examples)


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Ask a validator that reads patterns as browsers do."""
    return jsonschema_rs.Draft202012Validator({**schema}).is_valid(value)


def test_the_schema_and_the_runtime_agree() -> None:
    """On inputs as they are, where the schema accepts them, and on what cleaning makes of them."""
    seen = {True: 0, False: 0}
    for key, given in cases():
        schema = CONNECTOR.schema(key)
        cleaned = CONNECTOR.catalog.form(key).clean(given)
        unknown = {name: value for name, value in given.items() if name not in schema["properties"]}
        # A text that is no JSON has no value that a schema could refuse.
        of_schema = [row for row in cleaned.problems if "is not JSON" not in row["message"]]
        valid = fits(schema, {**cleaned.values, **unknown})
        assert valid is (of_schema == []), (key, given, cleaned.problems)
        assert valid or not fits(schema, given), (key, given)
        seen[valid] += 1
    assert seen[True] > 50
    assert seen[False] > 10


# The document


def test_the_document_explains_every_keyword_and_control() -> None:
    root = Path(__file__).parent.parent
    text = (root / "docs" / "forms.md").read_text(encoding="utf-8")
    manifest = json.loads((root / "schemas" / "manifest.schema.json").read_text(encoding="utf-8"))
    controls = manifest["$defs"]["input"]["properties"]["control"]["enum"]
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    keywords = {row.partition(":")[0] for row in rows}
    assert (OWN - {"x-form"}) | {*controls} <= keywords


# References


def test_references_are_replaced_beside_other_keywords() -> None:
    one = {"title": "One", "type": "string", "minLength": 2}
    schema = {
        "properties": {
            "a": {"$ref": "#/$defs/one"},
            "b": {"$ref": "#/$defs/one", "title": "B", "default": "$ref"},
            "c": {"$ref": "#/$defs/one", "maxLength": 3, "allOf": [{"pattern": "x"}]},
            "d": {"items": [], "enum": [{"$ref": "#/$defs/one"}]},
            "e": {"$ref": "#/$defs/no"},
            "$ref": {"$ref": "#/$defs/two"},
        },
        "$defs": {"one": one, "no": False, "two": {"items": {"$ref": "#/$defs/one"}}},
    }
    assert inlined(schema)["properties"] == {
        "a": one,
        "b": {**one, "title": "B", "default": "$ref"},
        "c": {"maxLength": 3, "allOf": [{"pattern": "x"}, one]},
        "d": {"items": [], "enum": [{"$ref": "#/$defs/one"}]},
        "e": {"allOf": [False]},
        "$ref": {"items": one},
    }
    assert "$defs" not in inlined(schema)


def test_what_leads_back_to_itself_stays_in_the_definitions() -> None:
    tree = {
        "type": "object",
        "properties": {"name": {"$ref": "#/$defs/name"}, "leaves": {"$ref": "#/$defs/leaves"}},
    }
    schema = {
        "properties": {"tree": {"$ref": "#/$defs/tree"}, "leaves": {"$ref": "#/$defs/leaves"}},
        "$defs": {
            "tree": tree,
            "leaves": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
            "name": {"type": "string"},
        },
    }
    found = inlined(schema)
    assert set(found["$defs"]) == {"tree"}
    good = {"tree": {"leaves": [{"name": "a", "leaves": []}]}}
    bad = {"tree": {"leaves": [{"leaves": [{"name": 1}]}]}}
    for whole in (schema, found):
        assert [Validator(whole).problems(value) == [] for value in (good, bad)] == [True, False]
        assert [fits(whole, value) for value in (good, bad)] == [True, False]


def test_what_would_grow_without_bound_stays_in_the_definitions() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, 40):
        part = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"properties": {"a": part, "b": part}}
    schema = {"properties": {"x": {"$ref": "#/$defs/d39"}}, "$defs": definitions}
    found = inlined(schema)
    assert len(json.dumps(found)) < 1_000_000
    deep: Any = 1
    for _ in range(39):
        deep = {"a": deep}
    for whole in (schema, found):
        assert len(Validator(whole).problems({"x": deep})) == 1


# Comments as plain text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("Plain.", "Plain."),
        ("A `role` and `` a`b ``.", "A role and a`b."),
        ("See [the **list**](https://example.com/a_b).", "See the list (https://example.com/a_b)."),
        ("See [below](#there) and [the page](page.md).", "See below and the page."),
        ("![Icon](icon.png) <https://example.com>", "Icon https://example.com"),
        ("**Never** *always* ***both***", "Never always both"),
        ("2 * 3 * 4, a*b, key1=value1&key2=value2", "2 * 3 * 4, a*b, key1=value1&key2=value2"),
        ("snake_case_name and __init__", "snake_case_name and __init__"),
        (r"not \*bold\*, `\*`", r"not *bold*, \*"),
        ("an [array] (of texts)", "an [array] (of texts)"),
        ("a < b > c", "a < b > c"),
    ],
)
def test_markdown_as_plain_text(markdown: str, text: str) -> None:
    assert plain(markdown) == text


def test_describe_gives_comments_as_markdown_and_as_text() -> None:
    described = CONNECTOR.describe()
    rows = [row for action in described["actions"] for row in action["inputs"]]
    rows += [row for kind in described["connections"] for row in kind["fields"]]
    assert len(rows) > 40
    for row in rows:
        assert row["commentsText"] == plain(row["comments"])
    for action in described["actions"]:
        first, *others = action["inputs"]
        assert (first["key"], first["control"], first["required"]) == ("connection",) * 2 + (True,)
        assert [row["key"] for row in others] == list(CONNECTOR.schema(action["key"])["properties"])


def test_a_form_of_a_kind_is_the_one_that_validates() -> None:
    for key, kind in KINDS.items():
        form = Form(kind.label, "/connection/fields", kind.fields, CONNECTOR.manifest.schemas)
        assert CONNECTOR.schema("connection", kind=key) == form.schema
