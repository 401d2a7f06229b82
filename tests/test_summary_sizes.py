"""Summaries: how long a text is still one call, how long its parts are, when rounds are worth it.

The texts have no place to break, so that the lengths of their parts are known to a character. The
parts go one after another. A token is estimated as three bytes, and one is added for a text.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.actions.summarize import split

from .conftest import FakeClock
from .support import manifests
from .support.fault_server import FaultServer, Received, chat_completion, completion
from .support.front import Seen, call, connection, inputs_of, refusal

SUMMARY = "summarizeText"
UNKNOWN = "some-model"
"""A context of 32,000 tokens is supposed: 29,552 are left for the text."""
DATED: dict[str, Any] = {"isOpenAIKey": False, "apiVersion": "2024-10-21"}
LEGACY = "gpt-3.5-turbo-instruct"
"""Its context of 4096 tokens leaves 2672 for the text, 8015 characters."""
MARKED = re.compile(r"<text (\w+)>\n(.*)\n</text \1>", re.DOTALL)
SHORT = {"json": chat_completion("Short.")}
TOO_LONG = {"code": "context_length_exceeded", "message": "Too long."}


@pytest.fixture
def slowly(tmp_path: Path, fake_clock: FakeClock) -> Iterator[Connector]:
    """A connector that has one call under way at a time."""
    made = manifests.with_policies(tmp_path, {"concurrency": 1}, fake_clock.clock())
    yield made
    made.close()


def part(received: Received) -> str:
    body = received.json()
    match = MARKED.search(body["prompt"] if "prompt" in body else body["messages"][1]["content"])
    assert match is not None
    return match[2]


def lengths(seen: Seen) -> list[int]:
    return [len(part(request)) for request in seen.requests]


def told(context: int) -> dict[str, Any]:
    return refusal(400, message=f"This model's maximum context length is {context} tokens.")


# What fits one call


@pytest.mark.parametrize(
    ("model", "limit", "most"),
    [
        (UNKNOWN, None, 3 * 29_552 - 1),
        (UNKNOWN, 600, 3 * 31_000 - 1),
        (UNKNOWN, 31_000, 3 * 8_000 - 1),
        (LEGACY, None, 3 * 2_672 - 1),
        (LEGACY, 500, 3 * 3_196 - 1),
        (LEGACY, 4_000, 3 * 1_024 - 1),
    ],
)
def test_a_text_that_fits_is_one_call(
    connector: Connector, model: str, limit: int | None, most: int
) -> None:
    """With the response and the instructions; at least a quarter of the context is for the text."""
    answer = {"json": completion("Short.") if model == LEGACY else chat_completion("Short.")}
    inputs = {"model": model, "maxTokens": limit}
    for size, calls in ((most, 1), (most + 1, 3)):
        given = {**inputs, "textToSummarize": "a" * size}
        seen = call(connector, SUMMARY, answer, given, **DATED)
        assert seen.data["summary"] == "Short."
        assert len(seen.requests) == calls
        if calls == 1:
            assert lengths(seen) == [most]


@pytest.mark.parametrize(
    ("size", "refused", "parts"),
    [
        # 4100 tokens are left of 6000, and they are used where that makes the parts a quarter
        # smaller: else the text is halved.
        (16_400, told(6000), [12_299, 4_101]),
        (16_397, told(6000), [8_198, 8_198, 1]),
        (16_397, refusal(400, **TOO_LONG), [8_198, 8_198, 1]),
        # An eighth of the text is the least.
        (24_002, told(9), [2_999] * 8 + [10]),
        # A quarter of the context is the text's, whatever the response may take.
        (1_199, told(400), [299] * 4 + [3]),
        (389, told(200), [191, 191, 7]),
    ],
)
def test_a_refused_text_is_split_into_parts_that_may_fit(
    slowly: Connector, size: int, refused: Any, parts: list[int]
) -> None:
    seen = call(slowly, SUMMARY, [refused, SHORT], {"textToSummarize": "a" * size})
    assert lengths(seen)[:-1] == [size, *parts]
    assert part(seen.requests[-1]) == "\n\n".join(["Short."] * len(parts))
    assert seen.data["summary"] == "Short."


def test_a_reported_context_size_is_never_raised(slowly: Connector) -> None:
    """What was told first bounds the parts; a larger number that a part is told changes nothing."""
    answers = [told(6000), told(9000), SHORT]
    seen = call(slowly, SUMMARY, answers, {"textToSummarize": "a" * 30_000})
    first, second, *rest = lengths(seen)
    assert (first, second) == (30_000, 12_298)
    assert max(rest) < 12_298 * 3 // 4


@pytest.mark.parametrize(("size", "calls"), [(191, 1), (192, 2)])
def test_a_text_of_a_few_words_is_not_split(slowly: Connector, size: int, calls: int) -> None:
    seen = call(slowly, SUMMARY, refusal(400, **TOO_LONG), {"textToSummarize": "a" * size})
    assert lengths(seen) == [size, 94][:calls]
    assert seen.error["providerCode"] == "context_length_exceeded"


def test_another_refusal_is_no_reason_to_split(slowly: Connector) -> None:
    refused = refusal(400, message="No.")
    seen = call(slowly, SUMMARY, refused, {"textToSummarize": "a" * 10_000})
    assert lengths(seen) == [10_000]
    assert seen.error["message"] == "No."


# When a further round is worth it


def legacy(*sizes: int) -> Callable[[Received, int], Any]:
    """Answers of the legacy API, of so many characters; what comes after them is short."""

    def answer(_: Received, index: int) -> Any:
        return {"json": completion("s" * sizes[index] if index < len(sizes) else "Short.")}

    return answer


@pytest.mark.parametrize(
    ("rest", "summary", "ok"),
    [(4005, 4005, False), (4005, 4002, True), (4005, 12_000, False), (4002, 4005, True)],
)
def test_a_part_that_is_only_repeated_ends_the_summary(
    slowly: Connector, rest: int, summary: int, ok: bool
) -> None:
    """From half of what a call takes on: a short rest may well have a summary that is longer."""
    inputs = {"model": LEGACY, "textToSummarize": "a" * (8015 + rest)}
    seen = call(slowly, SUMMARY, legacy(6, summary), inputs, **DATED)
    assert lengths(seen)[:2] == [8015, rest]
    assert seen.envelope["ok"] is ok
    if not ok:
        assert len(seen.requests) == 2
        assert seen.error["code"] == "invalid_response"
        assert seen.error["hint"] == (
            "Choose another model, or lower Max Tokens, which limits each summary."
        )
        assert seen.envelope["data"]["summary"] == "ssssss\n\n" + "s" * summary


@pytest.mark.parametrize(("last", "ok"), [(1, True), (3, False)])
def test_summaries_that_fit_one_call_are_short_enough(
    slowly: Connector, last: int, ok: bool
) -> None:
    """2671 tokens and one are 2672, and no more than that is merged in a call."""
    inputs = {"model": LEGACY, "textToSummarize": "a" * (8015 + 3000)}
    seen = call(slowly, SUMMARY, legacy(8010, last), inputs, **DATED)
    assert seen.envelope["ok"] is ok
    assert lengths(seen) == [8015, 3000, 8013][: 2 + ok]


@pytest.mark.parametrize(("rest", "ok"), [(9, True), (6, False)])
def test_summaries_of_half_their_text_are_short_enough(
    slowly: Connector, rest: int, ok: bool
) -> None:
    """Four of 1336 tokens and one of one are half of 10,690 tokens, and more than of 10,689."""
    inputs = {"model": LEGACY, "textToSummarize": "a" * (4 * 8015 + rest)}
    seen = call(slowly, SUMMARY, legacy(4005, 4005, 4005, 4005, 1), inputs, **DATED)
    assert lengths(seen)[:5] == [8015, 8015, 8015, 8015, rest]
    assert seen.envelope["ok"] is ok
    assert (len(seen.requests) == 5) is not ok


def test_a_part_that_was_split_counts_as_all_its_parts(slowly: Connector) -> None:
    """The first part is refused and halved; the halves' summaries are kept in order."""
    answers = [
        refusal(413),
        *({"json": completion(text)} for text in ("One.", "Two.", "Three.", "Four.", "All.")),
    ]
    inputs = {"model": LEGACY, "textToSummarize": "a" * (8015 + 3000)}
    seen = call(slowly, SUMMARY, answers, inputs, **DATED)
    assert lengths(seen)[:4] == [8015, 4007, 4007, 1]
    assert part(seen.requests[-1]) == "One.\n\nTwo.\n\nThree.\n\nFour."
    assert seen.data["summary"] == "All."


