"""The headers with which a provider states its rate limits."""

from __future__ import annotations

import pytest

from connector.providers import rate_limits

DELAYS = {
    "0": 0,
    "1": 1000,
    "60": 60_000,
    "12.5": 12_500,
    "0.0001": 0,
    "0.0006": 1,
    "0s": 0,
    "1s": 1000,
    "120ms": 120,
    "17.4ms": 17,
    "1.1s": 1100,
    "7.66s": 7660,
    "6m0s": 360_000,
    "2m59.56s": 179_560,
    "1h2m3.5s": 3_723_500,
    "24h0m0s": 86_400_000,
    "1d2h": 93_600_000,
    "1m5ms": 60_005,
    "\t1s ": 1000,
    "366d": 366 * 86_400_000,
}
NOT_DELAYS = [
    "",
    " ",
    "-1",
    "-1s",
    "+1s",
    "1.s",
    ".5s",
    "1 s",
    "s",
    "ms",
    "soon",
    "1s2m",
    "1s1s",
    "1S",
    "1e3",
    "nan",
    "inf",
    "1, 1",
    "1_0",
    "1s\n",
    "１s",
    "Wed, 25 Nov 2026 10:00:00 GMT",
    "2026-11-25T10:00:00Z",
    "366d1ms",
    "367d",
    "8785h",
    "1764064800",
    "9" * 16,
    "9" * 100_000,
    "1." + "0" * 100_000 + "s",
]
COUNTS = {"0": 0, "1": 1, "10000": 10_000, " 149984\t": 149_984, "9" * 15: 10**15 - 1}
NOT_COUNTS = ["", "-1", "+1", "1.5", "1e3", "0x1", "1_0", "1,000", "1, 1", "many", "１", "9" * 16]


def test_all_the_headers_of_a_response() -> None:
    headers = {
        "content-type": "application/json",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-limit-requests": "60",
    }
    assert list((rate_limits.read(headers) or {}).items()) == [
        ("limitRequests", 60),
        ("remainingRequests", 59),
        ("resetRequestsMs", 120),
        ("limitTokens", 150_000),
        ("remainingTokens", 149_984),
        ("resetTokensMs", 360_000),
    ]


def test_a_header_that_is_absent_or_malformed_is_left_out() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-limit-requests": "many",
        "x-ratelimit-reset-tokens": "10",
    }
    assert rate_limits.read(headers) == {"remainingRequests": 9, "resetTokensMs": 10_000}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-limit": "1", "x-ratelimit-reset": "1", "ratelimit-limit-requests": "1"},
        {"x-ratelimit-limit-requests": "", "x-ratelimit-reset-tokens": "soon"},
    ],
)
def test_no_limits_are_none(headers: dict[str, str]) -> None:
    assert rate_limits.read(headers) is None


@pytest.mark.parametrize(("text", "expected"), DELAYS.items(), ids=map(repr, DELAYS))
@pytest.mark.parametrize("subject", ["requests", "tokens"])
def test_delays(subject: str, text: str, expected: int) -> None:
    found = rate_limits.read({f"x-ratelimit-reset-{subject}": text})
    assert found == {f"reset{subject.title()}Ms": expected}


@pytest.mark.parametrize("text", NOT_DELAYS, ids=lambda text: repr(text[:20]))
def test_texts_that_are_no_delay(text: str) -> None:
    assert rate_limits.read({"x-ratelimit-reset-requests": text}) is None


@pytest.mark.parametrize(("text", "expected"), COUNTS.items(), ids=map(repr, COUNTS))
@pytest.mark.parametrize("word", ["limit", "remaining"])
def test_counts(word: str, text: str, expected: int) -> None:
    assert rate_limits.read({f"x-ratelimit-{word}-tokens": text}) == {f"{word}Tokens": expected}


@pytest.mark.parametrize("text", NOT_COUNTS, ids=repr)
def test_texts_that_are_no_count(text: str) -> None:
    assert rate_limits.read({"x-ratelimit-limit-tokens": text}) is None
