"""Parses server-sent events, as the HTML standard describes them."""

from __future__ import annotations

from collections.abc import Iterator

from connector.errors import ConnectorError


class EventParser:
    """Turns the bytes of a stream into the data of its events; names, ids and delays are ignored.

    An event that never ends is refused once it is longer than `most` bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._is_start = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of every event that is complete. Raises ConnectorError
        `response_too_large`."""
        text = self._rest + piece
        if self._is_start and text:
            if b"\xef\xbb\xbf".startswith(text[:3]) and len(text) < 3:
                self._rest = text
                return
            self._is_start = False
            text = text.removeprefix(b"\xef\xbb\xbf")
        # A line ends with CR LF, LF or CR. A CR at the end may be half of a pair.
        if text.endswith(b"\r"):
            text, held = text[:-1], b"\r"
        else:
            held = b""
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest = lines.pop() + held
        for line in lines:
            if line:
                self._add(line)
            elif self._lines:
                yield b"\n".join(self._lines)
                self._lines, self._size = [], 0
        if self._size + len(self._rest) > self._most:
            raise ConnectorError(
                "response_too_large",
                f"An event of the stream is larger than {self._most} bytes.",
                sent="unknown",
            )

    def _add(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._lines.append(value.removeprefix(b" "))
            self._size += len(value)
