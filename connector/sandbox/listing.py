"""The lists of models, and the description of each model."""

from __future__ import annotations

from connector.sandbox.catalog import Catalog
from connector.sandbox.responses import Response, Surface, json_response
from connector.sandbox.text import CREATED


def models(surface: Surface, catalog: Catalog) -> Response:
    """List the models that are served; on Azure these are base models, not deployments."""
    if surface == "azure-dated":
        data = [_base_model(catalog, name) for name in catalog.listed("azure")]
    else:
        provider = "openai" if surface == "openai" else "azure"
        data = [_model(name) for name in catalog.listed(provider)]
    return json_response({"object": "list", "data": data})


def model(surface: Surface, catalog: Catalog, name: str) -> Response:
    """Describe one model; on the dated surface a base model, retired or not."""
    if surface == "azure-dated":
        catalog.check_base_model(name)
        return json_response(_base_model(catalog, name))
    catalog.check_exists(surface, name)
    return json_response(_model(name))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "sandbox"}


def _base_model(catalog: Catalog, name: str) -> dict[str, object]:
    api, retired = catalog.api(name), catalog.retired(name, "azure") is not None
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
