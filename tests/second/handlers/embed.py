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
    answer = client.post("/embeddings", body, inputs["model"])
    found = sorted(answer["data"], key=lambda item: int(item["index"]))
    return [item["embedding"] for item in found]
