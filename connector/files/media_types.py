"""The usual extensions of the media types that providers send.

`mimetypes` is not used: it reads files of the system, and what it knows depends on them.
"""

from __future__ import annotations

from pathlib import PurePath

_EXTENSIONS = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "audio/mpeg": (".mp3",),
    "audio/wav": (".wav",),
    "audio/x-wav": (".wav",),
    "audio/flac": (".flac",),
    "audio/aac": (".aac",),
    "audio/opus": (".opus", ".ogg"),
    "audio/ogg": (".ogg", ".opus"),
    "video/mp4": (".mp4",),
    "application/pdf": (".pdf",),
    "application/json": (".json",),
}
_KNOWN = {suffix for suffixes in _EXTENSIONS.values() for suffix in suffixes}


def extension(content_type: str) -> str:
    """Return the usual extension of files of a content type, `.bin` for an unknown one."""
    return _extensions(content_type)[0]


def right_extension(path: PurePath, content_type: str) -> str | None:
    """Return the extension that `path` should have, None if its own fits or says nothing."""
    own = path.suffix.lower()
    if own not in _KNOWN or _base(content_type) not in _EXTENSIONS:
        return None
    fitting = _extensions(content_type)
    return None if own in fitting else fitting[0]


def _base(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _extensions(content_type: str) -> tuple[str, ...]:
    return _EXTENSIONS.get(_base(content_type), (".bin",))
