"""Masking: behind escapes, before cuts, and with time and memory in proportion to the text."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import Connector
from connector.http.body import scrubbed
from connector.text import escapes
from connector.text.secrets import MASK, Secret
from tests.conftest import FakeClock
from tests.support import canary, work
from tests.support.fault_server import FaultServer, chat_completion

SECRET = Secret(canary.KEY)
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}


def fields(url: str, **more: Any) -> dict[str, Any]:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": url, **more}}


def raw(kind: str, **more: Any) -> dict[str, Any]:
    return {"method": "GET", "responseType": kind, **more}


# Behind escapes

Encode = Callable[[str], str]


def every(form: str) -> Encode:
    return lambda text: "".join(form.format(ord(mark)) for mark in text)


ENCODERS: dict[str, Encode] = {
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON for a page": lambda text: json.dumps(text)[1:-1].replace("-", "\\u002D"),
    "JSON, all escaped": every("\\u{:04x}"),
    "an address": lambda text: quote(text, safe=""),
    "an address, all escaped": every("%{:02X}"),
    "a page": html.escape,
    "a page, in decimal": every("&#{};"),
    "a page, in hexadecimal": every("&#x{:04x};"),
    "a regular expression": re.escape,
}
ONE = [*ENCODERS]
SEVERAL = [
    [*names, last]
    for names in itertools.product(("JSON", "JSON, all escaped", "an address", "a page"), repeat=3)
    for last in ENCODERS
]


def encoded(text: str, names: list[str]) -> str:
    for name in names:
        text = ENCODERS[name](text)
    return text


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("key", [canary.KEY, 'a"b/c~d+e=f&g;h<i>', "sk-?x=1&y=%7E\\n"])
def test_a_key_behind_an_escape_is_masked(name: str, key: str) -> None:
    secret = Secret(key)
    assert secret.scrub(f"before {encoded(key, [name])} after") == f"before {MASK} after"


def test_a_key_behind_four_layers_of_escapes_is_masked() -> None:
    for names in SEVERAL:
        hidden = encoded(f"before {canary.KEY} after", names)
        assert MASK in SECRET.scrub(hidden), names
        assert SECRET.is_in(json.dumps([hidden]).encode()), names


@given(st.text("\\%&#;ux0025cC7bK", max_size=200), st.integers(26, 40))
@example("a" * 24 + "\\\\u0041", 26)
@example("a" * 24 + "\\u0041", 26)
@example("a" * 23 + "%41", 26)
def test_an_escape_across_two_windows_is_one(text: str, window: int) -> None:
    whole = escapes.unescaped(text, lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(escapes, "_WINDOW", window)
        assert escapes.unescaped(text, lambda: None) == whole


@pytest.mark.parametrize("escape", ["%41", "\\u0041", "\\x41", "&#65;", "&#x00000041;", "%u0041"])
def test_an_escape_that_a_cut_leaves_open_is_dropped(escape: str) -> None:
    for size in range(1, len(escape)):
        assert escapes.closed("ab " + escape[:size]) == "ab "
    assert escapes.unescaped(escape, lambda: None) == "A"


def test_all_occurrences_are_masked_however_deep_each_is_hidden() -> None:
    key = canary.KEY
    forms = [key, *(encoded(key, [a, b]) for a in ENCODERS for b in ENCODERS)]
    masked = SECRET.scrub(" ".join(forms))
    assert masked.split() == [MASK] * len(forms)


def test_a_text_without_the_key_is_returned_unchanged() -> None:
    text = 'A "\\u0041" at 100%41 &amp; more \\\\ \\" &#65; %zz &nothing; \\'
    assert SECRET.scrub(text) is text
    assert not SECRET.is_in(json.dumps([text]).encode())


@pytest.mark.parametrize("key", ["sk/with/slashes~0", "sk?with?questions", "sk-pässwörd-ß"])
def test_a_key_is_masked_in_a_json_pointer_an_address_and_other_bytes(key: str) -> None:
    secret = Secret("x", key)
    pointer = "/inputs/" + key.replace("~", "~0").replace("/", "~1")
    assert secret.scrub(pointer) == f"/inputs/{MASK}"
    assert secret.scrub("https://a.example/" + quote(key)) == f"https://a.example/{MASK}"
    assert secret.scrub_bytes(key.encode()) == MASK.encode()
    assert secret.is_in(json.dumps({"a": key}).encode())
    assert secret.is_in(json.dumps({"a": key}, ensure_ascii=False).encode())
    assert secret.is_in(json.dumps([key.replace("s", "&#115;")], ensure_ascii=False).encode())


def test_a_short_key_does_not_leave_a_login_unmasked() -> None:
    secret = Secret("hunter2", "http://robot:long-password@proxy.example")
    message = "hunter2 and http://robot:long-password@proxy.example"
    assert secret.scrub_message(message) == f"{MASK} and {MASK}"


# What it costs

DENSE = ["ab%41", "%25", "\\u0041", "\\\\", "\\n", "&amp;", "&#65;", "&a", "%", "&#x0000"]


@pytest.mark.parametrize("unit", DENSE)
def test_scrubbing_takes_memory_in_proportion_to_the_text(
    monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    monkeypatch.setattr(escapes, "_WINDOW", 1 << 12)
    size = 200_000
    text = unit * (size // len(unit))
    SECRET.scrub(text[:1000])
    assert work.memory(lambda: SECRET.scrub(text)) < 4 * size


@pytest.mark.parametrize("unit", DENSE)
def test_scrubbing_takes_work_in_proportion_to_the_text(
    monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    """Counted in windows: each takes bounded time, and a look at the clock."""
    monkeypatch.setattr(escapes, "_WINDOW", 1 << 12)
    counts = []
    for size in (1 << 16, 1 << 17):
        ticks: list[int] = []
        SECRET.scrub(unit * (size // len(unit)), lambda ticks=ticks: ticks.append(1))  # type: ignore[misc] # bound early
        counts.append(len(ticks))
    assert 0 < counts[0] <= escapes.LAYERS * 16
    assert counts[1] <= 2 * counts[0] + escapes.LAYERS


class Over(Exception):
    """Raised in place of the deadline's error."""


