"""The body of a response: read in pieces, up to exact limits of its size and compression."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from connector.errors import ConnectorError
from connector.http import body
from connector.http.response_head import Malformed
from connector.text.secrets import MASK, Secret

PIECE = 1 << 16
MIB = 1 << 20
ENDLESS = 1 << 40
"""A limit that is of no concern."""

GZIP = {"content-encoding": "gzip"}
DEFLATE = {"content-encoding": "deflate"}
NAMED = b"\x1f\x8b\x08\x08" + bytes(6)
"""The head of a member of gzip, up to a name that may have any length."""


class Raw:
    """A response: the bytes that arrived, of which a read takes as many as it says.

    `pieces`: one a read instead, however long.
    """

    def __init__(
        self, content: bytes = b"", length: int | None = None, pieces: Iterable[Any] = ()
    ) -> None:
        self.content = content
        self.length = length
        self.pieces = list(pieces)
        self.sizes: list[int | None] = []

    def read(self, size: int | None = None) -> bytes:
        self.sizes.append(size)
        if self.pieces:
            piece = self.pieces.pop(0)
            if isinstance(piece, BaseException):
                raise piece
            assert isinstance(piece, bytes)
            return piece
        found, self.content = self.content[:size], self.content[len(self.content[:size]) :]
        if self.length is not None:
            self.length -= len(found)
        return found


def whole(content: bytes, headers: Mapping[str, str] | None = None, limit: int = ENDLESS) -> bytes:
    return body.whole(Raw(content), headers or {}, limit)


def zipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def bare(content: bytes) -> bytes:
    """Deflate without a head."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeeze.compress(content) + squeeze.flush()


def padded(content: bytes, size: int) -> bytes:
    """Compress to exactly so many bytes: the name in the head is as long as it has to be."""
    checked = zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    rest = b"\0" + bare(content) + checked
    assert len(NAMED) + len(rest) <= size
    return NAMED + b"n" * (size - len(NAMED) - len(rest)) + rest


# How much is read at once


def test_a_body_whose_length_is_known_takes_one_read() -> None:
    for size in (0, 1, 1000):
        raw = Raw(b"x" * size, length=size)
        assert body.whole(raw, {}, 1000) == b"x" * size
        assert raw.sizes == [None]


def test_a_body_with_too_large_a_length_is_not_read() -> None:
    raw = Raw(b"x" * 1001, length=1001)
    with pytest.raises(ConnectorError) as caught:
        body.whole(raw, {}, 1000)
    assert raw.sizes == []
    error = caught.value
    assert (error.code, error.sent) == ("response_too_large", "unknown")
    assert error.message == "The response is larger than 1000 bytes."
    assert "maxResponseBytes" in (error.hint or "")


def test_a_body_of_any_other_length_is_read_in_pieces() -> None:
    content = bytes(range(256)) * 1000
    for raw, headers in (
        (Raw(content), {}),
        (Raw(zipped(content), length=len(zipped(content))), GZIP),
    ):
        assert body.whole(raw, headers, ENDLESS) == content
        assert set(raw.sizes) == {PIECE}


@pytest.mark.parametrize(
    ("content", "headers"),
    [(zipped(bytes(MIB)), GZIP), (zlib.compress(bytes(MIB)), DEFLATE)],
    ids=["gzip", "deflate"],
)
def test_what_grows_is_handed_on_in_pieces(content: bytes, headers: Mapping[str, str]) -> None:
    pieces = list(body.decoded(Raw(content), headers, ENDLESS))
    assert b"".join(pieces) == bytes(MIB)
    assert max(map(len, pieces)) == PIECE


@pytest.mark.parametrize("size", [999, 1000, PIECE, PIECE + 1, 3 * PIECE - 1])
def test_the_limit_is_exact_however_many_pieces_there_are(size: int) -> None:
    content = b"x" * size
    for read, headers in ((content, {}), (zipped(content), GZIP)):
        assert whole(read, headers, size) == content
        with pytest.raises(ConnectorError, match=f"The response is larger than {size - 1} bytes"):
            whole(read, headers, size - 1)


