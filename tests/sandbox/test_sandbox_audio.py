"""Audio of the sandbox, and edits of images: forms, and what the services refuse."""

from __future__ import annotations

import io
import wave
from typing import Any

import pytest

from .send import AZURE, OPENAI, Send, deployment

SPEECH, TRANSCRIPTIONS, EDITS = "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/images/edits"
HI = {"model": "tts-1", "input": "Hi", "voice": "alloy"}
WAV = ("a.wav", b"RIFF", "audio/wav")
PNG = ("a.png", b"PNG", "image/png")


def form(send: Send, path: str, fields: dict[str, Any], files: Any) -> Any:
    """Send a multipart form and return the status, and the error's parameter or the response."""
    headers = AZURE if "/openai/" in path else OPENAI
    response = send(path, method="POST", data=fields, files=files, headers=headers)
    answer = response.json()
    return response.status_code, answer.get("error", {}).get("param") or answer


def test_speech_is_silence_of_a_length(send: Send) -> None:
    answer = send(SPEECH, {**HI, "response_format": "wav"})
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 24_000, 480)
    assert send(SPEECH, {**HI, "response_format": "pcm"}).content == bytes(960)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"voice": None}, "voice"),
        ({"instructions": "Slowly."}, "instructions"),
        ({"input": "x" * 4097}, "input"),
        ({"speed": 5}, "speed"),
        ({"response_format": "ogg"}, "response_format"),
    ],
)
def test_speech_that_is_refused(send: Send, more: dict[str, Any], param: str) -> None:
    body = {key: value for key, value in {**HI, **more}.items() if value is not None}
    answer = send(SPEECH, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(("path", "model"), [(SPEECH, "gpt-4o-mini"), (TRANSCRIPTIONS, "tts-1")])
def test_a_model_of_another_api_makes_no_audio(send: Send, path: str, model: str) -> None:
    if path == SPEECH:
        assert send(path, {**HI, "model": model}).status_code == 403
    else:
        assert form(send, path, {"model": model}, {"file": WAV})[0] == 403


def test_only_previews_have_speech_and_edits(send: Send) -> None:
    for operation in ("audio/speech", "images/edits"):
        assert send(deployment("my-tts", operation), HI).status_code == 404
        assert send(f"/openai/v1/{operation}", HI).status_code == 404
    preview = "api-version=2025-04-01-preview"
    assert send(deployment("my-tts", "audio/speech", preview), HI).status_code == 200


def test_azure_filters_audio(send: Send) -> None:
    preview = "api-version=2025-04-01-preview"
    body = {**HI, "input": "sandbox:filter Hi"}
    answer = send(deployment("my-tts", "audio/speech", preview), body)
    assert answer.json()["error"]["code"] == "content_filter"
    path = deployment("my-whisper", "audio/transcriptions")
    _, answer = form(send, path, {"prompt": "sandbox:filter Hi"}, {"file": WAV})
    assert answer == "prompt"


def test_a_transcription_has_what_was_asked_for(send: Send) -> None:
    fields = {"model": "whisper-1", "response_format": "verbose_json"}
    _, answer = form(send, TRANSCRIPTIONS, fields, {"file": WAV})
    assert set(answer) >= {"text", "segments", "language", "duration"}
    assert "words" not in answer
    fields["timestamp_granularities[]"] = "word"
    _, answer = form(send, TRANSCRIPTIONS, fields, {"file": WAV})
    assert "segments" not in answer
    assert answer["words"][-1]["end"] == 1.0


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({}, {"other": WAV}, None),
        ({}, {"file": ("a.txt", b"x", "text/plain")}, "file"),
        ({"file": "x"}, {"prompt": (None, "x")}, "file"),
        ({"response_format": "srt"}, {"file": WAV}, "response_format"),
        ({"timestamp_granularities[]": "word"}, {"file": WAV}, "timestamp_granularities"),
        (
            {"model": "gpt-4o-transcribe", "response_format": "verbose_json"},
            {"file": WAV},
            "response_format",
        ),
    ],
)
def test_a_transcription_that_is_refused(
    send: Send, fields: dict[str, Any], files: Any, param: str | None
) -> None:
    status, found = form(send, TRANSCRIPTIONS, {"model": "whisper-1", **fields}, files)
    assert status == 400
    assert found == param or param is None


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({"prompt": "x"}, {"mask": PNG}, "image"),
        ({"prompt": "x", "image": "x"}, {"mask": PNG}, "image"),
        ({"prompt": "x"}, [("image", ("a.png", b"", "image/png"))], "image"),
        ({"prompt": "x"}, [("image[]", PNG)] * 17, "image"),
        ({"prompt": "x", "mask": "x"}, {"image": PNG}, "mask"),
        ({"prompt": "x", "n": "two"}, {"image": PNG}, "n"),
        ({"prompt": "x", "n": "11"}, {"image": PNG}, "n"),
        ({}, {"image": PNG}, "prompt"),
    ],
)
def test_an_edit_that_is_refused(
    send: Send, fields: dict[str, Any], files: Any, param: str
) -> None:
    fields = {"model": "gpt-image-2", **fields}
    assert form(send, EDITS, fields, files) == (400, param)


def test_an_edit_takes_one_image_or_several(send: Send) -> None:
    fields = {"model": "gpt-image-2", "prompt": "x", "size": "32x32", "n": "2"}
    for files in ([("image", PNG)], [("image[]", PNG)], [("image", PNG), ("image", PNG)]):
        status, answer = form(send, EDITS, fields, files)
        assert (status, len(answer["data"])) == (200, 2)
