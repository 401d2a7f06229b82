"""Moderation: which texts the provider's rules do not allow, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.client import Client

PATH = "/moderations"


def moderate_text(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the provider's result for each text, in the order of the texts, the model, and
    whether any text is flagged."""
    given = inputs["input"]
    response = client.post(PATH, {"model": inputs["model"], "input": given}, inputs["model"])
    results = response.get("results")
    count = 1 if isinstance(given, str) else len(given)
    if not isinstance(results, list) or len(results) != count:
        raise client.invalid(f"The response does not have one result for each text ({count}).")
    verdicts = [item.get("flagged") if isinstance(item, dict) else None for item in results]
    if not all(isinstance(flagged, bool) for flagged in verdicts):
        raise client.invalid("A result in the response does not say whether the text is flagged.")
    model = response.get("model")
    return {
        "flagged": any(verdicts),
        "results": results,
        "model": model if isinstance(model, str) else inputs["model"],
    }
