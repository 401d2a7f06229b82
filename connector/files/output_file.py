"""The file that a binary result is written to, completely or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from connector.errors import ConnectorError, Sent
from connector.files import media_types
from connector.runtime.interruptions import is_external


@contextlib.contextmanager
def _file_errors(sent: Sent) -> Iterator[None]:
    """Turn file system errors into `invalid_input`, because callers can fix them.

    Otherwise they would look like network errors.
    """
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
        hint="Give a file that may be written, in a folder that exists and has room.",
    )


def _check_writable(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(0, "it is a folder or a device")
    if not found.st_mode & 0o222:
        raise PermissionError(0, "it is read-only")  # root could open it anyway
    os.close(os.open(path, os.O_WRONLY))


def _create(path: Path, mode: int) -> IO[bytes]:
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))


def _copy_owner_and_mode(descriptor: int, old: os.stat_result) -> None:
    """Give the open file the owner and the mode of the file that it will replace."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError:
            raise PermissionError(0, "its owner and group could not be kept") from None
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


class OutputFile:
    """Writes to `path` through a temporary file next to it, so that a failure leaves nothing.

    `begin` starts over, `finish` moves the file into place. A second result goes to
    `name-2.suffix`, and so on; if such a file exists, it is kept and the next number is used. A
    replaced file keeps its owner and mode; the temporary file and further results get them too.
    Other hard links to it keep the old content. A new file gets the mode that the umask allows.
    `warnings` says where the extension of a name does not fit the content.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._target = self._part = path
        self._file: IO[bytes] | None = None
        self.written: list[Path] = []
        self.warnings: list[str] = []

    def check(self) -> None:
        """Check that the file can be written, before anything is sent.

        Raises ConnectorError `invalid_input`, as the other methods do.
        """
        self.begin()
        self.abort()

    def begin(self) -> None:
        """Start a result; what an earlier attempt wrote is deleted."""
        self.abort()
        with _file_errors("no"):
            # A link is kept and its target is written. Further results go next to the link.
            self._target = self._path if self.written else Path(os.path.realpath(self._path))
            # A unique name, because another invocation may write to the same path.
            self._part = self._target.with_name(f"{self._target.name}.{os.urandom(4).hex()}.part")
            old = self._target.stat() if self._target.exists() else None
            if old is not None and not self.written:
                _check_writable(self._target, old)
            # Never with more permissions than the final file, not even for a moment.
            self._file = _create(self._part, 0o666 if old is None else old.st_mode & 0o600)
            if old is not None and hasattr(os, "fchown"):  # Windows has no owners
                _copy_owner_and_mode(self._file.fileno(), old)

    def write(self, data: bytes) -> None:
        """Append to the result."""
        assert self._file is not None
        with _file_errors("unknown"):
            self._file.write(data)

    def finish(self, content_type: str) -> dict[str, Any]:
        """Move the file into place and return its description for `data`; `size` is in bytes."""
        assert self._file is not None
        with _file_errors("unknown"):
            self._file.close()  # a full disk may be noticed only here
        path = self._next()
        with _file_errors("unknown"):
            os.replace(self._part, self._target if path is self._path else path)
            size = path.stat().st_size
        self._file = None
        self.written.append(path)
        if right := media_types.right_extension(path, content_type):
            found = f"the content is {content_type}, but the name ends in {path.suffix}"
            self.warnings = [f"Output: {found}; {right} is the right extension."]
        return {"file": str(path), "size": size, "contentType": content_type}

    def _next(self) -> Path:
        """Return the path of the next result: the given one, then unused ones next to it."""
        if not self.written:
            return self._path
        number, path = len(self.written) + 1, self._path
        while path.exists():
            path = self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")
            number += 1
        return path

    def save(self, data: bytes, content_type: str) -> dict[str, Any]:
        """Write a whole result; see `finish`."""
        self.begin()
        self.write(data)
        return self.finish(content_type)

    def abort(self) -> None:
        """Delete an unfinished result."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # the rest of the buffer may not fit on the disk
                file.close()
            with contextlib.suppress(OSError):
                self._part.unlink()
