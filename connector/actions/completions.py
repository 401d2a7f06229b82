"""One answer a prompt, for many prompts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from connector.actions import partial
from connector.actions.writing import Answer, Writer
from connector.client import Client
from connector.errors import ConnectorError, problem, refused
from connector.text.strict_json import UNPAIRED, is_encodable


def create_completions(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return one choice a prompt, in prompt order, whichever API serves the model.

    Raises ConnectorError `partial_failure` with the data where a prompt failed.
    """
    check(inputs, ())
    writer = Writer(client, inputs["model"], inputs.get("maxTokens"))

    served: list[str] = []

    def answer(prompt: str) -> dict[str, Any]:
        found = writer.write([{"role": "user", "content": prompt}], prompt)
        served[:] = served or [found.model]
        # Only what the result will hold: thousands of these wait for the last one.
        return _choice(found, None)

    outcomes = client.each(answer, inputs["messages"], inputs["concurrency"])
    errors = [outcome for outcome in outcomes if isinstance(outcome, ConnectorError)]
    choices = [_choice(None, o) if isinstance(o, ConnectorError) else o for o in outcomes]
    for index, choice in enumerate(choices):
        choice["index"] = index
    data = {
        "model": served[0] if served else inputs["model"],
        "choices": choices,
        "usage": client.usage,
        "failed": len(errors),
    }
    if data["failed"]:
        raise partial.failure(outcomes, data, client, "prompts")
    return data


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError for a text that cannot be sent: it would fail alone, and late."""
    problems = [
        problem(f"/inputs/messages/{index}", UNPAIRED, "Messages")
        for index, prompt in enumerate(inputs.get("messages", ()))
        if not is_encodable(prompt)
    ]
    if problems:
        raise refused("invalid_input", problems)


def _choice(answer: Answer | None, error: ConnectorError | None) -> dict[str, Any]:
    return {
        "index": 0,
        "text": answer.text if answer else None,
        "finish_reason": answer.finish_reason if answer else None,
        "message": answer.message if answer else None,
        "error": error.to_dict() if error else None,
    }
