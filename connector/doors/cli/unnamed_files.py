"""Temporary files for bytes that a terminal cannot show and that no --output was given for.

They may have been billed, so they are not thrown away.
"""

from __future__ import annotations

from pathlib import Path

from connector.files.media_types import extension


class UnnamedFiles:
    """Writes files to one new folder, which only the user can read. `written` counts them."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self.written = 0

    def save(self, data: bytes, content_type: str) -> str | None:
        """Return the name of a new file with `data`, None where it cannot be written."""
        import tempfile  # rarely needed, and slow to import

        kind = content_type.partition("/")[0]
        kind = kind if kind in ("image", "audio", "video") else "data"
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="connector-"))
            name = f"{kind}-{self.written + 1}{extension(content_type)}"
            path = self._folder / name
            path.write_bytes(data)
        except OSError:
            return None
        self.written += 1
        return str(path)
