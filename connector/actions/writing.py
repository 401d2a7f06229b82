"""Text completions by the API that serves the model: chat, or the legacy completions API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.actions import chat
from connector.actions.chunks import ChatChunks, TextChunks
from connector.errors import ConnectorError
from connector.providers.error_body import context_of, wants_other_api

if TYPE_CHECKING:
    from connector.client import Client

LEGACY = "/completions"

BYTES_PER_TOKEN = 3
"""English prose has about 4; with 3, estimates err on the safe side. A Chinese or Japanese
character has 3 bytes and is about one token."""

_LEGACY_CONTEXT = 4096
"""The context of an unknown model of the legacy API, in tokens."""

_LEAST_LEGACY = 256
"""The smallest limit sent, even if the estimated prompt leaves less room. The estimate is rather
too high, and a server that has less room states its context."""


def tokens(text: str) -> int:
    """Return an estimate of the tokens in `text`, rather too high than too low."""
    return len(text.encode(errors="replace")) // BYTES_PER_TOKEN + 1


class Completion(NamedTuple):
    """One text from a model.

    `message` is the chat message, None from the legacy API. `choice` is the provider's choice,
    unchanged.
    """

    text: str
    finish_reason: str | None
    message: dict[str, Any] | None
    choice: dict[str, Any]
    model: str


class Writer:
    """Writes completions with one model. Thread-safe.

    The manifest says which API serves the model. If the provider says that the other API does,
    and the other API succeeds, the writer uses that one from then on and adds a warning.

    No lock is needed: the API changes at most once, and each attribute is set in one step.
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
        """The tokens that prompt and completion may have together, as far as is known."""
        return self._context_with(self._legacy)

    def learn(self, error: ConnectorError) -> None:
        """Remember the context that the error of a too long text states, if it states one."""
        context, _ = context_of(error)
        self._context = context or self._context

    def _context_with(self, legacy: bool) -> int:
        default = _LEGACY_CONTEXT if legacy else self._client.policies.default_context_tokens
        return self._context or default

    def write(
        self, messages: Sequence[dict[str, Any]], prompt: str, streams: bool = False
    ) -> Completion:
        """Return the completion of `messages`, or of `prompt` if the legacy API is used.

        With `streams` the caller may see it grow; see `Client.post`.
        """
        legacy = self._legacy
        try:
            return self._write(legacy, messages, prompt, streams)
        except ConnectorError as error:
            if legacy != self._first or not (self._may_switch and wants_other_api(error)):
                raise
            first_error = error.with_traceback(None)  # its frames refer to this one
        try:
            completion = self._write(not legacy, messages, prompt, streams)
        except ConnectorError as error:
            if error.http_status != 404 and not wants_other_api(error):
                raise
        else:
            other = "chat" if legacy else "legacy completions"
            self._client.warn(f"{self._model} is served by the {other} API; it was used instead.")
            self._legacy = not legacy
            return completion
        self._may_switch = False
        raise first_error

    def _write(
        self, legacy: bool, messages: Sequence[dict[str, Any]], prompt: str, streams: bool
    ) -> Completion:
        if legacy:
            return self._complete(prompt, TextChunks if streams else None)
        body = {"model": self._model, "messages": messages}
        chunks = ChatChunks if streams else None
        response = self._limit.post(chat.PATH, body, self._max_tokens, chunks)
        choice = chat.choices(response, self._client)[0]
        message = choice["message"]
        return self._completion(response, choice, message.get("content") or "", message)

    def _complete(self, prompt: str, chunks: type[TextChunks] | None) -> Completion:
        response = self._post_legacy(prompt, chunks)
        choice = chat.indexed(response, self._client)[0]
        text = choice.get("text")
        if not isinstance(text, str):
            raise self._client.invalid("A choice in the response has no text.")
        if self._max_tokens is None and choice.get("finish_reason") == "length":
            self._client.warn("A completion was cut at the default limit; set Max Tokens for more.")
        return self._completion(response, choice, text, None)

    def _post_legacy(self, prompt: str, chunks: type[TextChunks] | None) -> dict[str, Any]:
        # The legacy API stops after 16 tokens by default, and rejects a limit that does not fit
        # its context together with the prompt.
        body = {"model": self._model, "prompt": prompt}
        if self._max_tokens is not None:
            return self._limit.post(LEGACY, body, self._max_tokens, chunks)
        room = self._context_with(legacy=True) - tokens(prompt)
        limit = max(_LEAST_LEGACY, min(self._client.policies.legacy_max_tokens, room))
        try:
            return self._limit.post(LEGACY, body, limit, chunks)
        except ConnectorError as error:
            context, used = context_of(error)
            if context is None:
                raise
            self._context = context
            room = context - (tokens(prompt) if used is None else used)
            if not 0 < room < limit:
                raise
        return self._limit.post(LEGACY, body, room, chunks)

    def _completion(
        self, response: dict[str, Any], choice: dict[str, Any], text: str, message: Any
    ) -> Completion:
        reason = choice.get("finish_reason")
        model = response.get("model")
        return Completion(
            text,
            reason if isinstance(reason, str) else None,
            message,
            choice,
            model if isinstance(model, str) else self._model,
        )