# Codings


@pytest.mark.parametrize("name", ["gzip, gzip", "gzip, deflate", "deflate,gzip,gzip", "br", "gzi"])
def test_an_unknown_coding_is_not_a_broken_body(name: str) -> None:
    """No other attempt follows: the server would send the same."""
    with pytest.raises(Malformed, match="unknown content coding"):
        whole(zipped(b"x"), {"content-encoding": name})


@pytest.mark.parametrize("size", [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE])
def test_each_coding_can_be_decoded(size: int) -> None:
    for content in (bytes(size), bytes(range(251)) * (size // 251)):
        assert whole(zipped(content), GZIP) == content
        assert whole(zlib.compress(content), DEFLATE) == content
        assert whole(bare(content), DEFLATE) == content
        halves = zipped(content[: size // 2]) + zipped(content[size // 2 :])
        assert whole(halves, GZIP) == content


def test_a_body_that_arrives_byte_by_byte_is_read() -> None:
    content = b"The tide tables were first printed in 1861."
    for coded, headers in (
        (zipped(content) * 2, GZIP),
        (zlib.compress(content), DEFLATE),
        (bare(content), DEFLATE),
    ):
        raw = Raw(pieces=[coded[at : at + 1] for at in range(len(coded))])
        assert body.whole(raw, headers, ENDLESS) in (content, content * 2)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (zlib.compress(b"text"), GZIP),
        (bare(b"text"), GZIP),
        (zipped(b"text"), DEFLATE),
        (b"text", GZIP),
        (zipped(b"text") + b"more", GZIP),
    ],
    ids=["deflate as gzip", "bare as gzip", "gzip as deflate", "text as gzip", "a tail"],
)
def test_a_body_with_a_wrong_content_coding_is_corrupt(
    content: bytes, headers: Mapping[str, str]
) -> None:
    with pytest.raises(ValueError, match="compressed body is corrupt"):
        whole(content, headers)


@pytest.mark.parametrize("code", [zlib.compress, bare])
def test_only_gzip_has_several_members(code: Any) -> None:
    with pytest.raises(ValueError, match="bytes after the end"):
        whole(code(b"text") * 2, DEFLATE)
    with pytest.raises(ValueError, match="bytes after the end"):
        body.whole(Raw(pieces=[code(b"text"), b"x"]), DEFLATE, ENDLESS)


@pytest.mark.parametrize(
    ("content", "headers"),
    [(zipped(b"text"), GZIP), (zlib.compress(b"text"), DEFLATE), (bare(b"text"), DEFLATE)],
    ids=["gzip", "deflate", "bare"],
)
def test_a_compressed_body_that_breaks_off_is_incomplete(
    content: bytes, headers: Mapping[str, str]
) -> None:
    for missing in range(1, len(content)):
        with pytest.raises(http.client.IncompleteRead) as caught:
            whole(content[:-missing], headers)
        assert caught.value.partial == b""
    assert whole(b"", headers) == b""


# Bombs, and compression that makes it larger


def test_a_body_of_16_mib_is_never_a_bomb() -> None:
    size = 16 * MIB
    assert len(whole(zipped(bytes(size)), GZIP)) == size
    with pytest.raises(ConnectorError, match="it grows a hundredfold") as caught:
        whole(zipped(bytes(size + 1)), GZIP)
    assert (caught.value.code, caught.value.sent) == ("response_too_large", "unknown")


def test_a_large_body_may_grow_at_most_a_hundredfold() -> None:
    read = 170_000
    assert len(whole(padded(bytes(100 * read), read), GZIP)) == 100 * read
    with pytest.raises(ConnectorError, match="it grows a hundredfold"):
        whole(padded(bytes(100 * read + 1), read), GZIP)


@pytest.mark.parametrize("before", [b"", b"x", bytes(100)], ids=len)
def test_compression_may_make_a_body_four_times_larger_plus_one_mib(
    before: bytes,
) -> None:
    """What was read and what it held are compared before each further piece."""
    first = zipped(before) if before else b""
    most = MIB + 4 * len(before)
    last = b"\0" + bare(b"end") + zlib.crc32(b"end").to_bytes(4, "little") + b"\3\0\0\0"
    for read, good in ((most, True), (most + 1, False)):
        start = first + NAMED
        start += b"n" * (read - len(start))
        pieces = [start[at : at + PIECE] for at in range(0, len(start), PIECE)]
        raw = Raw(pieces=[*pieces, last])
        if good:
            assert body.whole(raw, GZIP, ENDLESS) == before + b"end"
            continue
        with pytest.raises(ValueError, match="larger than what it holds"):
            body.whole(raw, GZIP, ENDLESS)


# The beginning of an error's body


def test_the_beginning_of_a_body_says_whether_it_is_incomplete() -> None:
    content = b"x" * 1000
    assert body.beginning(Raw(content), {}, 1000) == (content, False)
    assert body.beginning(Raw(content), {}, 999) == (b"", True)
    assert body.beginning(Raw(zipped(content)), GZIP, 1000) == (content, False)
    assert body.beginning(Raw(zipped(content)[:-1]), GZIP, 1000) == (content, True)
    assert body.beginning(Raw(b"text"), GZIP, 1000) == (b"", True)
    assert body.beginning(Raw(b"text"), {"content-encoding": "br"}, 1000) == (b"", True)
    assert body.beginning(Raw(pieces=[b"a", b"b"]), {}, 1000) == (b"ab", False)
    pieces = [b"a", b"b", ConnectionResetError()]
    assert body.beginning(Raw(pieces=pieces), {}, 1000) == (b"ab", True)
    assert body.beginning(Raw(pieces=[b"a", b"b", b"c"]), {}, 2) == (b"ab", True)


def test_an_interrupt_is_not_the_end_of_an_errors_body() -> None:
    error = ValueError("a library's own")
    error.__cause__ = KeyboardInterrupt()
    with pytest.raises(ValueError, match="a library's own"):
        body.beginning(Raw(pieces=[b"a", error]), {}, 1000)
    error.__cause__ = LookupError()
    assert body.beginning(Raw(pieces=[b"a", error]), {}, 1000) == (b"a", True)


# The key in pieces

KEY = "ä" * 8
SECRET = Secret(KEY)
LONGEST = (json.dumps(KEY)[1:-1]).encode()


def scrubbed(*pieces: bytes, secret: Secret = SECRET) -> list[bytes]:
    return list(body.scrubbed(iter(pieces), secret))


def test_no_more_is_held_back_than_the_key_needs() -> None:
    longest = SECRET.longest
    assert longest == len(LONGEST)
    assert scrubbed(b"x" * (longest - 1)) == [b"x" * (longest - 1)]
    assert scrubbed(b"x" * longest) == [b"x", b"x" * (longest - 1)]
    assert scrubbed(b"a" * 100, b"b" * 100) == [
        b"a" * (101 - longest),
        b"a" * (longest - 1) + b"b" * (101 - longest),
        b"b" * (longest - 1),
    ]
    assert scrubbed() == []
    assert scrubbed(b"") == []


def test_the_longest_form_of_the_key_may_be_split_anywhere() -> None:
    for at in range(1, len(LONGEST)):
        masked = b"".join(scrubbed(b"before " + LONGEST[:at], LONGEST[at:] + b" after"))
        assert masked == f"before {MASK} after".encode()
        assert b"".join(scrubbed(LONGEST[:at], LONGEST[at:])) == MASK.encode()


def test_a_key_that_is_not_searched_for_holds_nothing_back() -> None:
    assert scrubbed(b"ab", b"cd", secret=Secret("x")) == [b"ab", b"cd"]
