"""Embeddings: a vector for each text, in requests that fit the service's limits."""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.actions import partial
from connector.actions.writing import BYTES_PER_TOKEN, tokens
from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.providers.error_body import context_of, rejects, too_long
from connector.text.strict_json import UNPAIRED, is_encodable

if TYPE_CHECKING:
    from connector.client import Client

PATH = "/embeddings"

_MOST_TEXTS = 2048
_MOST_TOKENS = 300_000
"""What one request may hold (OpenAI's API description)."""

_MOST_BYTES_PER_TOKEN = 8
"""No language has longer tokens on average, so a text with more bytes than this is too long."""

_TOO_MANY_TOKENS = "max_tokens_per_request"
"""The provider's code for a request whose texts are too long together."""

Vector = list[float]


def create_embeddings(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return one vector for each text, in the order of the texts, the model, and the usage.

    Raises ConnectorError `partial_failure` if some requests failed; its data has null for the
    texts without a vector. A text that is too long is `invalid_input` if its length alone shows
    it, otherwise the provider's `bad_request`, with the text that it must be.
    """
    check(inputs, ())
    given = inputs["input"]
    texts = [given] if isinstance(given, str) else given
    embedder = _Embedder(client, inputs, texts)
    embedder.check()
    batches = list(_batches(texts))
    outcomes = client.each(embedder.embed, batches)
    vectors: list[Vector | None] = [None] * len(texts)
    for places, outcome in zip(batches, outcomes, strict=True):
        if not isinstance(outcome, ConnectorError):
            vectors[places.start : places.stop] = outcome
    data = {"model": embedder.model, "embeddings": vectors, "usage": client.usage}
    errors = [outcome for outcome in outcomes if isinstance(outcome, ConnectorError)]
    if len(errors) == 1 == len(batches):
        raise errors[0]
    if errors:
        done = len(errors) < len(batches)
        raise partial.failure(outcomes, data if done else None, client, "requests")
    return data


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` for texts that cannot be sent."""
    given = inputs.get("input", [])
    texts = {"": given} if isinstance(given, str) else {f"/{i}": t for i, t in enumerate(given)}
    problems = [
        problem(f"/inputs/input{place}", UNPAIRED, "Text")
        for place, text in texts.items()
        if not is_encodable(text)
    ]
    if problems:
        raise error_of("invalid_input", problems)


def _batches(texts: Sequence[str]) -> Iterator[range]:
    """Yield the places of the texts of each request."""
    start = size = 0
    for place, text in enumerate(texts):
        needed = tokens(text)
        if place > start and (place - start == _MOST_TEXTS or size + needed > _MOST_TOKENS):
            yield range(start, place)
            start, size = place, 0
        size += needed
    yield range(start, len(texts))


class _Embedder:
    """Embeds parts of one list of texts. Thread-safe: each attribute changes in one step."""

    def __init__(self, client: Client, inputs: Mapping[str, Any], texts: Sequence[str]) -> None:
        self._client = client
        self._texts = texts
        self._is_list = not isinstance(inputs["input"], str)
        self._body = {"model": inputs["model"], "encoding_format": "base64"}
        if "dimensions" in inputs:
            self._body["dimensions"] = inputs["dimensions"]
        self._limit = client.facts(inputs["model"]).context_tokens
        self.model: str = inputs["model"]
        """The model that answered; until then the one that was asked for."""

    def check(self) -> None:
        """Raise ConnectorError `invalid_input` for texts that no tokens could fit."""
        if self._limit is None:
            return
        most = self._limit * _MOST_BYTES_PER_TOKEN
        message = f"is too long: the model takes at most {self._limit} tokens a text"
        problems = [
            self._problem(place, f"{message}, and this has {size} bytes")
            for place, text in enumerate(self._texts)
            if len(text) > most // 4 and (size := len(text.encode())) > most
        ]
        if problems:
            raise error_of("invalid_input", problems, "Split the text into parts.")

    def embed(self, places: range) -> list[Vector]:
        """Return the vectors of the texts at `places`."""
        texts = self._texts[places.start : places.stop]
        try:
            response = self._post({**self._body, "input": texts if self._is_list else texts[0]})
        except ConnectorError as error:
            if error.provider_code == _TOO_MANY_TOKENS and len(places) > 1:
                half = places.start + len(places) // 2
                first = self.embed(range(places.start, half))
                return first + self.embed(range(half, places.stop))
            if too_long(error):
                self._explain(error, places)
            raise
        model = response.get("model")
        self.model = model if isinstance(model, str) else self.model
        return self._vectors(response, len(places))

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._client.post(PATH, body, body["model"])
        except ConnectorError as error:
            if "encoding_format" not in body or not rejects(error, "encoding_format"):
                raise
        self._body = {k: v for k, v in self._body.items() if k != "encoding_format"}
        body = {k: v for k, v in body.items() if k != "encoding_format"}
        return self._client.post(PATH, body, body["model"])

    def _explain(self, error: ConnectorError, places: range) -> None:
        """Add to the error of a too long text which one it must be: the longest."""
        longest = max(places, key=lambda place: len(self._texts[place].encode()))
        size = len(self._texts[longest].encode())
        limit, _ = context_of(error)
        limit = limit or self._limit
        message = f"is too long: it has {size} bytes, about {size // BYTES_PER_TOKEN} tokens"
        if limit is not None:
            message += f", and the model takes at most {limit} tokens a text"
        error.details = [self._problem(longest, message)]
        error.hint = "Split the text into parts."

    def _problem(self, place: int, message: str) -> dict[str, str]:
        path = f"/inputs/input/{place}" if self._is_list else "/inputs/input"
        return problem(path, message, "Text")

    def _vectors(self, response: Mapping[str, Any], count: int) -> list[Vector]:
        rows = response.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._client.invalid("The response has no list of embeddings.")
        by_index = {row.get("index", at): row for at, row in enumerate(rows)}
        if len(rows) != count or by_index.keys() != set(range(count)):
            raise self._client.invalid(
                f"{count} embeddings were asked for, and the response has {len(rows)} or others."
            )
        vectors = [_vector(by_index[index].get("embedding")) for index in range(count)]
        found = [vector for vector in vectors if vector]
        if len(found) != count or len({*map(len, found)}) != 1:
            raise self._client.invalid("An embedding in the response is not a vector.")
        return found


def _vector(value: Any) -> Vector | None:
    """Return a vector as numbers, None if it is not one.

    In base64 it is a row of little-endian 32-bit floats, which is a quarter of the size of JSON.
    Servers that ignore `encoding_format` send numbers.
    """
    if isinstance(value, str):
        try:
            data = binascii.a2b_base64(value, strict_mode=True)
            numbers = array("f", data)
        except ValueError:
            return None
        if sys.byteorder == "big":
            numbers.byteswap()
        value = numbers.tolist()
    elif not isinstance(value, list) or not all(type(item) in (int, float) for item in value):
        return None
    return value if all(map(math.isfinite, value)) else None
