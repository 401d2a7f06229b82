"""What is not a call to a model: the lists of models, and files."""

from __future__ import annotations

from connector.sandbox import png
from connector.sandbox.answers import Answer, Surface, invalid, json_answer, openai_error
from connector.sandbox.bodies import read_form
from connector.sandbox.checks import choice
from connector.sandbox.text import CREATED, digest
from connector.sandbox.world import World, looks_absent

_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


def models(surface: Surface, world: World) -> Answer:
    """List the models that are served; on Azure these are base models, not deployments."""
    if surface == "azure-dated":
        data = [_base_model(world, name) for name in world.listed("azure")]
    else:
        provider = "openai" if surface == "openai" else "azure"
        data = [_model(name) for name in world.listed(provider)]
    return json_answer({"object": "list", "data": data})


def model(surface: Surface, world: World, name: str) -> Answer:
    """Describe one model; on the dated surface a base model, retired or not."""
    if surface == "azure-dated":
        world.find_base(name)
        return json_answer(_base_model(world, name))
    world.find(surface, name)
    return json_answer(_model(name))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "sandbox"}


def _base_model(world: World, name: str) -> dict[str, object]:
    api, retired = world.api(name), world.retired(name, "azure") is not None
    return {
        "id": name,
        "object": "model",
        "status": "succeeded",
        "created_at": CREATED,
        "lifecycle_status": "deprecated" if retired else "generally-available",
        "capabilities": {
            "fine_tune": False,
            "inference": not retired,
            "completion": api == "completions",
            "chat_completion": api == "chat",
            "embeddings": api == "embeddings",
        },
    }


def upload(content_type: str, raw: bytes) -> Answer:
    """Take a file and describe it; its content is not kept."""
    form = read_form(content_type, raw)
    for name in ("file", "purpose"):
        if name not in form:
            raise invalid(name, f"'{name}' is a required property", "missing_required_parameter")
    purpose = form["purpose"].content.decode("utf-8", "replace")
    choice(*_PURPOSES)("purpose", purpose)
    file = form["file"]
    if file.filename is None:
        raise invalid("file", "Invalid 'file': expected a file with a name.", "invalid_type")
    return json_answer(
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


def download(name: str) -> Answer:
    """Answer a file's content: a small picture, whatever the file."""
    if looks_absent(name):
        raise openai_error(404, f"No such File object: {name[:64]}", param="id")
    return Answer(200, png.draw(name, 16, 16), "application/octet-stream")
