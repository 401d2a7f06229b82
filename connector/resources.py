"""Where the manifest, the schemas and the icon lie: beside the package in a checkout, inside it
in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_BUNDLE = _PACKAGE / "_bundled"


def root() -> Path:
    """Return the folder that holds `connector.yaml`, `schemas/` and `assets/`."""
    return _BUNDLE if _BUNDLE.is_dir() else _PACKAGE.parent


def manifest() -> Path:
    """Return the bundled manifest, in the form that a built wheel has compiled to JSON if any."""
    compiled = root() / "connector.json"
    return compiled if compiled.is_file() else root() / "connector.yaml"
