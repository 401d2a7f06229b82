"""Files in inputs: too large ones are refused before anything is sent."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors.cli import main as cli

from .support.fault_server import FaultServer
from .support.front import connection

pytestmark = pytest.mark.core


def binary(size: int, content_type: str) -> dict[str, str]:
    """Return a binary object of `size` bytes."""
    data = "AAAA" * (size // 3) + ("", "AA==", "AAA=")[size % 3]
    return {"contentType": content_type, "encoding": "base64", "data": data}


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"RIFF\0\0\0\0WAVE", "audio.wav"),
        (b"fLaC", "audio.flac"),
        (b"OggS", "audio.ogg"),
        (b"ID3", "audio.mp3"),
        (b"\xff\xfb\x90", "audio.mp3"),
        (b"\0\0\0\x20ftypM4A ", "audio.m4a"),
        (b"\0\0\0\x20ftypisom", "audio.mp4"),
        (b"\x1a\x45\xdf\xa3", "audio.webm"),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"what?", None),
    ],
)
def test_the_first_bytes_say_what_a_file_is_if_its_type_does_not(
    connector: Connector, start: bytes, name: str | None
) -> None:
    data = base64.b64encode(start).decode()
    file = {"contentType": "application/octet-stream", "encoding": "base64", "data": data}
    to = connection("https://x.example")
    result = connector.invoke("transcribeAudio", {"file": file}, to, dry_run=True)
    assert result.ok == (name is not None)
    if name is not None:
        sent = result.data["body"]
        text = sent if isinstance(sent, str) else base64.b64decode(sent["data"]).decode("latin-1")
        assert f'filename="{name}"' in text


@pytest.mark.parametrize(
    ("action", "flag", "name"),
    [
        ("transcribeAudio", "--file", "said.wav"),
        ("transcribeAudio", "--file", "said.unknown"),
        ("editImage", "--images", "a.png"),
        ("createChatCompletion", "--images", "a.png"),
    ],
)
def test_the_command_line_reads_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str, flag: str, name: str
) -> None:
    path = tmp_path / name
    is_image = path.suffix == ".png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" if is_image else b"RIFF\0\0\0\0WAVE")
    more = ["--prompt", "x"] if action == "editImage" else []
    assert cli.main(["invoke", action, "--sandbox", flag, f"@{path}", *more]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]


MEGABYTE = 1 << 20
LARGEST: list[tuple[str, dict[str, Any], str, str, int]] = [
    ("transcribeAudio", {}, "file", "audio/mpeg", 25 * MEGABYTE),
    ("createChatCompletion", {}, "images", "image/gif", 20 * MEGABYTE),
    ("editImage", {"prompt": "x"}, "images", "image/jpeg", 50 * MEGABYTE),
    (
        "editImage",
        {"prompt": "x", "images": [binary(3, "image/png")]},
        "mask",
        "image/png",
        4 * MEGABYTE,
    ),
]


@pytest.mark.parametrize(("action", "more", "key", "content_type", "most"), LARGEST)
def test_a_file_that_is_too_large_is_refused(
    connector: Connector, action: str, more: dict[str, Any], key: str, content_type: str, most: int
) -> None:
    for size, fits in ((most, True), (most + 1, False)):
        file = binary(size, content_type)
        inputs = {**more, key: [file] if key == "images" else file}
        result = connector.invoke(action, inputs, connection("https://x.example"), dry_run=True)
        assert result.ok == fits
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    megabytes = most // MEGABYTE
    assert f"must have at most {megabytes} MB (it has {megabytes}.0 MB)" in result.error.message


@pytest.mark.parametrize(
    ("answers", "ok"),
    [
        ([{"status": 503}, {"headers": {"Content-Type": "audio/mpeg"}, "text": "ID3"}], True),
        ([{"headers": {"Content-Type": "text/html"}, "text": "<p>"}], False),
    ],
)
def test_speech_goes_to_a_file_or_leaves_none(
    connector: Connector, tmp_path: Path, answers: list[Any], ok: bool
) -> None:
    path = tmp_path / "tide.mp3"
    with FaultServer(answers) as server:
        to = connection(server.url)
        result = connector.invoke("createSpeech", {"text": "x"}, to, output=str(path))
    if ok:
        assert result.data == {"file": str(path), "size": 3, "contentType": "audio/mpeg"}
        assert path.read_bytes() == b"ID3"
    else:
        assert result.error is not None
        assert result.error.code == "invalid_response"
        assert list(tmp_path.iterdir()) == []
