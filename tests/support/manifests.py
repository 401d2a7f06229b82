"""Connectors with a changed manifest: other models, other policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from connector import Connector
from connector.policy.clock import Clock
from connector.text import safe_yaml

ROOT: Final = Path(__file__).parent.parent.parent


FROZEN: Final = sorted((ROOT / "tests" / "data").glob("manifest-*.yaml"))
"""Manifests as they were released, which must keep working."""


def released_actions() -> list[str]:
    """Return the keys of the actions that users rely on: those of the latest frozen manifest."""
    frozen = safe_yaml.loads(FROZEN[-1].read_text(encoding="utf-8"))
    return [action["key"] for action in frozen["actions"]]


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return every action of the bundled manifest with the inputs of its first example."""
    raw = safe_yaml.loads((ROOT / "connector.yaml").read_text(encoding="utf-8"))
    return [(action["key"], action["examples"][0]["inputs"]) for action in raw["actions"]]


def changed(folder: Path, change: Callable[[dict[str, Any]], object], clock: Clock) -> Connector:
    """Return a connector with the bundled manifest, which `change` has edited in place."""
    raw = safe_yaml.loads((ROOT / "connector.yaml").read_text(encoding="utf-8"))
    change(raw)
    path = folder / "connector.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    schemas = folder / "schemas"
    if not schemas.exists():
        schemas.symlink_to(ROOT / "schemas", target_is_directory=True)
    return Connector.load(path, clock=clock)


def with_policies(folder: Path, policies: Mapping[str, Any] | None, clock: Clock) -> Connector:
    """Return the bundled connector with these policies over its own; None removes all."""

    def change(raw: dict[str, Any]) -> None:
        raw["policies"] = {} if policies is None else {**raw["policies"], **policies}

    return changed(folder, change, clock)


def with_default_model(folder: Path, action: str, model: str, clock: Clock) -> Connector:
    """Return the bundled connector with another default model of an action."""

    def change(raw: dict[str, Any]) -> None:
        (spec,) = [item for item in raw["actions"] if item["key"] == action]
        (entry,) = [item for item in spec["inputs"] if item["key"] == "model"]
        entry["default"] = model

    return changed(folder, change, clock)