def test_a_part_that_stops_because_of_another_is_not_the_cause(connector: Connector) -> None:
    """The first of two parts is stopped between its own parts, because the second one failed."""
    another, failed = threading.Event(), threading.Event()
    text = "".join(f"Sentence number {n} tells of the tide.\n" for n in range(4000))

    def answer(received: Received, _: int) -> Any:
        found = part(received)
        if len(found) > 10_000:
            return {"status": 413}
        number = re.search(r"\d+", found)
        assert number is not None
        if int(number[0]) >= 2000:
            assert another.wait(5)
            return refusal(400, message="No.")
        another.set()
        assert failed.wait(5)
        answered.append(found)
        return SHORT

    answered: list[str] = []
    with FaultServer(answer) as server:
        result = connector.invoke(
            SUMMARY,
            inputs_of(SUMMARY, textToSummarize=text),
            connection(server.url),
            progress=lambda *_: failed.set(),
        )
    assert result.error is not None
    assert (result.error.code, result.error.message) == ("bad_request", "No.")
    assert len(answered) == 1
    assert result.data["summary"] == "Short."


# What is told of a summary


def test_no_progress_is_reported_for_a_part_that_is_not_started(slowly: Connector) -> None:
    told: list[tuple[int, int]] = []
    inputs = inputs_of(SUMMARY, model=LEGACY, textToSummarize="a" * (3 * 8015))
    with FaultServer(refusal(400, message="No.")) as server:
        to = connection(server.url, **DATED)
        result = slowly.invoke(
            SUMMARY, inputs, to, progress=lambda done, of: told.append((done, of))
        )
        assert len(server.requests) == 1
    assert result.error is not None
    assert result.error.message == "No."
    assert told == [(1, 3)]


