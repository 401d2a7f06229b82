"""Reads the head and the chunk sizes of a response, strictly.

The standard library accepts heads that break off, contradictory lengths and malformed chunk sizes,
so a broken response could look complete. It also parses heads as e-mail, which takes a tenth of the
time of a warm call.
"""

from __future__ import annotations

import http.client
import re

_MAX_INTERIM = 20
_MAX_LINES = 100
_MAX_LINE = 1 << 16

# None of these backtracks over a long line: white space is stripped afterwards.
_BEGINNING = b"HTTP/"
_STATUS = re.compile(rb"HTTP/1\.([0-9]) +([0-9]{3})(?: ([^\r\n\0]*))?\r?\n\Z")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)\r?\n\Z")
_FOLDED = re.compile(rb"[ \t]([^\r\n\0]*)\r?\n\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\n]*)?\r?\n\Z")
_LENGTH = re.compile(r"[0-9]{1,18}\Z")

Pairs = list[tuple[str, str]]


class Malformed(http.client.HTTPException):
    """A malformed head. The server will send the same again, so it is not retried.

    A head that breaks off or was damaged on the way is another exception, because the next response
    may be complete. The message does not quote the head.
    """


class NotHttp(Malformed):
    """Bytes that do not begin like a response. On a reused connection, they may be the rest of an
    earlier response."""


class StrictResponse(http.client.HTTPResponse):
    """The standard library's response, but anything malformed raises `HTTPException`.

    Its headers are `pairs`.
    """

    pairs: Pairs

    def begin(self) -> None:
        """Read the head, skipping the interim ones before it."""
        # The standard library skips only 100, and any number of them: it would take 102 and 103
        # for the response.
        for _ in range(_MAX_INTERIM):
            minor, status, reason = self._status_line()
            pairs = self._header_lines()
            if not 100 <= status < 200 or status == 101:
                break
        else:
            raise Malformed("too many interim responses")
        self.code = self.status = status
        self.reason = reason
        self.version = 11 if minor else 10
        self.pairs = pairs
        self._frame(pairs)

    def _line(self) -> bytes:
        line: bytes = self.fp.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise Malformed("a line that is too long")
        if not line.endswith(b"\n"):
            raise http.client.RemoteDisconnected("the head of the response breaks off")
        return line

    def _status_line(self) -> tuple[int, int, str]:
        # Before `_line`: something that is not HTTP may never end its first line.
        if not _BEGINNING.startswith(self.fp.peek(1)[: len(_BEGINNING)]):
            raise NotHttp("not HTTP")
        match = _STATUS.match(self._line())
        if not match:
            raise Malformed("a bad status line")
        return int(match[1]), int(match[2]), (match[3] or b"").decode("latin-1").strip()

    def _header_lines(self) -> Pairs:
        pairs: Pairs = []
        for _ in range(_MAX_LINES + 1):
            line = self._line()
            if line in (b"\r\n", b"\n"):
                return pairs
            if match := _HEADER.match(line):
                pairs.append((match[1].decode(), match[2].decode("latin-1").strip(" \t")))
            elif pairs and (match := _FOLDED.match(line)):  # old servers fold lines
                name, value = pairs[-1]
                more = match[1].decode("latin-1").strip(" \t")
                pairs[-1] = name, f"{value} {more}".strip(" \t")
            else:
                raise Malformed("a bad header line")
        raise Malformed("too many header lines")

    def _frame(self, pairs: Pairs) -> None:
        """Decide where the body ends, and whether the connection ends with it."""
        codings = [value.lower() for value in _named("transfer-encoding", pairs)]
        if codings and codings != ["chunked"]:
            raise Malformed("an unknown transfer coding")
        lines = _named("content-length", pairs)
        lengths = {length.strip() for line in lines for length in line.split(",")}
        if len(lengths) > 1 or not all(_LENGTH.match(length) for length in lengths):
            raise Malformed("a bad length")
        self.chunked = bool(codings)
        self.chunk_left = None
        self.length = int(lengths.pop()) if lengths and not codings else None
        if self.status in (204, 304) or self._method == "HEAD":  # type: ignore[attr-defined] # not in typeshed
            self.length = 0
        kept = ",".join(_named("connection", pairs)).lower()
        ends = "close" in kept if self.version == 11 else "keep-alive" not in kept
        self.will_close = ends or (self.length is None and not self.chunked)

    def _read_next_chunk_size(self) -> int:
        # The standard library would take "-5", "1_0" and "0x10".
        match = _CHUNK.match(self.fp.readline(1026))
        if not match:
            self._close_conn()  # type: ignore[attr-defined] # not in typeshed
            raise http.client.IncompleteRead(b"")
        return int(match.group(1), 16)


def _named(name: str, pairs: Pairs) -> list[str]:
    return [value for key, value in pairs if key.lower() == name]
