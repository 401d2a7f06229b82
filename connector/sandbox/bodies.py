"""Request bodies: strict JSON objects and multipart forms."""

from __future__ import annotations

import json
from email.message import Message
from typing import Any, NamedTuple, NoReturn

from connector.sandbox.checks import wrong_type
from connector.sandbox.responses import ErrorResponse, Surface, invalid


def read_json(surface: Surface, content_type: str, raw: bytes) -> dict[str, Any]:
    """Parse a request's JSON object; nulls are dropped if the surface treats them as absent."""
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
            object_pairs_hook=_unique_keys,
            parse_constant=_reject_constant,
            parse_float=_finite_float,
        )
    except (ValueError, RecursionError):
        raise _not_parsed() from None


def _not_parsed() -> ErrorResponse:
    message = "We could not parse the JSON body of your request. It must be one JSON object in"
    message += " UTF-8, without duplicate keys, NaN or infinities."
    return invalid(None, message, None)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("overflow")
    return value


class Part(NamedTuple):
    """One part of a form; `filename` is None for a plain field."""

    name: str
    filename: str | None
    content: bytes


def read_fields(content_type: str, raw: bytes) -> dict[str, Any]:
    """Parse a multipart form and return its fields by name: texts, and files as parts.

    A name that ends with `[]` holds an array, and a name that occurs more than once too.
    """
    found: dict[str, Any] = {}
    for part in read_form(content_type, raw):
        value = part.content.decode("utf-8", "replace") if part.filename is None else part
        name = part.name.removesuffix("[]")
        if name in found and not isinstance(found[name], list):
            found[name] = [found[name]]
        if name != part.name or name in found:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def read_form(content_type: str, raw: bytes) -> list[Part]:
    """Parse a multipart form and return its parts."""
    boundary = _header(content_type).get_param("boundary", header="x")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        message = "Invalid content type: send 'Content-Type: multipart/form-data' with a boundary."
        raise invalid(None, message, "invalid_content_type")
    mark = b"\r\n--" + str(boundary).encode()
    pieces = (b"\r\n" + raw).split(mark)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise invalid(None, "The multipart body does not end with its boundary.", None)
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            header = _header(value.strip())
            filename = header.get_param("filename", header="x")
            return Part(
                _parameter_text(header.get_param("name", "", header="x")),
                None if filename is None else _parameter_text(filename),
                content,
            )
    return Part("", None, content)


def _header(value: str) -> Message:
    message = Message()
    message["x"] = value
    return message


def _parameter_text(value: Any) -> str:
    # RFC 2231 values are (charset, language, percent-decoded text in Latin-1).
    if isinstance(value, tuple):
        charset, _, text = value
        return str(text).encode("latin-1").decode(charset or "utf-8", "replace")
    return str(value)