def test_a_part_without_a_summary_is_reported_with_its_reason(slowly: Connector) -> None:
    """And no other part."""
    nothing = {"index": 0, "text": " ", "finish_reason": "content_filter"}
    answers = [completion("Part."), completion(choices=[nothing]), completion("All.")]
    inputs = {"model": LEGACY, "textToSummarize": "a" * (8015 + 3000)}
    seen = call(slowly, SUMMARY, [{"json": answer} for answer in answers], inputs, **DATED)
    assert seen.data["summary"] == "All."
    assert seen.envelope["meta"]["warnings"] == [
        "A part of the text got no summary (finish_reason content_filter)."
    ]


def test_a_summary_has_no_blanks_around_it(connector: Connector) -> None:
    answer = {"json": chat_completion("\n Short. \n", model="served")}
    seen = call(connector, SUMMARY, answer)
    assert seen.data == {
        "summary": "Short.",
        "model": "served",
        "choices": answer["json"]["choices"],
        "usage": answer["json"]["usage"],
    }
    assert seen.envelope["meta"]["warnings"] == []


def test_where_no_part_has_a_summary_the_last_one_is_reported(slowly: Connector) -> None:
    answers = [{"json": completion(" ", model=f"served-{number}")} for number in range(3)]
    inputs = {"model": LEGACY, "textToSummarize": "a" * (3 * 8015)}
    seen = call(slowly, SUMMARY, answers, inputs, **DATED)
    assert len(seen.requests) == 3
    assert seen.data["summary"] == ""
    assert seen.data["model"] == "served-2"


