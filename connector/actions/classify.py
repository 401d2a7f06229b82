"""Labels for a text: which of the caller's own fit, and how sure the model is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import material
from connector.actions.structured import Answer, Asker
from connector.problems import error_of, problem
from connector.text.strict_json import UNPAIRED, is_encodable

if TYPE_CHECKING:
    from connector.client import Client

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
"""A text in JSON. In an answer the first is the property's name, the others are labels."""


def classify_text(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the labels that fit, each with the model's confidence from 0 to 1, the model, and the
    usage.

    Without `multiple` it is exactly one label. A confidence is null if the model gives no log
    probabilities. Raises ConnectorError as `Asker.ask` does; a label that is not among the caller's
    does not fit.
    """
    check(inputs, ())
    note, text = material.marked(inputs["text"])
    labels, several = inputs["labels"], inputs["multiple"]
    wanted = "all labels that fit the text, none if none fits" if several else "the best label"
    listed = json.dumps(labels, ensure_ascii=False)
    task = f"You classify texts. {note} Choose {wanted}, from these only: {listed}."
    if "instructions" in inputs:
        task += f" {inputs['instructions']}"
    asker = Asker(client, inputs["model"], _schema(labels, several), weighs=True)
    answer = asker.ask(task, text)
    chosen = answer.value["labels"] if several else [answer.value["label"]]
    found: dict[str, float | None] = {}
    for label, confidence in zip(chosen, _confidences(answer, chosen), strict=True):
        found.setdefault(label, confidence)  # a model may repeat itself
    return {
        "labels": [{"label": label, "confidence": sure} for label, sure in found.items()],
        "model": answer.model,
        "usage": client.usage,
    }


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` for labels that are given twice, or texts that cannot be
    sent."""
    labels = inputs.get("labels", [])
    problems = [
        problem(f"/inputs/labels/{index}", "is given twice", "Labels")
        for index, label in enumerate(labels)
        if labels.index(label) != index
    ]
    texts = {
        "text": ("Text", inputs.get("text", "")),
        "instructions": ("Instructions", inputs.get("instructions", "")),
        **{f"labels/{index}": ("Labels", label) for index, label in enumerate(labels)},
    }
    problems += [
        problem(f"/inputs/{place}", UNPAIRED, label)
        for place, (label, text) in texts.items()
        if not is_encodable(text)
    ]
    if problems:
        raise error_of("invalid_input", problems)


def _schema(labels: list[str], several: bool) -> dict[str, Any]:
    label = {"type": "string", "enum": labels}
    name, part = ("labels", {"type": "array", "items": label}) if several else ("label", label)
    return {
        "type": "object",
        "properties": {name: part},
        "required": [name],
        "additionalProperties": False,
    }


def _confidences(answer: Answer, chosen: list[str]) -> list[float | None]:
    """Return the probability of each chosen label: that of all its tokens together.

    None if there are no log probabilities, or they are not of this text.
    """
    text = answer.text.encode()
    places = [found.span() for found in re.finditer(_TEXT.pattern.encode(), text, re.DOTALL)][1:]
    tokens = [*_tokens(answer.choice)]
    if b"".join(token for token, _ in tokens) != text or len(places) != len(chosen):
        return [None] * len(chosen)
    sums = [0.0] * len(chosen)
    start = 0
    for token, weight in tokens:
        end = start + len(token)
        for at, (first, last) in enumerate(places):
            if start < last - 1 and end > first + 1:  # within the quotation marks
                sums[at] += weight
        start = end
    return [round(math.exp(total), 6) for total in sums]


def _tokens(choice: Mapping[str, Any]) -> Iterator[tuple[bytes, float]]:
    """Yield the tokens of a choice, as bytes, with their log probabilities."""
    weights = choice.get("logprobs")
    rows = weights.get("content") if isinstance(weights, dict) else None
    for row in rows if isinstance(rows, list) else ():
        match row:
            case {"bytes": list(codes), "logprob": int() | float() as weight}:
                yield bytes(code for code in codes if code in range(256)), _logarithm(weight)
            case {"token": str(token), "logprob": int() | float() as weight}:
                yield token.encode(errors="replace"), _logarithm(weight)


def _logarithm(value: float) -> float:
    """Return a log probability within its bounds; providers send -9999 for "almost never"."""
    return float(max(-9999, min(value, 0)))
