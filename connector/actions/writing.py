"""One text answer by whichever API serves the model: chat, or the legacy completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from connector.actions import chat
from connector.client import Client
from connector.errors import ConnectorError
from connector.providers.error_body import context_of, wants_other_api

LEGACY = "/completions"

_BYTES_PER_TOKEN = 3
"""Fewer than the 4 or so of English prose, so that an estimate errs on the safe side; about one
character of Chinese or Japanese."""

_LEGACY_CONTEXT = 4096
"""What a model of the legacy API holds where nothing is known of it."""

_LEAST_LEGACY = 256
"""Asked for where the estimate leaves less: it is rather too high, and a server that really has no
such room says how much there is."""


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
    other one, and the other one answers, the writer switches: once, for itself and with a warning.
    Thread-safe without a lock: what it learns only ever changes one way.
    """

    def __init__(self, client: Client, model: str, max_tokens: int | None) -> None:
        self._client = client
        self._model = model
        self._max_tokens = max_tokens
        self._limit = chat.TokenLimit(client)
        facts = client.facts(model)
        self._context = facts.context_tokens
        self._first = client.provider.legacy and facts.api == "completions"
        self._legacy = self._first
        self._may_switch = self._first or client.provider.legacy

    @property
    def context(self) -> int:
        """The tokens that prompt and answer may have together, as far as is known by now."""
        return self._context_with(self._legacy)

    def learn(self, error: ConnectorError) -> None:
        """Take the context that a refusal for a text's length tells, if it tells one."""
        context, _ = context_of(error)
        self._context = context or self._context

    def _context_with(self, legacy: bool) -> int:
        default = _LEGACY_CONTEXT if legacy else self._client.policies.default_context_tokens
        return self._context or default

    def write(self, messages: Sequence[dict[str, Any]], prompt: str) -> Answer:
        """Return the answer to `messages`, or to `prompt` where the legacy API serves."""
        legacy = self._legacy
        try:
            return self._write(legacy, messages, prompt)
        except ConnectorError as error:
            if legacy != self._first or not (self._may_switch and wants_other_api(error)):
                raise
            refusal = error.with_traceback(None)  # its frames would keep this one alive
        try:
            answer = self._write(not legacy, messages, prompt)
        except ConnectorError as error:
            if error.http_status != 404 and not wants_other_api(error):
                raise
        else:
            other = "chat" if legacy else "legacy completions"
            self._client.warn(f"{self._model} is served by the {other} API; it was used instead.")
            self._legacy = not legacy
            return answer
        self._may_switch = False
        raise refusal

    def _write(self, legacy: bool, messages: Sequence[dict[str, Any]], prompt: str) -> Answer:
        if legacy:
            return self._complete(prompt)
        body = {"model": self._model, "messages": messages}
        answer = self._limit.post(chat.PATH, body, self._max_tokens)
        choice = chat.choices(answer, self._client)[0]
        message = choice["message"]
        return self._answer(answer, choice, message.get("content") or "", message)

    def _complete(self, prompt: str) -> Answer:
        answer = self._post_legacy(prompt)
        choice = chat.indexed(answer, self._client)[0]
        text = choice.get("text")
        if not isinstance(text, str):
            raise self._client.invalid("A choice of the answer has no text.")
        if self._max_tokens is None and choice.get("finish_reason") == "length":
            self._client.warn("An answer was cut at the default limit: set Max Tokens for more.")
        return self._answer(answer, choice, text, None)

    def _post_legacy(self, prompt: str) -> dict[str, Any]:
        # The legacy API stops after 16 tokens unless told otherwise, and refuses what does not
        # fit its context together with the prompt.
        body = {"model": self._model, "prompt": prompt}
        if self._max_tokens is not None:
            return self._limit.post(LEGACY, body, self._max_tokens)
        room = self._context_with(legacy=True) - tokens(prompt)
        limit = max(_LEAST_LEGACY, min(self._client.policies.legacy_max_tokens, room))
        try:
            return self._limit.post(LEGACY, body, limit)
        except ConnectorError as error:
            context, used = context_of(error)
            if context is None:
                raise
            self._context = context
            room = context - (tokens(prompt) if used is None else used)
            if not 0 < room < limit:
                raise
        return self._limit.post(LEGACY, body, room)

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
