"""A secret as a value, and exactly which characters it masks."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest

from connector.text.secrets import MASK, Secret

KEY = "sk-???~>>>~Zb=Xd"
"""A key whose base64 has both marks that base64url writes otherwise, wherever it begins."""

SECRET = Secret(KEY)


class Looked(Exception):
    """Raised by a look at the clock."""


def look() -> None:
    raise Looked


# The value


def test_secrets_are_equal_if_their_values_are() -> None:
    assert Secret("key-number-1") == Secret("key-number-1")
    assert Secret("key-number-1") != Secret("key-number-2")
    assert Secret("key-number-1") != "key-number-1"
    keys = {Secret("key-number-1"): 1, Secret("key-number-2"): 2}
    assert keys[Secret("key-number-2")] == 2
    assert hash(Secret("key-number-1")) != hash(Secret("key-number-2"))


def test_a_secret_shows_as_three_stars_however_it_is_printed() -> None:
    assert [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET:>9}", "%s" % SECRET] == [MASK] * 5  # noqa: UP031
    assert SECRET.reveal() == KEY


def test_pickling_a_secret_raises_an_error_with_the_reason() -> None:
    with pytest.raises(TypeError, match="secret is never pickled"):
        pickle.dumps(SECRET)


@pytest.mark.parametrize("key", ["", "abc", "abcdefg"])
def test_a_key_that_is_not_searched_for_has_no_longest_form(key: str) -> None:
    secret = Secret(key)
    assert secret.longest == 0
    assert secret.scrub(f"{key} &amp; %41", look) == f"{key} &amp; %41"
    assert not secret.is_in(json.dumps([f"{key}%41"]).encode(), look)


def test_the_longest_form_is_counted_in_bytes() -> None:
    key = "ä" * 8
    # Of all its forms the JSON one is longest: six bytes a character.
    assert Secret(key).longest == len(json.dumps(key)) - 2


@pytest.mark.parametrize("text", ["abcdefgh", "ABCDEFGH", "YWJjZGVmZ2g", "%61bcdefgh"])
def test_a_text_that_is_only_the_key_is_masked(text: str) -> None:
    assert Secret("abcdefgh").scrub(text).removesuffix("g") == MASK


# Every form of it, and nothing beside it


def _neighbours_matter(before: int, after: int, altchars: bytes | None) -> tuple[str, str, str]:
    """Return the key in base64 between other bytes: what comes before the characters that depend
    on the key alone, these, and what comes after."""
    first, second = (
        base64.b64encode(byte * before + KEY.encode() + byte * after, altchars).decode()
        for byte in (b"\x00", b"\xff")
    )
    alike = [place for place in range(len(first)) if first[place] == second[place] != "="]
    start, end = alike[0], alike[-1] + 1
    assert alike == list(range(start, end))
    return first[:start], first[start:end], first[end:]


@pytest.mark.parametrize("altchars", [None, b"-_"])
@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(1, 4))
def test_in_base64_all_characters_that_depend_only_on_the_key_are_masked(
    before: int, after: int, altchars: bytes | None
) -> None:
    start, known, end = _neighbours_matter(before, after, altchars)
    for mark in "+/" if altchars is None else "-_":
        assert mark in known, "the key shows nothing"
    assert SECRET.scrub(start + known + end) == start + MASK + end
    assert SECRET.scrub_bytes((start + known + end).encode()) == (start + MASK + end).encode()


@pytest.mark.parametrize(
    ("form", "masked"),
    [
        ('sk-"/"-number-1', MASK),
        ('sk-\\"/\\"-number-1', MASK),
        ('sk-\\"\\/\\"-number-1', MASK),
        ("sk-%22%2F%22-number-1", MASK),
        ("sk-%22%2f%22-number-1", MASK),
        ("sk-%22/%22-number-1", MASK),
        ('sk-"~1"-number-1', MASK),
        ('SK-"/"-NUMBER-1', MASK),
        ('sk-"/"-number-', 'sk-"/"-number-'),
        ('k-"/"-number-1', 'k-"/"-number-1'),
    ],
)
def test_bytes_are_masked_from_the_first_to_the_last_of_the_key(form: str, masked: str) -> None:
    secret = Secret('sk-"/"-number-1')
    assert secret.scrub_bytes(f"<{form}>".encode()) == f"<{masked}>".encode()


@pytest.mark.parametrize(
    ("form", "masked"),
    [
        ("sk~~//number", MASK),
        ("sk~0~0~1~1number", MASK),
        ("sk~0~0//number", "sk~0~0//number"),
        ("sk~~~1~1number", "sk~~~1~1number"),
    ],
)
def test_a_json_pointer_in_bytes_is_masked(form: str, masked: str) -> None:
    assert Secret("sk~~//number").scrub_bytes(f"<{form}>".encode()) == f"<{masked}>".encode()


def test_a_key_that_looks_like_an_escape_is_masked_without_it() -> None:
    """Even where it is then just as long as a key has to be."""
    secret = Secret("%61bcdefgh")
    assert secret.scrub_bytes(b"<abcdefgh>") == b"<***>"
    assert Secret("%61bcdefg").scrub_bytes(b"<abcdefg>") == b"<abcdefg>"


def test_the_text_around_the_key_stays() -> None:
    assert SECRET.scrub(f"a {KEY} b {KEY} c") == f"a {MASK} b {MASK} c"
    assert SECRET.scrub_message(f"a {KEY} b") == f"a {MASK} b"
    hidden = KEY.replace("?", "%3F")
    assert SECRET.scrub(f"a\\u0041 {hidden} 100%25") == f"aA {MASK} 100%"


# A sentence that was cut off


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("abcd", "the key abc", "the key "),
        ("abcd", "the key abcd", f"the key {MASK}"),
        ("abcd", "the key xabcdx", "the key xabcdx"),
        ("abc", "the key ab", "the key ab"),
        ("abcdefgh", "abcdefg", ""),
        ("abcdefgh", "a", ""),
        ("abcdefgh", "the key is not valid", "the key is not valid"),
        ("abcdefgh", "the key %61bc", "the key "),
        ("abcdefgh", "the key %2561bc", "the key "),
        ("abcdefgh", "the key \\u00", "the key "),
        ("abcdefgh", "100%25 of it", "100%25 of it"),
    ],
)
def test_a_sentence_that_was_cut_ends_before_the_key_begins(
    key: str, text: str, shown: str
) -> None:
    assert Secret(key).scrub_beginning(text) == shown


# Looks at the clock: what is not searched takes none


@pytest.mark.parametrize("text", ["%41", "", "a plain text of any length", "*" * 100])
def test_a_text_that_cannot_hide_the_key_does_not_check_the_clock(text: str) -> None:
    assert SECRET.scrub(text, look) is text


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("of any length, but without an escape", False),
        ('with a line break\\n and a quotation mark \\" as any text has', False),
        ("in capitals \\U", False),
        ("100 % of it, at great length", True),
        ("this & that, at great length", True),
        ("an escape \\u0041, at great length", True),
        ("an escape \\x41, at great length", True),
        ("an escape \\/, at great length", True),
        ("an escape \\\\, at great length", True),
    ],
)
def test_a_response_is_searched_for_escapes_that_can_hide_a_key(text: str, looks: bool) -> None:
    data = f'["{text}"]'.encode()
    assert not SECRET.is_in(data)
    if looks:
        with pytest.raises(Looked):
            SECRET.is_in(data, look)
    else:
        assert not SECRET.is_in(data, look)


@pytest.mark.parametrize(("size", "looks"), [(1, 1), (4096, 1), (4097, 2), (8192, 2), (8193, 3)])
def test_a_long_list_checks_the_clock_every_4096_values(size: int, looks: int) -> None:
    counted: list[int] = []

    def count() -> None:
        counted.append(1)

    SECRET.scrub_json([1] * size, count)
    assert len(counted) == 1 + looks  # one for the value as such
    counted.clear()
    SECRET.scrub_json({str(number): 1 for number in range(size)}, count)
    assert len(counted) == 1 + 2 * looks  # once for its keys, once for its values


@pytest.mark.parametrize("value", [{"x" * 20: 1, "%41" * 10: 1}, {"a": {"b": ["%41" * 10]}}])
def test_each_text_takes_its_looks_too(value: Any) -> None:
    counted: list[int] = []
    SECRET.scrub_json(json.loads(json.dumps(value).replace("%41", "-")), lambda: counted.append(1))
    without = len(counted)
    counted.clear()
    SECRET.scrub_json(value, lambda: counted.append(1))
    assert len(counted) > without


# JSON data


def test_json_data_keeps_all_but_the_key() -> None:
    value = {
        KEY: KEY,
        "a": [1, 2.5, None, True, "text", KEY, {"b": f"<{KEY}>", f"<{KEY}>": [KEY]}],
    }
    found = SECRET.scrub_json(value)
    assert found is value
    assert found == {
        MASK: MASK,
        "a": [1, 2.5, None, True, "text", MASK, {"b": f"<{MASK}>", f"<{MASK}>": [MASK]}],
    }
    assert SECRET.scrub_json(KEY) == MASK
    assert SECRET.scrub_json(3) == 3
    assert SECRET.scrub_json(None) is None
