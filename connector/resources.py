"""Where the manifest, the schemas and the icon lie: beside the package in a checkout, inside it
in an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import IO

LONGEST = 1 << 20
"""Bytes of a manifest, a schema or a file of connections: hundreds of times what one needs."""

_PACKAGE = Path(__file__).parent
_BUNDLE = _PACKAGE / "_bundled"


def text(path: Path) -> str:
    """Return the text of a manifest or the like; see `read`."""
    with path.open("rb") as file:
        return read(file)


def read(file: IO[bytes]) -> str:
    """Return the text of an open file. Raises ValueError for more than LONGEST bytes, whatever it
    holds."""
    data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ValueError(f"larger than {LONGEST} bytes")
    return data.decode()


def root() -> Path:
    """Return the folder that holds `connector.yaml`, `schemas/` and `assets/`."""
    return _BUNDLE if _BUNDLE.is_dir() else _PACKAGE.parent


def manifest() -> Path:
    """Return the bundled manifest, in the form that a built wheel has compiled to JSON if any."""
    compiled = root() / "connector.json"
    return compiled if compiled.is_file() else root() / "connector.yaml"
