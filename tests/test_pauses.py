"""The pauses that all invocations of a process share."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterator

import pytest

from connector.policy import pauses
from connector.text.secrets import Secret

pytestmark = pytest.mark.core

ENDPOINT = ("https", "api.openai.com", None)
KEY = "sk-pauses-0123456789"


@pytest.fixture(autouse=True)
def _no_other_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = dict(pauses._times)
    pauses._times.clear()
    yield
    pauses._times.clear()
    pauses._times.update(kept)


def key(model: str | None = "m") -> int:
    return pauses.key_of(ENDPOINT, Secret(KEY), model)


def test_the_key_is_that_of_endpoint_credentials_and_model() -> None:
    others = [
        (("http", *ENDPOINT[1:]), KEY, "m"),
        ((*ENDPOINT[:2], 8443), KEY, "m"),
        (ENDPOINT, KEY + "x", "m"),
        (ENDPOINT, KEY, "n"),
        (ENDPOINT, KEY, "None"),
        (ENDPOINT, KEY, None),
        (ENDPOINT, KEY, "\udc00"),
        # Without a separator these would look alike.
        (ENDPOINT, KEY[:-1], KEY[-1] + "m"),
    ]
    keys = {pauses.key_of(endpoint, Secret(text), model) for endpoint, text, model in others}
    assert len(keys | {key()}) == len(others) + 1
    assert key() == key()


def test_the_key_shows_no_secret_and_is_short() -> None:
    assert type(pauses.key_of(ENDPOINT, Secret(KEY), "m" * 100_000)) is int


def test_there_is_no_pause_at_first() -> None:
    assert pauses.resume_at(key()) == 0
    assert pauses._times == {}


def test_only_a_longer_pause_replaces_one() -> None:
    for until, expected in ((5.0, 5.0), (3.0, 5.0), (5.0, 5.0), (7.5, 7.5), (1.0, 7.5)):
        pauses.pause(key(), until)
        assert pauses.resume_at(key()) == expected
    assert pauses.resume_at(key("other")) == 0
    assert len(pauses._times[key()]) == 1


def test_the_table_is_bounded_and_drops_the_oldest() -> None:
    keys = [key(str(number)) for number in range(256 + 10)]
    for number, item in enumerate(keys, start=1):
        pauses.pause(item, float(number))
    assert list(pauses._times) == keys[10:]
    assert pauses.resume_at(keys[9]) == 0
    assert pauses.resume_at(keys[10]) == 11
    pauses.pause(keys[-1], 999.0)  # a key that is there takes no room
    assert list(pauses._times) == keys[10:]


def test_threads_keep_the_longest_pause() -> None:
    found = key()
    numbers = list(range(1, 4001))
    random.Random(5).shuffle(numbers)
    seen: list[list[float]] = [[] for _ in range(4)]

    def work(part: list[int], mine: list[float]) -> None:
        for number in part:
            pauses.pause(found, float(number))
            mine.append(pauses.resume_at(found))

    threads = [
        threading.Thread(target=work, args=(numbers[start::4], seen[start])) for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pauses.resume_at(found) == 4000
    assert len(pauses._times[found]) == 1
    for part in seen:  # no thread ever saw a pause get shorter
        assert all(early <= late for early, late in itertools.pairwise(part))
