"""Vectors of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.client import Client

from . import rules


def embed(inputs: Mapping[str, Any], client: Client) -> list[list[float]]:
    """Return one vector a text, in their order."""
    rules.check(inputs, ())
    body = {"model": inputs["model"], "input": inputs["texts"]}
    if "dimensions" in inputs:
        body["dimensions"] = inputs["dimensions"]
    rows = client.post("/embeddings", body, inputs["model"]).get("data")
    if not rows:
        raise client.invalid("The response has no vectors.")
    return [row["embedding"] for row in sorted(rows, key=lambda row: int(row["index"]))]
