"""Data out of a text, in the shape of a JSON Schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import material
from connector.actions.structured import Asker
from connector.problems import error_of, pointer, problem
from connector.text.strict_json import UNPAIRED, is_encodable
from connector.validation import given

if TYPE_CHECKING:
    from connector.client import Client


def extract_data(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return data that is valid against the schema, the model, and the usage of all requests.

    Raises ConnectorError as `Asker.ask` does.
    """
    check(inputs, ())
    note, text = material.marked(inputs["text"])
    task = f"You extract data from texts. {note} Take only what the text says; invent nothing."
    if "instructions" in inputs:
        task += f" {inputs['instructions']}"
    asker = Asker(client, inputs["model"], inputs["schema"], inputs.get("maxTokens"))
    answer = asker.ask(task, text)
    return {"data": answer.value, "model": answer.model, "usage": client.usage}


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` for a schema that cannot validate, or texts that cannot
    be sent."""
    problems = [
        problem(f"/inputs/schema{pointer(*found.path)}", found.message, "JSON Schema")
        for found in given.problems(inputs.get("schema", {}))
    ]
    problems += [
        problem(f"/inputs/{key}", UNPAIRED, label)
        for key, label in (("text", "Text"), ("instructions", "Instructions"))
        if not is_encodable(inputs.get(key, ""))
    ]
    if problems:
        raise error_of("invalid_input", problems)
