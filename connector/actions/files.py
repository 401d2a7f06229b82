"""Files that requests carry and responses bring: binary objects, checked before they are sent."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector.problems import problem

if TYPE_CHECKING:
    from connector.client import Client
    from connector.http.messages import Response

MEGABYTE = 1 << 20
"""The services count in these, as far as their documentation says."""

NO_BASE64 = "is not base64; encode the bytes, without data: before them"

_MAGIC = (
    (0, b"\x89PNG", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WAVE", "audio/wav"),
    (0, b"RIFF", "image/webp"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (4, b"ftypM4A", "audio/m4a"),
    (4, b"ftyp", "audio/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "audio/webm"),
)
"""The bytes by which files are known, where they stand, and the content type."""

IMAGES: Mapping[str, str] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""The content types of images that every model can read, and the endings of their names."""


def problems(
    file: Mapping[str, str], path: str, label: str, types: Mapping[str, str], megabytes: int
) -> list[dict[str, str]]:
    """Return what is wrong with a binary object: its type is none of `types`, it is no base64, it
    is empty, or it is larger than `megabytes`."""
    found = []
    if media_type(file) not in types:
        known = ", ".join(types)
        found.append(problem(f"{path}/contentType", f"must be one of {known}", label))
    size = len(file["data"]) // 4 * 3 - file["data"].count("=", -2)
    if size > megabytes * MEGABYTE:
        message = f"must have at most {megabytes} MB (it has {size / MEGABYTE:.1f} MB)"
        return [*found, problem(f"{path}/data", message, label)]
    try:
        if not content(file):
            found.append(problem(f"{path}/data", "is empty", label))
    except ValueError:  # not base64, or not even ASCII
        found.append(problem(f"{path}/data", NO_BASE64, label))
    return found


def media_type(file: Mapping[str, str]) -> str:
    """Return the content type of a binary object without its parameters, in lower case.

    If it says nothing, the first bytes decide.
    """
    stated = file["contentType"].partition(";")[0].strip().lower()
    if stated != "application/octet-stream":
        return stated
    try:
        return type_of(base64.b64decode(file["data"][:24], validate=True)) or stated
    except ValueError:
        return stated


def type_of(start: bytes) -> str | None:
    """Return the content type that the first 12 bytes of a file show, None if unknown."""
    return next((kind for at, magic, kind in _MAGIC if start.startswith(magic, at)), None)


def content(file: Mapping[str, str]) -> bytes:
    """Return the bytes of a binary object. Raises ValueError if it is not base64."""
    return base64.b64decode(file["data"], validate=True)


def upload(file: Mapping[str, str], name: str, types: Mapping[str, str]) -> tuple[str, bytes, str]:
    """Return a binary object as a file of a form, whose ending the services read its type from."""
    kind = media_type(file)
    return f"{name}.{types[kind]}", content(file), kind


def binary(response: Response, client: Client, content_type: str | None = None) -> dict[str, Any]:
    """Return the body of a response as a binary object, masked, or the output file that holds it.

    `content_type` replaces the one that the response states.
    """
    kind = content_type or response.headers.get("content-type", "application/octet-stream")
    if client.output is not None:
        return client.output.finish(kind)
    data = base64.b64encode(client.mask_bytes(response.body))
    del response  # its body may be large
    return {"contentType": kind, "encoding": "base64", "data": data.decode()}
