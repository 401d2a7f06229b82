"""The file that a binary result is written to, complete or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from connector.errors import ConnectorError
from connector.interruptions import is_external


@contextlib.contextmanager
def _refusals(sent: str) -> Iterator[None]:
    """What the file system refuses is the caller's to mend, and never the network's fault."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        if is_external(error):
            raise
        reason = getattr(error, "strerror", None) or "not a usable name"
    else:
        return
    raise ConnectorError(
        "invalid_input",
        f"Output: the file cannot be written ({reason}).",
        sent=sent,
        hint="Give a file in a folder that exists, may be written to and has room.",
    )


class Sink:
    """Writes to `path` through a temporary file beside it, so that a failure leaves nothing.

    `begin` starts over; `finish` puts the file in place. Of several results the second goes to
    `name-2.suffix`, and so on; a file of that name, which nobody asked to replace, is left alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._target = self._part = path
        self._file: IO[bytes] | None = None
        self.written: list[Path] = []

    def check(self) -> None:
        """Prove that the file can be written, before anything is sent for it.

        Raises ConnectorError `invalid_input`, as the other methods do.
        """
        self.begin()
        self.abort()

    def begin(self) -> None:
        """Start a result, dropping what an earlier attempt wrote."""
        self.abort()
        with _refusals("no"):
            # A link stays: what it leads to is written.
            self._target = Path(os.path.realpath(self._path))
            # A name of its own: another invocation may write to the same path.
            self._part = self._target.with_name(f"{self._target.name}.{os.urandom(4).hex()}.part")
            if self._target.exists() and not self._target.is_file():
                raise IsADirectoryError(0, "it is a folder or a device")
            self._file = self._part.open("wb")

    def write(self, data: bytes) -> None:
        """Add to the result."""
        assert self._file is not None
        with _refusals("unknown"):
            self._file.write(data)

    def finish(self, content_type: str) -> dict[str, Any]:
        """Put the result in place and return what stands for it in `data`; `size` is in bytes."""
        assert self._file is not None
        with _refusals("unknown"):
            self._file.close()  # where the disk is full, this is where it shows
        path = self._next()
        with _refusals("unknown"):
            os.replace(self._part, self._target if path is self._path else path)
            size = path.stat().st_size
        self._file = None
        self.written.append(path)
        return {"file": str(path), "size": size, "contentType": content_type}

    def _next(self) -> Path:
        """Return the file of the next result: the one that was named, then free names beside it."""
        if not self.written:
            return self._path
        number, path = len(self.written) + 1, self._path
        while path.exists():
            path = self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")
            number += 1
        return path

    def save(self, data: bytes, content_type: str) -> dict[str, Any]:
        """Write one whole result; see `finish`."""
        self.begin()
        self.write(data)
        return self.finish(content_type)

    def abort(self) -> None:
        """Drop an unfinished result."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # what is buffered may not fit any more
                file.close()
            with contextlib.suppress(OSError):
                self._part.unlink()
