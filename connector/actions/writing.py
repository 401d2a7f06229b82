"""One text answer by whichever API serves the model: chat, or the legacy completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from connector.actions import chat
from connector.errors import ConnectorError
from connector.transport.client import Client
from connector.transport.refusal import wants_other_api

LEGACY = "/completions"

_BYTES_PER_TOKEN = 3
"""Fewer than the 4 or so of English prose, so that an estimate errs on the safe side; about one
character of Chinese or Japanese."""


def tokens(text: str) -> int:
    """Return an estimate, rather too high than too low, of the tokens of `text`."""
    return len(text.encode(errors="replace")) // _BYTES_PER_TOKEN + 1


class Answer(NamedTuple):
    """One answer. `message` is None where the legacy API gave it; `choice` is the provider's."""

    text: str
    finish_reason: str | None
    message: dict[str, Any] | None
    choice: dict[str, Any]
    model: str


class Writer:
    """Writes answers with one model.

    The manifest says which API serves it; where the provider answers that it belongs to the
    other one, the writer switches, for itself and with a warning. Thread-safe.
    """

    def __init__(self, client: Client, model: str, max_tokens: int | None) -> None:
        self._client = client
        self._model = model
        self._max_tokens = max_tokens
        self._limit = chat.TokenLimit(client)
        facts = client.facts(model)
        self.context = facts.context_tokens or client.policies.default_context_tokens
        self.legacy = client.provider.legacy and facts.api == "completions"

    def write(self, messages: Sequence[dict[str, Any]], prompt: str) -> Answer:
        """Return the answer to `messages`, or to `prompt` where the legacy API serves."""
        legacy = self.legacy
        try:
            return self._write(legacy, messages, prompt)
        except ConnectorError as error:
            if not wants_other_api(error) or not (legacy or self._client.provider.legacy):
                raise
        other = "chat" if legacy else "legacy completions"
        self._client.warn(f"{self._model} is served by the {other} API; it was used instead.")
        self.legacy = not legacy
        return self._write(not legacy, messages, prompt)

    def _write(self, legacy: bool, messages: Sequence[dict[str, Any]], prompt: str) -> Answer:
        if legacy:
            return self._complete(prompt)
        body = {"model": self._model, "messages": messages}
        answer = self._limit.post(chat.PATH, body, self._max_tokens)
        choice = chat.choices(answer, self._client)[0]
        message = choice["message"]
        return self._answer(answer, choice, message.get("content") or "", message)

    def _complete(self, prompt: str) -> Answer:
        body = {"model": self._model, "prompt": prompt}
        answer = self._limit.post(LEGACY, body, self._legacy_limit(prompt))
        choice = chat.indexed(answer, self._client)[0]
        text = choice.get("text")
        if not isinstance(text, str):
            raise self._client.invalid("A choice of the answer has no text.")
        return self._answer(answer, choice, text, None)

    def _legacy_limit(self, prompt: str) -> int:
        # The legacy API stops after 16 tokens unless told otherwise, and refuses what does not
        # fit its context together with the prompt.
        if self._max_tokens is not None:
            return self._max_tokens
        room = self.context - tokens(prompt)
        return max(16, min(self._client.policies.legacy_max_tokens, room))

    def _answer(
        self, answer: dict[str, Any], choice: dict[str, Any], text: str, message: Any
    ) -> Answer:
        reason = choice.get("finish_reason")
        model = answer.get("model")
        return Answer(
            text,
            reason if isinstance(reason, str) else None,
            message,
            choice,
            model if isinstance(model, str) else self._model,
        )
