"""The head and the chunks of an answer, read strictly.

What the standard library lets through would pass a broken answer for a whole one: a head that
breaks off, lengths that contradict each other, chunk sizes that are none. Nothing here sends.
"""

from __future__ import annotations

import http.client
import re
from typing import Any

from urllib3.util.response import assert_header_parsing

_MAX_INTERIM = 20


class StrictResponse(http.client.HTTPResponse):
    """The standard library's response, whose every doubt is an `HTTPException`."""

    def begin(self) -> None:
        stream = self.fp
        self.fp = _Lines(stream)  # type: ignore[assignment] # all that is used of it here
        try:
            super().begin()
        finally:
            if self.fp is not None:  # else it was given up and closed
                self.fp = stream
        if self.headers.defects or self.headers.get_payload():
            # urllib3 would only log what it cannot parse, and go on without the headers after it.
            assert_header_parsing(self.headers)
        _check_framing(self.headers)

    def _read_status(self) -> tuple[str, int, str]:
        # The standard library skips 100 only, and any number of them: 102 and 103 would be taken
        # for the answer.
        for _ in range(_MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc] # not in typeshed
            if not 100 <= status < 200 or status == 101:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("too many interim answers")

    def _read_next_chunk_size(self) -> int:
        # The standard library would take "-5", "1_0" and "0x10".
        line = self.fp.readline(1026)
        match = re.match(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\n]*)?\r?\n\Z", line)
        if not match:
            self._close_conn()  # type: ignore[attr-defined] # not in typeshed
            raise http.client.IncompleteRead(b"")
        return int(match.group(1), 16)


class _Lines:
    """A stream of which only whole lines are read: the standard library takes a head that breaks
    off for one that is complete."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.close = stream.close

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            raise http.client.RemoteDisconnected("the head of the answer breaks off")
        return line


def _check_framing(headers: http.client.HTTPMessage) -> None:
    codings = headers.get_all("transfer-encoding") or []
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise http.client.UnknownTransferEncoding("transfer-encoding")
    lengths = {
        length.strip()
        for line in headers.get_all("content-length") or []
        for length in line.split(",")
    }
    if len(lengths) > 1 or not all(re.match(r"[0-9]{1,18}\Z", length) for length in lengths):
        raise http.client.HTTPException("content-length")
