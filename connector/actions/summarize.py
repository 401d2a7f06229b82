"""A summary of a text of any length."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.actions import material
from connector.actions.writing import Completion, Writer, tokens
from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.providers.error_body import too_long
from connector.text.strict_json import UNPAIRED, is_encodable

if TYPE_CHECKING:
    from connector.client import Client

_OVERHEAD_TOKENS = 400
"""Tokens reserved for the instructions around the text."""

_SMALLEST_TOKENS = 64
"""A part with so few tokens is not split further: its length cannot be what the model rejects."""

_BREAKS = [re.compile(mark) for mark in (r"\n\s*\n", r"\n", r"[.!?\u3002\uff01\uff1f]\s*", r"\s")]


def summarize_text(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the summary, the model, the choices of the last request, and the usage of all.

    A text that does not fit the model's context is split. Its parts are summarized in parallel,
    and their summaries are merged in the same way. Raises ConnectorError `invalid_response` if
    the summaries do not get shorter. The data of an error has the same shape and holds the
    summaries that were finished; it is None if there are none.
    """
    problems = [
        problem(f"/inputs/{key}", UNPAIRED, label)
        for key, label in (("textToSummarize", "Text to Summarize"), ("language", "Language"))
        if not is_encodable(inputs.get(key) or "")
    ]
    if problems:
        raise error_of("invalid_input", problems)
    summary = _Summarizer(client, inputs).summarize(inputs["textToSummarize"])
    if not summary.text:
        client.warn(f"The model wrote no summary (finish_reason {summary.finish_reason}).")
    return _data(summary.text.strip(), [summary], client)


def _data(text: str, completions: Sequence[Completion], client: Client) -> dict[str, Any]:
    return {
        "summary": text,
        "model": completions[-1].model,
        "choices": [completion.choice for completion in completions],
        "usage": client.usage,
    }


def _joined(summaries: Sequence[Completion]) -> str:
    return "\n\n".join(summary.text for summary in summaries)


