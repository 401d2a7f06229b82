"""Request bodies: strict JSON objects and multipart forms."""

from __future__ import annotations

import json
from email.message import Message
from typing import Any, NamedTuple, NoReturn

from connector.sandbox.answers import Refusal, Surface, invalid
from connector.sandbox.checks import wrong_type


def read_json(surface: Surface, content_type: str, raw: bytes) -> dict[str, Any]:
    """Read a request's JSON object; nulls are dropped where the surface takes them as absence."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        message = "Invalid content type: send 'Content-Type: application/json' and a JSON object."
        raise invalid(None, message, "invalid_content_type")
    body = _parse(raw)
    if not isinstance(body, dict):
        message = "Invalid type for the request body: expected an object."
        raise invalid(None, message, "invalid_type")
    if surface != "azure-dated":
        return {name: value for name, value in body.items() if value is not None}
    for name, value in body.items():
        if value is None:
            raise wrong_type(name, "a value", value)
    return body


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_not_json,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        raise _unreadable() from None


def _unreadable() -> Refusal:
    message = "We could not parse the JSON body of your request. It must be one JSON object in"
    message += " UTF-8, without duplicate keys, NaN or infinities."
    return invalid(None, message, None)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("overflow")
    return value


class Part(NamedTuple):
    """One part of a form; `filename` is None for a plain field."""

    name: str
    filename: str | None
    content: bytes


def read_form(content_type: str, raw: bytes) -> dict[str, Part]:
    """Read a multipart form, its parts by name."""
    boundary = _header(content_type).get_param("boundary", header="x")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        message = "Invalid content type: send 'Content-Type: multipart/form-data' with a boundary."
        raise invalid(None, message, "invalid_content_type")
    mark = b"\r\n--" + str(boundary).encode()
    pieces = (b"\r\n" + raw).split(mark)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise invalid(None, "The multipart body does not end as its boundary says.", None)
    parts = (_part(piece) for piece in pieces[1:-1])
    return {part.name: part for part in parts}


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            header = _header(value.strip())
            filename = header.get_param("filename", header="x")
            return Part(
                _plain(header.get_param("name", "", header="x")),
                None if filename is None else _plain(filename),
                content,
            )
    return Part("", None, content)


def _header(value: str) -> Message:
    message = Message()
    message["x"] = value
    return message


def _plain(value: Any) -> str:
    # RFC 2231 values come as (charset, language, percent-decoded text in Latin-1).
    if isinstance(value, tuple):
        charset, _, text = value
        return str(text).encode("latin-1").decode(charset or "utf-8", "replace")
    return str(value)
