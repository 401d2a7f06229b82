"""Answers that fit a JSON Schema: asked for by the best means of the server, and validated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.actions import chat
from connector.errors import ConnectorError
from connector.problems import pointer, problem
from connector.providers.error_body import names
from connector.text import strict_json
from connector.validation import given
from connector.validation.messages import Problem
from connector.validation.validator import Validator

if TYPE_CHECKING:
    from connector.client import Client

_FORMAT = "response_format"
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
"""Some models put JSON into a Markdown block, whatever they are told."""

_MOST_PROBLEMS = 50
"""Problems that a repair and an error list."""

Messages = Sequence[Mapping[str, Any]]


class Answer(NamedTuple):
    """A valid answer: its value, the text that holds it, the provider's choice, the model."""

    value: Any
    text: str
    choice: Mapping[str, Any]
    model: str


class Asker:
    """Asks one model for answers that fit one schema.

    It sends the schema in `response_format`. A server that rejects this is asked for any JSON, and
    then only in words. With `weighs`, log probabilities are asked for, if the model has them.
    """

    def __init__(
        self,
        client: Client,
        model: str,
        schema: Mapping[str, Any],
        max_tokens: int | None = None,
        weighs: bool = False,
    ) -> None:
        self._client = client
        self._model = model
        self._schema = schema
        self._validator = Validator(schema)
        self._max_tokens = max_tokens
        self._limit = chat.TokenLimit(client)
        self._formats = _formats(schema)
        self._weighs = weighs and not client.facts(model).reasoning

    def ask(self, task: str, content: str) -> Answer:
        """Return the answer to `content`, for which `task` holds the instructions.

        An answer that does not fit gets one repair, for which the model is shown its problems.
        Raises ConnectorError `invalid_response`, with the problems, if it still does not fit, and
        `content_filtered` if the model or a filter refuses.
        """
        messages: list[Mapping[str, Any]] = [{"role": "user", "content": content}]
        answer, problems = self._try(task, messages)
        if problems:
            messages += [
                {"role": "assistant", "content": answer.text},
                {"role": "user", "content": _repair(problems)},
            ]
            answer, problems = self._try(task, messages)
        if problems:
            raise self._misfit(problems)
        return answer

    def _try(self, task: str, messages: Messages) -> tuple[Answer, list[Problem]]:
        response = self._send(task, messages)
        choice = chat.choices(response, self._client)[0]
        text = choice["message"].get("content") or ""
        self._check_whole(choice)
        model = response.get("model")
        model = model if isinstance(model, str) else self._model
        try:
            value = _value(text)
        except ValueError as error:
            return Answer(None, text, choice, model), [Problem((), f"is not JSON ({error})")]
        return Answer(value, text, choice, model), self._validator.problems(value)

    def _send(self, task: str, messages: Messages) -> dict[str, Any]:
        while True:
            system = {"role": "system", "content": f"{task} {self._wording()}"}
            body: dict[str, Any] = {"model": self._model, "messages": [system, *messages]}
            if self._formats:
                body[_FORMAT] = self._formats[0]
            if self._weighs:
                body["logprobs"] = True
            try:
                return self._limit.post(chat.PATH, body, self._max_tokens)
            except ConnectorError as error:
                if not self._gives_way(error):
                    raise

    def _wording(self) -> str:
        """Return the sentence that asks for JSON, with the schema unless the server enforces it."""
        if self._formats and "strict" in self._formats[0].get("json_schema", ()):
            return "Respond with JSON and nothing else."
        schema = strict_json.dumps(self._schema).decode()
        return f"Respond with JSON that fits this JSON Schema, and nothing else:\n{schema}"

    def _gives_way(self, error: ConnectorError) -> bool:
        """Whether the request can be sent in another form, because the server rejected this one."""
        if self._weighs and names(error, "logprobs"):
            self._weighs = False
            return True
        param = error.provider_param or ""
        if self._formats and (names(error, _FORMAT) or param.startswith(f"{_FORMAT}.")):
            del self._formats[0]
            return True
        return False

    def _check_whole(self, choice: Mapping[str, Any]) -> None:
        """Raise ConnectorError for an answer that is a refusal, or that broke off."""
        reason, refusal = choice.get("finish_reason"), choice["message"].get("refusal")
        if refusal:
            raise self._refused(f"The model refused: {str(refusal)[:500]}", "refusal")
        if reason == "content_filter":
            raise self._refused("A content filter stopped the answer.", "content_filter")
        if reason == "length":
            error = self._client.invalid("The answer was cut at the token limit.")
            error.hint = "Raise Max Tokens, or ask for less."
            raise error

    def _refused(self, message: str, code: str) -> ConnectorError:
        hint = "Change the text or the instructions."
        return ConnectorError(
            "content_filtered", message, sent="unknown", provider_code=code, hint=hint
        )

    def _misfit(self, problems: Sequence[Problem]) -> ConnectorError:
        first = problems[0]
        at = pointer(*first.path) or "it"
        error = self._client.invalid(
            f"The model's answer does not fit the schema, even after a repair: {at} "
            f"{first.message}."
        )
        error.hint = "Choose another model, or simplify the schema."
        error.details = [
            problem(pointer("data", *found.path), found.message)
            for found in problems[:_MOST_PROBLEMS]
        ]
        return error


def _formats(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of `response_format` to try, the best first."""
    wanted: dict[str, Any] = {"name": "answer", "schema": schema}
    if given.is_closed(schema):  # what the provider's strict mode takes
        wanted["strict"] = True
    return [{"type": "json_schema", "json_schema": wanted}, {"type": "json_object"}]


def _value(text: str) -> Any:
    """Return the JSON value of a text. Raises ValueError if there is none."""
    fenced = _FENCE.match(text)
    return strict_json.loads(fenced[1] if fenced else text)


def _repair(problems: Sequence[Problem]) -> str:
    rows = "\n".join(f"{pointer(*p.path) or '/'}: {p.message}" for p in problems[:_MOST_PROBLEMS])
    return (
        f"The JSON does not fit the schema:\n{rows}\nRespond with the corrected JSON and nothing "
        "else."
    )
