"""Files: an upload is described and not kept; a download is a small picture."""

from __future__ import annotations

from connector.sandbox import png
from connector.sandbox.bodies import read_form
from connector.sandbox.catalog import looks_absent
from connector.sandbox.checks import choice
from connector.sandbox.responses import Response, invalid, json_response, openai_error
from connector.sandbox.text import CREATED, digest

_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


def upload(content_type: str, raw: bytes) -> Response:
    """Return the description of an uploaded file; its content is not kept."""
    form = {part.name: part for part in read_form(content_type, raw)}
    for name in ("file", "purpose"):
        if name not in form:
            raise invalid(name, f"'{name}' is a required property", "missing_required_parameter")
    purpose = form["purpose"].content.decode("utf-8", "replace")
    choice(*_PURPOSES)("purpose", purpose)
    file = form["file"]
    if file.filename is None:
        raise invalid("file", "Invalid 'file': expected a file with a name.", "invalid_type")
    return json_response(
        {
            "id": f"file-{digest(file.filename, file.content)[:24]}",
            "object": "file",
            "bytes": len(file.content),
            "created_at": CREATED,
            "expires_at": None,
            "filename": file.filename,
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
        }
    )


def download(name: str) -> Response:
    """Return a file's content: a small picture, whatever was uploaded."""
    if looks_absent(name):
        raise openai_error(404, f"No such File object: {name[:64]}", param="id")
    return Response(200, png.draw(name, 16, 16), "application/octet-stream")
