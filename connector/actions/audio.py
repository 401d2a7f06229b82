"""Speech from text, and text from speech."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import files

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
