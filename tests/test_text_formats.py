"""JSON and YAML: what is accepted, what is refused, and how much work that takes."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, reject
from hypothesis import strategies as st

from connector.doors.cli import terminal
from connector.files import resources
from connector.text import safe_yaml, strict_json
from tests.support.work import Counted, assert_linear

pytestmark = pytest.mark.core

MEBIBYTE = 1 << 20


def refusal(read: Callable[[Any], Any], text: Any) -> str | None:
    """Return the sentence of a refusal, None where there was none."""
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return None


# JSON

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(json_values)
def test_json_comes_back_as_it_went(value: Any) -> None:
    data = strict_json.dumps(value)
    assert strict_json.loads(data) == strict_json.loads(data.decode(), unique=True) == value
    assert strict_json.loads(b"\xef\xbb\xbf" + data) == value
    assert json.loads(data) == value
    assert strict_json.loads(terminal.encode_json(value, indent=2)) == value


@given(st.binary(max_size=40) | st.text(alphabet='[]{}":,0123456789eE-.\\u true', max_size=40))
def test_json_reads_or_refuses_anything(text: str | bytes) -> None:
    try:
        value = strict_json.loads(text, unique=True)
    except ValueError:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("1e999", "a number is too large"),
        ("-1e999", "a number is too large"),
        ("1" * 5000, "an integer has too many digits"),
        ("[" * 501 + "]" * 501, "nested too deeply"),
        ('{"a":' * 501 + "1" + "}" * 501, "nested too deeply"),
        ("", "Expecting value at line 1, column 1"),
        ("[1,]", None),
        ("{'a': 1}", None),
        ('"a\nb"', None),
        ("[1] 2", "Extra data at line 1, column 5"),
        (b"\xff", "not UTF-8 at byte 0"),
        ('{"secret":"s3cr3t" x}', None),
    ],
)
def test_json_that_is_refused(text: str | bytes, message: str | None) -> None:
    for unique in (False, True):
        found = refusal(functools.partial(strict_json.loads, unique=unique), text)
        assert found is not None
        assert message is None or found == message
        assert "s3cr3t" not in found


def test_json_nesting_has_a_limit_that_is_reached() -> None:
    text = "[" * 200 + "]" * 200
    assert strict_json.dumps(strict_json.loads(text)) == text.encode()
    many = strict_json.loads("[" + ",".join(["[]"] * 2000) + "]")  # many brackets, no depth
    assert len(many) == 2000


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "a": 1}}]'])
def test_duplicated_json_keys(text: str) -> None:
    assert strict_json.loads(text) is not None
    assert refusal(lambda t: strict_json.loads(t, unique=True), text) == (
        "the key 'a' is duplicated in one object"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * MEBIBYTE,
        '{"a":' * (MEBIBYTE // 5),
        "[" + "1," * (MEBIBYTE // 2),
        '"' + "\\" * MEBIBYTE,
        "9" * MEBIBYTE,
        "0." + "9" * MEBIBYTE + "x",
    ],
    ids=["arrays", "objects", "numbers", "backslashes", "digits", "fraction"],
)
def test_json_of_a_mebibyte_is_refused(text: str) -> None:
    assert refusal(lambda t: strict_json.loads(t, unique=True), text)


def test_finding_a_duplicate_key_takes_linear_work() -> None:
    def keys(number: int) -> list[tuple[str, int]]:
        return [(Counted(f"k{n}"), 0) for n in [*range(number), number - 1]]

    read: Callable[..., Any] | None = strict_json._strict.object_pairs_hook
    assert read is not None
    with pytest.raises(ValueError, match="the key of 4 characters is duplicated"):
        read(keys(500))
    assert_linear(read, keys, 500)


def test_measuring_the_depth_takes_linear_work() -> None:
    assert_linear(strict_json.loads, lambda number: "[" + "[[]]," * number + "0]", 500)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, [-math.inf], "\ud800", {"\udfff": 1}, {1, 2}, b"a", {(1,): 1}],
    ids=repr,
)
def test_what_is_not_json_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json.dumps(value)


def test_a_cyclic_value_is_not_written() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match=r"."):
        strict_json.dumps(value)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="not JSON"):
        strict_json.dumps(deep)
    while deep:  # taken apart here: freeing it at once would recurse
        deep = deep[0]


def test_json_surrogates() -> None:
    assert strict_json.loads(r'"\ud83d\ude00"') == "😀"
    lone = strict_json.loads(r'"\ud800"')
    assert json.loads(terminal.encode_json(lone)) == lone


# YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("a:", {"a": None}),
        ("NULL", "NULL"),
        ("3.10", "3.10"),
        ("3.1", 3.1),
        ("1.0", 1.0),
        ("0.50", "0.50"),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("1e999", "1e999"),
        (".5", ".5"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("42", 42),
        ("-7", -7),
        ("0", 0),
        ("007", "007"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("99999999999999999999999", "99999999999999999999999"),
        ("2024-10-21", "2024-10-21"),
        ("2024-10-21T10:00:00Z", "2024-10-21T10:00:00Z"),
        ("=", "="),
        ("'true'", "true"),
        ('"1"', "1"),
        ("|\n  1\n", "1\n"),
        ("{a: 1, 2: b, true: c, 1.10: d}", {"a": 1, "2": "b", "true": "c", "1.10": "d"}),
        ("- 1\n- [a, {b: c}]\n", [1, ["a", {"b": "c"}]]),
        ('{"a": [1, 2.5, true, null, "\\u00e9"]}', {"a": [1, 2.5, True, None, "é"]}),
        ("# only a comment\n", None),
        ("'<<': 1", {"<<": 1}),
    ],
)
def test_a_yaml_scalar_is_what_it_looks_like(text: str, value: Any) -> None:
    found = safe_yaml.loads(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x", "line 2: aliases are not allowed: write the value out"),
        ("&x a: 1\n*x : 2", "line 2: aliases are not allowed: write the value out"),
        (
            "- &a [x]\n- &b [*a, *a]\n- [*b, *b]",
            "line 2: aliases are not allowed: write the value out",
        ),
        ("a: 1\na: 2", "line 2: the key 'a' is duplicated"),
        ("'1': a\n1: b", "line 2: the key '1' is duplicated"),
        ("x:\n  a: 1\n  b: 2\n  a: 3", "line 4: the key 'a' is duplicated"),
        ("a: !!python/object/apply:os.system [id]", "line 1: the tag "),
        ("a: !!str 5", "line 1: the tag "),
        ("!!set {a, b}", "line 1: the tag "),
        ("- !x y", "line 1: the tag "),
        ("!!str a: 1", "line 1: the tag "),
        ("a: !!binary aGk=", "line 1: the tag "),
        ("<<: {a: 1}", "line 1: a key must be text"),
        ("a: {<<: {b: 1}}", "line 1: a key must be text"),
        ("[a]: 1", "line 1: a key must be text"),
        ("? {a: 1}\n: 2", "line 1: a key must be text"),
        ("a: 1\n---\nb: 2", "line 2: there is a second document"),
        ("a: 'b", "line 1: "),
        ("a:\n\t- b", "line 2: "),
        ("a: b: c", "line 1: "),
        ("\x00", ""),
        ("\ud800", ""),
        ("a: 1\n  b: 2\n c", "line 2: "),
        ("[" * 102 + "]" * 102, "line 1: nested too deeply"),
        ("".join(" " * n + "a:\n" for n in range(200)), "line 102: nested too deeply"),
    ],
)
def test_yaml_that_is_refused(text: str, message: str) -> None:
    found = refusal(safe_yaml.loads, text)
    assert found is not None
    assert found.startswith(message)


@pytest.mark.parametrize(
    "unit",
    ["[", "{a: ", "- ", "-  ", "? ", "? - ", "-\t", "[{a: ", "? [", "!x [", "&a [", '"', "a: [\n"],
)
def test_endlessly_nested_yaml_is_refused_early(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these nests, or never ends; deep nesting has overrun the C parser's stack."""
    events = parsed(monkeypatch)
    assert refusal(safe_yaml.loads, unit * (MEBIBYTE // len(unit)))
    assert len(events) < 300


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[yaml.Event]:
    """Return a list of the events that the YAML parser will have given; their texts are counted."""
    events: list[yaml.Event] = []
    original = yaml.parse

    def parse(text: str, Loader: Any) -> Iterator[yaml.Event]:
        for event in original(text, Loader=Loader):
            if isinstance(event, yaml.ScalarEvent):
                event.value = Counted(event.value)
            events.append(event)
            yield event

    monkeypatch.setattr(yaml, "parse", parse)
    return events


@pytest.mark.parametrize(
    "make",
    [
        lambda number: "".join(f"k{n}: {n}\n" for n in range(number)),
        lambda number: "[" + "a, " * number + "]",
        lambda number: "[" + "[a], " * number + "]",
        lambda number: "- {a: b}\n" * number,
    ],
    ids=["keys", "items", "lists", "objects"],
)
def test_reading_yaml_takes_linear_work(
    make: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parsed(monkeypatch) == []
    assert_linear(safe_yaml.loads, make, 500)


@pytest.mark.parametrize(
    "text", ["a: " + "x" * (MEBIBYTE - 3), "#" * MEBIBYTE], ids=["text", "comment"]
)
def test_yaml_of_a_mebibyte_is_read(text: str) -> None:
    assert refusal(safe_yaml.loads, text) is None


def test_more_than_a_mebibyte_of_yaml_is_refused() -> None:
    assert refusal(safe_yaml.loads, " " * (MEBIBYTE + 1)) == "larger than 1048576 bytes"


def test_the_manifest_needs_no_c_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    text = resources.manifest().read_text(encoding="utf-8")
    fast = safe_yaml.loads(text)
    monkeypatch.setattr(safe_yaml, "_Loader", yaml.SafeLoader)
    assert safe_yaml.loads(text) == fast


def test_yaml_knows_the_line_of_each_value() -> None:
    lines: dict[str, int] = {}
    safe_yaml.loads("a:\n  - x\n  - b: 1\nc: {d: 2}\n", lines)
    assert lines == {"": 1, "/a": 2, "/a/0": 2, "/a/1": 3, "/a/1/b": 3, "/c": 4, "/c/d": 4}


@given(st.text(max_size=40) | st.text(alphabet="-?:[]{},&*!|>'\"%@` \n\tab1<", max_size=40))
def test_yaml_reads_or_refuses_anything(text: str) -> None:
    try:
        value = safe_yaml.loads(text)
    except ValueError:
        return
    strict_json.dumps(value)  # data only


@given(json_values.filter(lambda value: len(json.dumps(value)) < 800))
def test_json_is_yaml(value: Any) -> None:
    text = json.dumps(value)  # escaped: to YAML, some other characters are line breaks
    try:
        found = safe_yaml.loads(text)
    except ValueError:
        reject()  # a surrogate pair, which YAML writes in one escape
    assert _texts(found) == _texts(value)


def _texts(value: Any) -> Any:
    """Numbers as texts: YAML leaves those that it would not write back alone."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return value