def over() -> None:
    raise Over


@pytest.mark.parametrize(
    "value", ["%41" * 10, ["x"], {"x" * 10: "%41"}, ["a" * 10] * 10_000, {"a": {"b": []}}]
)
def test_scrubbing_looks_at_the_clock(value: Any) -> None:
    with pytest.raises(Over):
        SECRET.scrub_json(value, over)


def test_scrubbing_long_lists_checks_the_clock_regularly() -> None:
    ticks: list[int] = []
    SECRET.scrub_json(["a"] * 100_000, lambda: ticks.append(1))
    SECRET.scrub_json({f"key-{n}": 1 for n in range(100_000)}, lambda: ticks.append(1))
    assert len(ticks) >= 3 * (100_000 // 4096)


@pytest.mark.parametrize(
    ("inputs", "answer"),
    [
        (raw("text"), {"text": "ab%41" * 1000}),
        (raw("json"), {"text": json.dumps(["ab%41" * 1000])}),
        (raw("json"), {"text": json.dumps([canary.KEY])}),
    ],
    ids=["text", "JSON with escapes", "JSON with the key"],
)
def test_what_scrubbing_takes_counts_against_the_deadline(
    connector: Connector, fake_clock: FakeClock, inputs: dict[str, Any], answer: dict[str, Any]
) -> None:
    def late(*_: Any) -> dict[str, Any]:
        fake_clock.sleeps.append(601.0)  # as if the answer had come just before the end
        return answer

    with FaultServer(late) as server:
        result = connector.invoke("rawRequest", inputs, fields(server.url))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("deadline_exceeded", "unknown")


def test_a_prompt_whose_response_could_not_be_searched_in_time_may_have_been_billed(
    connector: Connector, fake_clock: FakeClock
) -> None:
    def late(*_: Any) -> dict[str, Any]:
        fake_clock.sleeps.append(601.0)
        return {"json": chat_completion("100%41")}

    with FaultServer(late) as server:
        inputs = {"model": "m", "messages": ["a", "b"], "concurrency": 1}
        result = connector.invoke("createCompletions", inputs, fields(server.url))
    first, second = (choice["error"] for choice in result.data["choices"])
    assert (first["code"], first["sent"]) == ("deadline_exceeded", "unknown")
    assert second["sent"] == "no"


def test_a_response_is_searched_as_a_whole_and_not_text_by_text(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many texts it has, and however many escapes they hold."""
    scrubs: list[int] = []
    original = Secret.scrub

    def scrub(*arguments: Any) -> str:
        scrubs.append(1)
        return original(*arguments)

    monkeypatch.setattr(Secret, "scrub", scrub)
    with FaultServer({"text": json.dumps([{"a": "100 % & more"}] * 5000)}) as server:
        assert connector.invoke("rawRequest", raw("json"), fields(server.url)).ok
    assert len(scrubs) < 20


# Before a cut

FORMS: dict[str, str] = {
    "plain": canary.KEY,
    "in capitals": canary.KEY.upper(),
    "base64": base64.b64encode(canary.KEY.encode()).decode(),
    "base64 of more": base64.b64encode(f"Key {canary.KEY}!".encode()).decode(),
    **{name: ENCODERS[name](canary.KEY) for name in ONE},
    "JSON in JSON": encoded(canary.KEY, ["JSON, all escaped", "JSON"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_text_that_was_cut_shows_no_part_of_the_key(form: str) -> None:
    hidden = FORMS[form]
    for size in range(1, len(hidden) + 1):
        shown = SECRET.scrub_beginning("The key " + hidden[:size])
        canary.assert_no_part(f"{form} cut after {size}", shown)
        assert shown.startswith("The key")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.integers(0))
def test_a_text_that_was_cut_ends_with_no_part_of_any_key(key: str, size: int) -> None:
    shown = Secret(key).scrub_beginning("\n" + key[: size % len(key)])
    assert shown in ("\n", f"\n{MASK}")  # a key that looks like an escape is whole without its end


EXCERPTS = 2400
"""Bytes of a body that its excerpt is made of."""


@pytest.mark.parametrize("form", ["plain", "base64", "JSON, all escaped", "a page, in decimal"])
@pytest.mark.parametrize("status", [200, 401, 502])
def test_an_excerpt_that_begins_in_white_space_shows_no_part_of_the_key(
    connector: Connector, form: str, status: int
) -> None:
    """The white space is left out, and what is left of the bytes ends inside the key."""
    hidden = FORMS[form]
    for shown in (5, len(hidden) // 2, len(hidden) - 1):
        text = " " * (EXCERPTS - 10 - shown) + "The key: x" + hidden * 2
        with FaultServer({"status": status, "text": text}) as server:
            result = connector.invoke("createChatCompletion", CHAT, fields(server.url))
        assert result.error is not None
        assert "The key:" in result.error.message
        canary.assert_no_part(f"{form}, {shown}", json.dumps(result.to_dict()))


@pytest.mark.parametrize("form", ["plain", "base64", "JSON, all escaped", "an address"])
def test_an_error_whose_body_breaks_off_inside_the_key_shows_no_part_of_it(
    connector: Connector, form: str
) -> None:
    hidden = FORMS[form]
    for shown in (5, len(hidden) // 2, len(hidden) - 1):
        text = '{"error": {"message": "Bad key: ' + hidden[:shown]
        head = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 999\r\n\r\n"
        with FaultServer({"raw": head + text}) as server:
            result = connector.invoke("createChatCompletion", CHAT, fields(server.url))
        assert result.error is not None
        assert "Bad key:" in result.error.message
        canary.assert_no_part(f"{form}, {shown}", json.dumps(result.to_dict()))


def test_a_whole_body_keeps_its_end(connector: Connector) -> None:
    """Even where a key could begin like that."""
    with FaultServer({"status": 429, "text": "Too many requests"}) as server:
        result = connector.invoke("rawRequest", raw("text"), fields(server.url))
    assert result.error is not None
    assert result.error.message == "Too many requests"


@pytest.mark.parametrize("name", ["message", "code", "param"])
@pytest.mark.parametrize("before", [150, 190, 199, 1950, 1990, 1999])
def test_a_field_of_an_error_that_is_cut_shows_no_part_of_the_key(
    connector: Connector, name: str, before: int
) -> None:
    error = {"message": "m", name: "x" * before + canary.KEY}
    with FaultServer({"status": 400, "json": {"error": error}}) as server:
        result = connector.invoke("createChatCompletion", CHAT, fields(server.url))
    canary.assert_no_part(name, json.dumps(result.to_dict()))


@pytest.mark.parametrize("form", ["plain", "base64", "base64 of more"])
def test_pieces_of_any_size_show_no_part_of_the_key(form: str) -> None:
    whole = b"before " + FORMS[form].encode() + b" after"
    for size in range(1, len(whole) + 1):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        masked = b"".join(scrubbed(iter(pieces), SECRET)).decode()
        assert masked.startswith("before ")
        assert masked.endswith(" after")
        canary.assert_no_part(f"{form} in pieces of {size}", masked)


def test_the_log_shows_no_part_of_a_key_with_a_question_mark(connector: Connector) -> None:
    key = "sk-abc?def=0123456789"
    with canary.all_logs() as logs, FaultServer({"json": 1}) as server:
        connection = fields(server.url, apiKey=key)
        url = f"/v1/{key}"
        assert connector.invoke("rawRequest", raw("json", url=url), connection).ok
    assert "/v1/***" in logs.getvalue()
    assert "sk-abc" not in logs.getvalue()


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_parts_of_a_long_text_show_no_part_of_the_key(
    connector: Connector, dry_run: bool
) -> None:
    def repeat(received: Any, _: int) -> dict[str, Any]:
        text = received.json()["messages"][1]["content"]
        return {"json": chat_completion(text[20:320])}

    inputs = {"model": "m", "textToSummarize": canary.KEY * 6000}
    with FaultServer(repeat) as server:
        to = fields(server.url)
        result = connector.invoke("summarizeText", inputs, to, dry_run=dry_run)
    assert result.ok, result.error
    assert MASK in json.dumps(result.data)
    canary.assert_no_part("the parts", json.dumps(result.data))


# Usage


def test_usage_with_ever_new_names_is_bounded(connector: Connector) -> None:
    def answer(_: Any, index: int) -> dict[str, Any]:
        new = {f"{index}-{n}": 1 for n in range(200)}
        usage = {"total_tokens": 1, **new, "details": {"cached_tokens": 2, **new, "deep": [new]}}
        return {"json": chat_completion("Hi", usage=usage)}

    with FaultServer(answer) as server:
        inputs = {"model": "m", "messages": ["a", "b", "c", "d", "e"], "concurrency": 1}
        result = connector.invoke("createCompletions", inputs, fields(server.url))
    assert result.ok, result.error
    usage = result.meta["usage"]
    assert usage["total_tokens"] == 5
    assert len(usage) <= 64


def test_usage_is_added_up_in_two_levels(connector: Connector) -> None:
    deep = {"a": 1, "b": {"c": {"d": {"e": 1}}}}
    usage = {"total_tokens": 3, "details": {"cached_tokens": 2, **deep}}
    with FaultServer({"json": chat_completion("Hi", usage=usage)}) as server:
        inputs = {"model": "m", "messages": ["a", "b"]}
        result = connector.invoke("createCompletions", inputs, fields(server.url))
    details = {"cached_tokens": 4, "a": 2, "b": {}}
    assert result.meta["usage"] == {"total_tokens": 6, "details": details}
