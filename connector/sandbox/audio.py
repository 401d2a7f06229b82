"""Audio: speech is silence in the right format, a transcription describes the file it was sent."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import Any

from connector.sandbox.bodies import Part
from connector.sandbox.checks import Check, anything, array, check_body, choice, number, string
from connector.sandbox.request import Request
from connector.sandbox.responses import (
    Response,
    azure_filtered,
    invalid,
    json_response,
    missing,
    unknown_parameter,
)

SPEECH: Mapping[str, Check] = {
    "model": string(1),
    "input": string(1, 4096),
    "voice": string(1),
    "response_format": choice("mp3", "opus", "aac", "flac", "wav", "pcm"),
    "speed": number(0.25, 4),
    "instructions": string(0, 4096),
}

_RATE = 24_000
_BEGINNINGS = {
    "mp3": ("audio/mpeg", b"\xff\xf3\xe4\xc4"),
    "opus": ("audio/ogg", b"OggS"),
    "aac": ("audio/aac", b"\xff\xf1\x50\x80"),
    "flac": ("audio/flac", b"fLaC"),
    "pcm": ("audio/pcm", b""),
}


def speech(request: Request) -> Response:
    """Respond to a request for speech: a hundredth of a second for each character."""
    check_body(request.body, SPEECH, "input")
    if "voice" not in request.body:
        raise missing("voice")
    if "instructions" in request.body and request.model.startswith("tts-1"):
        raise unknown_parameter("instructions")
    if request.filtered and request.azure:
        raise azure_filtered()
    samples = bytes(2 * _RATE // 100 * len(request.body["input"]))
    kind = request.get("response_format", "mp3")
    if kind == "wav":
        return Response(200, wav(samples), "audio/wav")
    content_type, beginning = _BEGINNINGS[kind]
    return Response(200, beginning + samples[: 1 << 16], content_type)


def wav(samples: bytes) -> bytes:
    """Return 16-bit samples as a WAV file."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


TRANSCRIPTION: Mapping[str, Check] = {
    "model": string(1),
    "file": anything,
    "language": string(2),
    "prompt": string(),
    "response_format": choice("json", "text", "srt", "verbose_json", "vtt"),
    "temperature": string(),
    "timestamp_granularities": array(choice("segment", "word"), 1, 2),
}
_ENDINGS = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")


def transcription(request: Request) -> Response:
    """Respond to a request for the text of a file; the form names the file's type and size."""
    body = request.body
    check_body(body, TRANSCRIPTION, "file")
    file = body["file"]
    if not isinstance(file, Part):
        raise invalid("file", "Invalid 'file': expected a file with a name.", "invalid_type")
    ending = str(file.filename).rpartition(".")[2]
    if ending not in _ENDINGS:
        message = f"Unrecognized file format. Supported formats: {', '.join(_ENDINGS)}."
        raise invalid("file", message, None)
    kind = request.get("response_format", "json")
    if kind not in ("json", "verbose_json"):
        raise invalid("response_format", "The sandbox transcribes to JSON only.", None)
    verbose = kind == "verbose_json"
    if verbose and "whisper" not in request.model and not request.azure:
        message = f"response_format 'verbose_json' is not compatible with model '{request.model}'."
        raise invalid("response_format", message, "unsupported_value")
    wanted = body.get("timestamp_granularities")
    if wanted and not verbose:
        message = "timestamp_granularities needs response_format 'verbose_json'."
        raise invalid("timestamp_granularities", message, None)
    if request.filtered and request.azure:
        raise azure_filtered()
    said = f"This {ending} file has {len(file.content)} bytes."
    found: dict[str, Any] = {"text": said}
    if verbose:
        found |= {"task": "transcribe", "language": request.get("language", "english")}
        found |= {"duration": 1.0, **_timestamps(said, wanted or ["segment"])}
    return json_response({**found, "usage": {"type": "duration", "seconds": 1}})


def _timestamps(said: str, wanted: Collection[str]) -> dict[str, Any]:
    words = said.split()
    found: dict[str, Any] = {}
    if "segment" in wanted:
        found["segments"] = [{"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": said}]
    if "word" in wanted:
        step = 1 / len(words)
        found["words"] = [
            {"word": word, "start": round(at * step, 2), "end": round((at + 1) * step, 2)}
            for at, word in enumerate(words)
        ]
    return found
