"""One completion for each of many prompts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import partial
from connector.actions.writing import Completion, Writer
from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.text.strict_json import UNPAIRED, is_encodable

if TYPE_CHECKING:
    from connector.client import Client


def create_completions(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return one choice for each prompt, in order, whichever API serves the model.

    Raises ConnectorError `partial_failure`, with the data, if a prompt failed.
    """
    check(inputs, ())
    writer = Writer(client, inputs["model"], inputs.get("maxTokens"))

    models: list[str] = []

    def complete(prompt: str) -> dict[str, Any]:
        completion = writer.write([{"role": "user", "content": prompt}], prompt)
        models[:] = models or [completion.model]
        # Keep only what the result needs: there may be thousands of these in memory.
        return _choice(completion, None)

    outcomes = client.each(complete, inputs["messages"], inputs["concurrency"])
    errors = [outcome for outcome in outcomes if isinstance(outcome, ConnectorError)]
    choices = [_choice(None, o) if isinstance(o, ConnectorError) else o for o in outcomes]
    for index, choice in enumerate(choices):
        choice["index"] = index
    data = {
        "model": models[0] if models else inputs["model"],
        "choices": choices,
        "usage": client.usage,
        "failed": len(errors),
    }
    if data["failed"]:
        raise partial.failure(outcomes, data, client, "prompts")
    return data


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` for prompts that cannot be sent.

    Found later, such a prompt would fail alone, after others were billed.
    """
    problems = [
        problem(f"/inputs/messages/{index}", UNPAIRED, "Messages")
        for index, prompt in enumerate(inputs.get("messages", ()))
        if not is_encodable(prompt)
    ]
    if problems:
        raise error_of("invalid_input", problems)


def _choice(completion: Completion | None, error: ConnectorError | None) -> dict[str, Any]:
    return {
        "index": 0,
        "text": completion.text if completion else None,
        "finish_reason": completion.finish_reason if completion else None,
        "message": completion.message if completion else None,
        "error": error.to_dict() if error else None,
    }
