"""Speech from text, and text from speech."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import files
from connector.problems import error_of

if TYPE_CHECKING:
    from connector.client import Client

_FORMATS = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""The formats of speech, and their content types."""


def create_speech(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the spoken text as a binary object, or the output file that holds it.

    A value that equals the provider's default is not sent.
    """
    body = {"model": inputs["model"], "input": inputs["text"], "voice": inputs["voice"]}
    for parameter, key, default in (
        ("response_format", "format", "mp3"),
        ("speed", "speed", 1),
        ("instructions", "instructions", None),
    ):
        if inputs.get(key, default) != default:
            body[parameter] = inputs[key]
    response = client.post_for_bytes("/audio/speech", body, body["model"])
    stated = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated.startswith("text/") or stated == "application/json":
        raise client.invalid("The response is not audio.", response)
    if client.output is None and not response.body:
        raise client.invalid("The response is empty.")
    if not stated.startswith("audio/"):
        stated = _FORMATS[inputs["format"]]
    return files.binary(response, client, stated)


_AUDIO = {
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mpga": "mpga",
    "audio/mp4": "mp4",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "audio/mp4a-latm": "m4a",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/webm": "webm",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/webm": "webm",
}
"""The content types of audio that can be transcribed, and the endings of the files."""

_LARGEST = 25
"""Megabytes of the largest file that can be transcribed."""

_KEPT = {
    "segments": (list,),
    "words": (list,),
    "language": (str,),
    "duration": (int, float),
    "usage": (dict,),
}
"""The parts of a transcription that are returned beside its text, and their types."""


def transcribe_audio(inputs: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """Return the text of an audio file, and what else the provider tells of it.

    The segments have timestamps if `timestamps` is given, the words too if it is "words". Raises
    ConnectorError as `check_audio` does.
    """
    check_audio(inputs, ())
    form = [
        ("file", files.upload(inputs["file"], "audio", _AUDIO)),
        ("model", inputs["model"]),
        *((key, inputs[key]) for key in ("language", "prompt") if key in inputs),
    ]
    timestamps = inputs.get("timestamps")
    if timestamps is not None:
        form.append(("response_format", "verbose_json"))
    if timestamps == "words":  # segments are what the provider gives without being asked
        form += [("timestamp_granularities[]", kind) for kind in ("segment", "word")]
    response = client.post_form("/audio/transcriptions", form, inputs["model"])
    if not isinstance(response.get("text"), str):
        raise client.invalid("The response has no text.")
    found = {key: response[key] for key, types in _KEPT.items() if type(response.get(key)) in types}
    return {"text": response["text"], **found}


def check_audio(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` if the file is no audio, or too large."""
    if "file" in inputs and (
        found := files.problems(inputs["file"], "/inputs/file", "File", _AUDIO, _LARGEST)
    ):
        raise error_of("invalid_input", found)