def test_an_empty_summary_is_reported_with_its_reason(connector: Connector) -> None:
    message = {"role": "assistant", "content": None}
    choices = [{"index": 0, "message": message, "finish_reason": "content_filter"}]
    seen = call(connector, SUMMARY, {"json": chat_completion(choices=choices)})
    assert seen.data["summary"] == ""
    assert seen.envelope["meta"]["warnings"] == [
        "The model wrote no summary (finish_reason content_filter)."
    ]


@pytest.mark.parametrize(
    ("key", "label"), [("textToSummarize", "Text to Summarize"), ("language", "Language")]
)
def test_a_text_that_cannot_be_encoded_is_reported_with_its_input(
    connector: Connector, key: str, label: str
) -> None:
    seen = call(connector, SUMMARY, SHORT, {key: "a\ud800"})
    assert seen.requests == []
    assert seen.error["details"] == [
        {"path": f"/inputs/{key}", "input": label, "message": "holds an unpaired surrogate"}
    ]


@pytest.mark.parametrize(
    ("language", "said"), [("German", "in German"), (None, "in the language of the text")]
)
def test_the_instructions_name_the_language_and_the_mark(
    connector: Connector, language: str | None, said: str
) -> None:
    inputs = {"language": language, "maxTokens": 30}
    (asked,) = call(connector, SUMMARY, SHORT, inputs).requests
    system, user = asked.json()["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    match = re.fullmatch(r"<text ([0-9a-f]{32})>\nTides\.\n</text \1>", user["content"])
    assert match is not None
    assert f"a concise summary {said} and nothing else." in system["content"]
    assert f"<text {match[1]}> and </text {match[1]}>" in system["content"]
    assert asked.json()["max_completion_tokens"] == 30
    (legacy_asked,) = call(
        connector, SUMMARY, {"json": completion("Short.")}, {**inputs, "model": LEGACY}, **DATED
    ).requests
    instructions, marked, end = legacy_asked.json()["prompt"].split("\n\n")
    assert instructions.split("<text")[0] == system["content"].split("<text")[0]
    assert MARKED.fullmatch(marked)
    assert end == "Summary:"
    assert legacy_asked.json()["max_tokens"] == 30


# Where a text is cut


@pytest.mark.parametrize(
    ("text", "room", "parts"),
    [
        ("a" * 8, 3, ["a" * 8]),
        ("a" * 9, 3, ["a" * 6, "a" * 3]),
        ("abc", 0, ["a", "b", "c"]),
        ("", 5, [""]),
        ("   ", 1, [" "]),
        ("aaaaaa bb", 4, ["aaaaaa bb"]),
        ("aaaa    bbbb", 2, ["aaaa", "bbbb"]),
    ],
)
def test_a_text_is_cut_to_its_room(text: str, room: int, parts: list[str]) -> None:
    assert split(text, room) == parts


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("aaaa aaaa\n \nb b\nb b. b", "aaaa aaaa\n \n"),
        ("aaaa aa\n\nb\nb b. b b b", "aaaa aa\n\n"),
        ("aaaa aaaa\nb b. b b b b", "aaaa aaaa\n"),
        ("aaaa aaaa! b b b b bb", "aaaa aaaa! "),
        ("aaaa aaaa?  b b b b b", "aaaa aaaa?  "),
        ("aaaa aaaa b.b b b b b", "aaaa aaaa b."),
        ("aaaa aaaa\tbbbbbbbbbbb", "aaaa aaaa\t"),
        ("a. bbbbbbbbbbbbbbbbbbbb", "a. bbbbbbbbbbb"),
        ("aaaa bbbbbbbbbbbbbbbbb", "aaaa bbbbbbbb"),
    ],
)
def test_a_text_is_cut_at_its_best_place_in_the_last_half(text: str, first: str) -> None:
    """Between paragraphs, lines, sentences, words, in this order; the window is 13 or 14 long."""
    room = next(room for room in range(9) if len(text) * room // (len(text) // 3 + 1) >= 13)
    assert split(text, room)[0] == first