class _Summarizer:
    """Summarizes one text, in as many rounds as it takes.

    `_room` is the number of tokens that a part may have; it only ever shrinks.
    """

    def __init__(self, client: Client, inputs: Mapping[str, Any]) -> None:
        self._client = client
        self._writer = Writer(client, inputs["model"], inputs.get("maxTokens"))
        self._language = inputs.get("language")
        self._max_tokens = inputs.get("maxTokens")
        self._room = self._fitting()

    def _fitting(self) -> int:
        """Return how many tokens of text fit one request, as far as is known."""
        context = self._writer.context
        summary_tokens = self._max_tokens or min(
            self._client.policies.legacy_max_tokens, context // 4
        )
        return max(context - summary_tokens - _OVERHEAD_TOKENS, context // 4, _SMALLEST_TOKENS)

    def summarize(self, text: str) -> Completion:
        """Return the summary of a text."""
        summary = self._final(text)
        parts: list[Completion] = []  # the summaries of the latest round
        while summary is None:
            parts = self._round(text, parts)
            text = _joined(parts)
            if not text.strip():
                return parts[-1]
            summary = self._merged(text, parts)
        return summary

    def _final(self, text: str) -> Completion | None:
        """Return the summary of a text as the caller gets it, None if the text does not fit.

        If it was streamed and broke off, the data of the error is what has arrived.
        """
        try:
            return self._whole(text, streams=True)
        except ConnectorError as error:
            if isinstance(error.data, dict):
                error.data = self._received(error.data)
            raise

    def _received(self, response: Mapping[str, Any]) -> dict[str, Any]:
        choices = response.get("choices") or [{}]
        text = choices[0].get("text") or (choices[0].get("message") or {}).get("content") or ""
        return {
            "summary": text.strip(),
            "model": response.get("model"),
            "choices": response.get("choices"),
            "usage": self._client.usage,
        }

    def _whole(self, text: str, streams: bool = False) -> Completion | None:
        """Return the summary of a text by one request, None if the text does not fit."""
        size = tokens(text)
        if size > self._room:
            return None
        try:
            return self._write(text, streams)
        except ConnectorError as error:
            # The estimate was too low for this text, or the model is unknown.
            if not too_long(error) or size <= _SMALLEST_TOKENS:
                raise
            self._writer.learn(error)
        fitting = self._fitting()
        room = fitting if fitting <= size * 3 // 4 else size // 2
        # A number in a message may be misread: it alone never splits one part into hundreds.
        self._room = min(self._room, max(room, size // 8))
        return None

    def _merged(self, text: str, parts: list[Completion]) -> Completion | None:
        """Return the summary of the joined summaries of a round, None if they do not fit."""
        if tokens(text) > self._room:
            return None
        # In a fan-out, like the parts before it, so that an interrupt keeps what is finished.
        (outcome,) = self._client.each(lambda item: [self._final(item)], [text])
        if isinstance(outcome, ConnectorError):
            outcome.data = outcome.data or _data(text, parts, self._client)
            raise outcome
        return outcome[0]

    def _round(self, text: str, before: list[Completion]) -> list[Completion]:
        """Return the summaries of the parts of a text.

        `before` holds the summaries that the text was joined from; it is empty for the text of
        the user. Raises ConnectorError `invalid_response` if another round would be needed and
        the text has not become half as long. So all rounds together cost at most about twice the
        first.
        """
        # Masked before it is split: half a key would not be recognized.
        text = self._client.mask(text)
        parts = split(text, self._room)
        progress = _Progress(self._client, tokens(text))
        kept: list[list[Completion]] = [[] for _ in parts]
        outcomes = self._client.each(
            lambda index: self._part(parts[index], kept[index], progress),
            range(len(parts)),
            needs_all=True,
        )
        for index, outcome in enumerate(outcomes):
            if not isinstance(outcome, ConnectorError):
                kept[index] = outcome  # it may come from an earlier run of the handler
        made = [summary for summaries in kept for summary in summaries]
        for summary in made:
            if not summary.text.strip():
                reason = summary.finish_reason
                self._client.warn(f"A part of the text got no summary (finish_reason {reason}).")
        error = self._error(outcomes)
        if error is None:
            return made
        # A part that consists of earlier summaries takes the place of the summary it did not get.
        texts = [
            part if before and isinstance(outcome, ConnectorError) else _joined(summaries)
            for part, outcome, summaries in zip(parts, outcomes, kept, strict=True)
        ]
        if before or made:
            finished = "\n\n".join(text for text in texts if text)
            error.data = _data(finished, [*before, *made], self._client)
        raise error

    def _error(self, outcomes: Sequence[Any]) -> ConnectorError | None:
        """Return the error that ended a round: that of an interrupt, else the first one that is not
        `cancelled`. None if there is no error."""
        errors = [outcome for outcome in outcomes if isinstance(outcome, ConnectorError)]
        interrupted = self._client.interrupted
        causes = [error for error in errors if (error.code == "cancelled") == interrupted]
        return next(iter(causes or errors), None)

    def _part(self, text: str, kept: list[Completion], progress: _Progress) -> list[Completion]:
        """Add the summary of a part to `kept`; a part that does not fit is split again."""
        if progress.over:
            raise ConnectorError("cancelled", "Not started: another part of the text failed.")
        try:
            summary = self._whole(text)
            if summary is not None:
                kept.append(summary)
                progress.add(tokens(text), tokens(summary.text), self._room)
                return kept
        except ConnectorError:
            progress.over = True
            raise
        for part in split(text, self._room):
            self._part(part, kept, progress)
        return kept

    def _write(self, text: str, streams: bool) -> Completion:
        note, marked = material.marked(text)
        language = f"in {self._language}" if self._language else "in the language of the text"
        instructions = (
            f"You summarize texts. {note} Respond with a concise summary {language} and nothing "
            "else."
        )
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": marked},
        ]
        return self._writer.write(messages, f"{instructions}\n\n{marked}\n\nSummary:", streams)


class _Progress:
    """Ends a round as soon as it is clear that its summaries do not get shorter. Thread-safe.

    `over` is set once a part of the round has failed, so that no further part is started.
    """

    def __init__(self, client: Client, size: int) -> None:
        self._client = client
        self._size = size
        self._made = 0
        self.over = False
        self._lock = threading.Lock()

    def add(self, size: int, summary: int, room: int) -> None:
        """Count a part of `size` tokens and its `summary` tokens; `room` is what fits one request.

        Raises ConnectorError `invalid_response` if another round would make no progress: the
        summaries neither fit one request nor are they half as long as their text.
        """
        with self._lock:
            self._made += summary
            made = self._made
        # A short last part may well get longer.
        repeats = size >= room // 2 and summary >= size
        if not repeats and made <= max(room, self._size // 2):
            return
        error = self._client.invalid("The model's summaries are not much shorter than their texts.")
        error.hint = "Choose another model, or lower Max Tokens, which limits each summary."
        raise error


def split(text: str, room: int) -> list[str]:
    """Return `text` split into parts of at most about `room` tokens, preferably between paragraphs,
    else between lines, sentences or words."""
    size = max(1, len(text) * room // tokens(text))
    parts = []
    start = 0
    while len(text) - start > size:
        end = start + _cut(text[start : start + size])
        parts.append(text[start:end])
        start = end
    parts.append(text[start:])
    return [part for part in parts if part.strip()] or [text[:size]]


def _cut(window: str) -> int:
    """Return where to end a part: after the best break in the second half of `window`, else at its
    end."""
    half = len(window) // 2
    for mark in _BREAKS:
        ends = [match.end() for match in mark.finditer(window, half)]
        if ends:
            return ends[-1]
    return len(window)
