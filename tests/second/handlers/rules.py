"""The rules between the inputs of embed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from connector.problems import error_of, problem


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Refuse dimensions for the model that has its own."""
    if "dimensions" in inputs and inputs.get("model") == "text-embedding-ada-002":
        row = problem("/inputs/dimensions", "cannot be chosen for this model", "Dimensions")
        raise error_of("invalid_input", [row])
