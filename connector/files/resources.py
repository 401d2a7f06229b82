"""Finds the manifest, the schemas and the icon.

They are next to the package in a checkout, inside it in an installed wheel, and in the archive if
the package is imported from a zip.
"""

from __future__ import annotations

import io
import posixpath
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

LONGEST = 1 << 20
"""The most bytes of a manifest, a schema or a connections file; the usual size is a hundredth."""

_PACKAGE = Path(__file__).parent.parent
_BUNDLE = _PACKAGE / "_bundled"


def text(path: Path) -> str:
    """Return the text of a file; see `read`."""
    with path.open("rb") as file:
        return read(file)


def read(file: IO[bytes]) -> str:
    """Return the text of an open file. Raises ValueError if it has more than LONGEST bytes."""
    data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ValueError(f"larger than {LONGEST} bytes")
    return data.decode()


class _Zipped(PurePosixPath):
    """A file in the zip that this module is imported from, with some of the methods of `Path`."""

    def open(self, mode: str) -> IO[bytes]:
        # The zip is opened each time, because an open one would be shared with forked children.
        loader: Any = __spec__.loader
        return io.BytesIO(loader.get_data(str(self)))

    def is_file(self) -> bool:
        try:
            self.open("rb")
        except OSError:
            return False
        return True

    def resolve(self) -> _Zipped:
        return _Zipped(posixpath.normpath(self))


def root() -> Path:
    """Return the folder that holds `connector.yaml`, `schemas/` and `assets/`.

    Of the paths below it, use only the names, `open`, `is_file` and `resolve`.
    """
    if _BUNDLE.is_dir():
        return _BUNDLE
    if hasattr(__spec__.loader, "archive"):
        return cast(Path, _Zipped(_BUNDLE))
    return _PACKAGE.parent


def manifest() -> Path:
    """Return the bundled manifest: the one that the build compiled to JSON, if there is one."""
    compiled = root() / "connector.json"
    return compiled if compiled.is_file() else root() / "connector.yaml"
