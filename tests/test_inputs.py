"""Cleaning: tables of what builders send, and properties of anything that they may send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Connector
from connector.manifest.model import ABSENT, Input
from connector.problems import pointer, shown_name
from connector.sandbox import Sandbox
from connector.validation.form import Cleaned, Form

pytestmark = pytest.mark.core

CONNECTOR = Connector.load()
FORMS = {key: CONNECTOR.catalog.form(key) for key in CONNECTOR.manifest.actions}
SECRET = "do-not-show-me-4711"


def made(schema: Mapping[str, Any], **form_side: Any) -> Form:
    """A form of one input `x`."""
    values: dict[str, Any] = {
        "key": "x",
        "label": "X",
        "comments": "",
        "schema": schema,
        "control": "text",
        "required": False,
        "default": ABSENT,
        "secret": False,
        "advanced": False,
        "data_source": None,
    }
    return Form("T", "/inputs", (Input(**{**values, **form_side}),), lambda name: {})


def messages(cleaned: Cleaned) -> list[str]:
    return [row["message"] for row in cleaned.problems]


NUMBER, INTEGER, BOOLEAN = {"type": "number"}, {"type": "integer"}, {"type": "boolean"}
ARRAY, OBJECT = {"type": "array"}, {"type": "object"}


@pytest.mark.parametrize(
    ("schema", "value", "wanted"),
    [
        (NUMBER, "0.2", 0.2),
        (NUMBER, " 7 ", 7),
        (NUMBER, "-1.5e3", -1500.0),
        (NUMBER, "+.5", 0.5),
        (NUMBER, "1.", 1.0),
        (NUMBER, 0, 0),
        (NUMBER, "0", 0),
        (NUMBER, 0.0, 0.0),
        (INTEGER, "12", 12),
        (INTEGER, "12.0", 12),
        (INTEGER, "1e2", 100),
        (INTEGER, 12.0, 12),
        (INTEGER, "9007199254740993", 9007199254740993),
        (INTEGER, "-0", 0),
        (BOOLEAN, "true", True),
        (BOOLEAN, " FALSE ", False),
        (BOOLEAN, False, False),
        (ARRAY, "[1, null]", [1, None]),
        (ARRAY, "[]", []),
        (OBJECT, '{"a": {"b": 1.5}}', {"a": {"b": 1.5}}),
        ({"type": "string"}, "0", "0"),
        ({"type": "string"}, "", ""),
        ({"type": ["string", "object"]}, '{"a": 1}', '{"a": 1}'),
        ({"type": ["number", "boolean"]}, "true", True),
        ({"type": ["number", "boolean"]}, "3", 3),
        ({"type": ["integer", "array"]}, "[3]", [3]),
        ({"type": ["array", "null"]}, "null", None),
    ],
)
def test_a_value_becomes_what_the_schema_wants(schema: Any, value: Any, wanted: Any) -> None:
    cleaned = made(schema).clean({"x": value})
    assert cleaned.problems == []
    assert cleaned.values == {"x": wanted}
    assert type(cleaned.values["x"]) is type(wanted)


NO_COMMA = " (write a point for decimals, and no comma)"


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (NUMBER, "1,5", f"must be a number, not a text{NO_COMMA}"),
        (INTEGER, "1,000", f"must be a whole number, not a text{NO_COMMA}"),
        ({"type": ["string", "number"]}, "1,5", None),
        (NUMBER, "0x10", "must be a number, not a text"),
        (NUMBER, "1_000", "must be a number, not a text"),
        (NUMBER, "٣", "must be a number, not a text"),
        (NUMBER, "nan", "must be a number, not a text"),
        (NUMBER, float("nan"), "must be a number, not NaN or infinite"),
        (NUMBER, "1e999", "must be a number, not NaN or infinite"),
        (NUMBER, True, "must be a number, not true or false"),
        (INTEGER, "1.5", "must be a whole number, not 1.5"),
        (INTEGER, 2**70, None),
        ({"type": "integer", "maximum": 9}, 2**70, "must be at most 9 (it is a number of 71 bits)"),
        (BOOLEAN, "yes", "must be true or false, not a text"),
        (BOOLEAN, 1, "must be true or false, not 1"),
        (ARRAY, "a, b", "is not JSON (Expecting value at line 1, column 1)"),
        (ARRAY, '{"a": 1}', "must be an array, not an object"),
        (OBJECT, '{"a": 1, "a": 2}', "is not JSON (the key 'a' is duplicated in one object)"),
        (OBJECT, "[" * 100_000, "is not JSON (nested too deeply)"),
        (OBJECT, '{"a": NaN}', "is not JSON (NaN is not JSON)"),
        (ARRAY, ("a",), "must be an array, not a Python tuple"),
        ({"type": "string"}, 5, "must be a text, not 5"),
    ],
)
def test_what_cannot_be_converted_is_explained(schema: Any, value: Any, message: Any) -> None:
    assert messages(made(schema).clean({"x": value})) == ([message] if message else [])


def test_an_integer_with_too_many_digits_for_python_is_refused() -> None:
    cleaned = made({"type": "integer", "maximum": 9}).clean({"x": 10**5000})
    (message,) = messages(cleaned)
    assert message == "must be at most 9 (it is a number of 16610 bits)"


@pytest.mark.parametrize(
    ("schema", "takes_default"),
    [
        ({"type": "string", "minLength": 1}, True),
        ({"type": "string", "enum": ["a", "b"]}, True),
        ({"type": "string", "pattern": "^a+$"}, True),
        ({"type": ["string", "array"], "minLength": 1}, True),
        (NUMBER, True),
        (OBJECT, True),
        ({"type": "string"}, False),
        ({"type": "string", "enum": ["", "a"]}, False),
        ({"type": "string", "pattern": "^a*$"}, False),
    ],
)
def test_a_blank_is_the_default_unless_the_schema_wants_it(
    schema: Any, takes_default: bool
) -> None:
    cleaned = made(schema, default="a").clean({"x": ""})
    assert cleaned.values == {"x": "a" if takes_default else ""}
    assert cleaned.defaulted == ({"x"} if takes_default else set())


@pytest.mark.parametrize(
    ("schema", "default", "value", "is_default"),
    [
        ({"type": "string"}, "a", "a", True),
        ({"type": "string"}, "a", "A", False),
        ({"type": "string"}, "a", " a", False),
        (NUMBER, 1, "1.0", True),
        (NUMBER, 1, True, False),
        (BOOLEAN, True, "TRUE", True),
        (BOOLEAN, True, 1, False),
        (BOOLEAN, False, 0, False),
        (ARRAY, [{"a": 1}], '[{"a": 1}]', True),
        (ARRAY, [{"a": 1}], [{"a": 2}], False),
        (OBJECT, {"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
    ],
)
def test_a_value_equal_to_the_default_counts_as_defaulted(
    schema: Any, default: Any, value: Any, is_default: bool
) -> None:
    cleaned = made(schema, default=default).clean({"x": value})
    assert cleaned.defaulted == ({"x"} if is_default else set())


@pytest.mark.parametrize("given_", [{}, {"x": None}, {"x": ""}])
def test_a_required_input_without_a_default_must_be_given(given_: dict[str, Any]) -> None:
    cleaned = made({"type": "string", "minLength": 1}, required=True).clean(given_)
    assert cleaned.problems == [{"path": "/inputs/x", "input": "X", "message": "is required"}]


def test_a_default_is_copied_for_each_caller() -> None:
    form = made(ARRAY, default=[{"a": 1}])
    form.clean({}).values["x"][0]["a"] = 2
    assert form.clean({}).values == {"x": [{"a": 1}]}


@pytest.mark.parametrize(
    "value",
    [
        [{"key": "a", "value": "1"}, {"key": "b", "value": 2}],
        {"a": "1", "b": 2},
        '[{"key": "a", "value": "1"}, {"key": "b", "value": 2}]',
        '{"a": "1", "b": 2}',
    ],
)
def test_key_value_lists_have_two_forms_and_two_spellings(value: Any) -> None:
    form = made({"type": ["array", "object"]}, control="keyValueList")
    pairs = [{"key": "a", "value": "1"}, {"key": "b", "value": 2}]
    assert form.clean({"x": value}).values == {"x": pairs}


KNOWN = [*FORMS["createChatCompletion"].schema["properties"], "connection"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("temprature", "is not known here; did you mean 'temperature'?"),
        ("TOPP", "is not known here; did you mean 'topP'?"),
        ("top_p", "is not known here; did you mean 'topP'?"),
        ("xyzzy", f"is not known here; known: {', '.join(KNOWN)}"),
    ],
)
def test_unknown_inputs_are_refused_with_the_nearest_name(name: str, message: str) -> None:
    cleaned = FORMS["createChatCompletion"].clean({name: None})
    assert cleaned.problems == [{"path": f"/inputs/{name}", "message": message}]


def test_paths_are_json_pointers() -> None:
    assert made(OBJECT).clean({"a/b~c": 1}).problems[0]["path"] == "/inputs/a~1b~0c"


def test_a_long_name_is_replaced_by_its_length() -> None:
    """A cut name could show half a key, which would not be recognised and masked."""
    (row,) = FORMS["createChatCompletion"].clean({"x" * 101: 1}).problems
    assert row["path"] == "/inputs/(101 characters)"
    (row,) = FORMS["createChatCompletion"].clean({"x" * 100: 1}).problems
    assert row["path"] == "/inputs/" + "x" * 100


def test_a_long_pointer_is_cut_between_two_names() -> None:
    path = pointer(*["x" * 90] * 1000)
    assert path == "/" + "/".join(["x" * 90] * 6) + "/…"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("maxTokens", True),
        ("max tokens", True),
        ("Content-Type", True),
        ("x2", True),
        ("prénom", True),
        ("", False),
        ("a" * 25, False),
        ("abc123", False),
        ("sk-abc/def", False),
        ("a\nb", False),
    ],
)
def test_a_name_is_quoted_if_it_cannot_be_a_key(name: str, plain: bool) -> None:
    assert shown_name(name) == (repr(name) if plain else f"of {len(name)} characters")


def test_problems_are_in_the_order_of_the_form_after_unknown_names() -> None:
    given_ = {"topP": 9, "nothing": 1, "temperature": 9, "messages": 1, "model": 1, "else": 1}
    paths = [row["path"] for row in FORMS["createChatCompletion"].clean(given_).problems]
    assert paths == [
        f"/inputs/{key}" for key in ("nothing", "else", "model", "messages", "temperature", "topP")
    ]


def test_a_number_of_many_digits_is_still_exact() -> None:
    form = made({"type": "integer"})
    assert form.clean({"x": "9" * 80}).values == {"x": int("9" * 80)}
    assert form.clean({"x": "9" * 81}).problems


def test_the_given_inputs_are_not_changed() -> None:
    given_ = {"messages": [{"role": "user", "content": "Hi"}], "temperature": "0"}
    before = json.dumps(given_)
    FORMS["createChatCompletion"].clean(given_)
    assert json.dumps(given_) == before


@pytest.mark.parametrize(
    "value", [123456789, 1234.5678, [SECRET], {SECRET: 1}, f"{SECRET}\n", SECRET * 999]
)
def test_a_secret_never_shows_in_a_problem(value: Any) -> None:
    result = CONNECTOR.invoke("createChatCompletion", {}, {"fields": {"apiKey": value}})
    shown = json.dumps(result.to_dict()) + repr(result) + str(result.error)
    assert result.error is not None
    assert result.error.code == "invalid_connection"
    assert not any(secret in shown for secret in (SECRET, "123456789", "1234.5678"))


# Properties

scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
likely = (
    values
    | st.sampled_from(["", "0", "1", "true", "[]", "{}", '["a"]', "GET", "json", "1024x1024"])
    | st.just([{"role": "user", "content": "Hi"}])
    | st.just([{"key": "a", "value": "b"}])
)


def payloads(form: Form) -> st.SearchStrategy[dict[str, Any]]:
    known = list(form.schema["properties"])
    names = st.sampled_from(known) | st.text(max_size=8)
    return st.dictionaries(names, likely, max_size=6)


some_form = st.sampled_from([form for form in FORMS.values() if form.schema["properties"]])
form_and_payload = some_form.flatmap(lambda form: st.tuples(st.just(form), payloads(form)))


@given(form_and_payload)
def test_cleaning_twice_changes_nothing_more(case: tuple[Form, dict[str, Any]]) -> None:
    form, payload = case
    once = form.clean(payload)
    if not once.problems:
        again = form.clean(once.values)
        assert again.problems == []
        assert again.values == once.values


@given(form_and_payload)
def test_every_problem_has_a_path_and_a_message(case: tuple[Form, dict[str, Any]]) -> None:
    form, payload = case
    cleaned = form.clean(payload)
    for row in cleaned.problems:
        assert row["path"] == "/inputs" or row["path"].startswith("/inputs/")
        assert row["message"]
    quoted = {row["path"].split("/")[2] for row in cleaned.problems if row["path"] != "/inputs"}
    unknown = {key for key in payload if key not in form.schema["properties"]}
    assert {key.replace("~", "~0").replace("/", "~1") for key in unknown} <= quoted
    if not cleaned.problems:
        assert set(cleaned.values) <= set(form.schema["properties"])


@given(some_form, st.sampled_from([0, False, 0.0]))
def test_zero_and_false_are_kept(form: Form, value: Any) -> None:
    for key, fragment in form.schema["properties"].items():
        if fragment.get("type") in ("number", "integer", "boolean"):
            cleaned = form.clean({key: value})
            assert cleaned.values[key] == value
            default = fragment.get("default")
            equal = default == value and isinstance(default, bool) == isinstance(value, bool)
            assert (key in cleaned.defaulted) == equal


typed = st.one_of(
    st.tuples(st.just(NUMBER), st.integers(-(10**30), 10**30) | st.floats(allow_nan=False)),
    st.tuples(st.just(INTEGER), st.integers(-(10**30), 10**30)),
    st.tuples(st.just(BOOLEAN), st.booleans()),
    st.tuples(st.just(ARRAY), st.lists(st.none() | st.integers() | st.text(), max_size=4)),
    st.tuples(st.just(OBJECT), st.dictionaries(st.text(), st.integers() | st.text(), max_size=4)),
)


@given(typed)
def test_a_text_means_what_the_typed_value_means(case: tuple[Any, Any]) -> None:
    schema, value = case
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return  # no JSON text has them
    form = made(schema)
    from_text = form.clean({"x": json.dumps(value)})
    assert from_text.problems == []
    assert from_text.values == form.clean({"x": value}).values


@given(form_and_payload.map(lambda case: case[0]), st.text(alphabet="qzj", min_size=9), st.data())
def test_problems_never_quote_a_text(form: Form, word: str, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(list(form.schema["properties"])))
    shape = data.draw(st.sampled_from([word, [word], {"role": word}, [{"role": word}], [[word]]]))
    for row in form.clean({key: shape}).problems:
        assert word not in row["message"]
        assert word not in row["path"]


LONE = "a\ud800"


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("rawRequest", {"method": "GET", "url": f"/v1/{LONE}"}),
        ("rawRequest", {"method": "GET", "queryParams": {"a": LONE}}),
        ("rawRequest", {"method": "POST", "fileData": {LONE: "x"}}),
        ("rawRequest", {"method": "POST", "data": LONE}),
        ("createChatCompletion", {"messages": [{"role": "user", "content": LONE}]}),
        ("createCompletions", {"messages": ["fine", LONE]}),
        ("summarizeText", {"textToSummarize": LONE}),
    ],
)
def test_an_unpaired_surrogate_is_the_inputs_fault(
    connector: Connector, sandbox: Sandbox, action: str, inputs: Any
) -> None:
    result = connector.invoke(action, inputs, sandbox.connection("openai"))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert "unpaired surrogate" in result.error.message
    assert sandbox.requests == []
