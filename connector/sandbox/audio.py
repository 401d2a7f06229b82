"""Audio: speech is silence in the right format, a transcription describes the file it was sent."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from connector.sandbox.checks import Check, check_body, choice, number, string
from connector.sandbox.request import Request
from connector.sandbox.responses import Response, azure_filtered, missing, unknown_parameter

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
