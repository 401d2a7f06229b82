"""The models of the sandbox's world: which exist, which have retired, which API serves each.

The facts are the caller's; here are the rules for what they do not mention, and `models` has names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox import models
from connector.sandbox.answers import Refusal, Surface, azure_error, invalid, openai_error

# Tests and examples must not change as dates pass, so the world stands still on this day.
WORLD_DATE = "2026-11-01"

Facts = Mapping[str, Mapping[str, Any]]

_ABSENT = ("missing", "nonexistent", "unknown", "wrong")
_REASONING = ("o1", "o3", "o4", "gpt-5")
_API_BY_WORD = (
    ("instruct", "completions"),
    ("davinci", "completions"),
    ("babbage", "completions"),
    ("embedding", "embeddings"),
    ("image", "images"),
    ("dall-e", "images"),
)

_AZURE_OPERATIONS = {
    "chat": "chatCompletion",
    "completions": "completion",
    "images": "imageGenerations",
    "embeddings": "embeddings",
}


def looks_absent(name: str) -> bool:
    """Whether a name asks for something that does not exist."""
    return any(word in name.lower() for word in _ABSENT)


class World:
    """The model facts and the questions that the routes ask of them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = {name: dict(known) for name, known in facts.items()}

    def fact(self, model: str, name: str) -> Any:
        """Return one fact about a model, or the one that it is a variant of; None for no fact."""
        known = self._facts.get(model) or self._facts.get(self._base(model), {})
        return known.get(name)

    def _base(self, model: str) -> str:
        return models.base(model, WORLD_DATE)

    def knows(self, model: str) -> bool:
        """Whether there is, or was, such a model: deployments may have any name."""
        if model in self._facts:
            return True
        base = self._base(model)
        return not looks_absent(model) and (base in self._facts or base in models.KNOWN)

    def retired(self, model: str, provider: str) -> str | None:
        """Return the day on which a model retired, None while it is served."""
        day = (self.fact(model, "retires") or {}).get(provider)
        # A YAML reader may have made the day a date; as text it sorts the same.
        return str(day) if day is not None and str(day) < WORLD_DATE else None

    def api(self, model: str) -> str:
        """Return the API that serves a model: chat, completions, images, embeddings."""
        stated = self.fact(model, "api")
        if stated is not None:
            return str(stated)
        return next((api for word, api in _API_BY_WORD if word in model.lower()), "chat")

    def reasoning(self, model: str) -> bool:
        """Whether a model refuses sampling parameters and the older token limit."""
        stated = self.fact(model, "reasoning")
        if stated is not None:
            return bool(stated)
        base = self._base(model)
        return base.startswith(_REASONING) and "chat" not in base

    def listed(self, provider: str) -> list[str]:
        """Return the models that a provider lists, sorted."""
        names = {*self._facts, *models.KNOWN}
        return sorted(name for name in names if self.retired(name, provider) is None)

    def find(self, surface: Surface, model: str) -> None:
        """Refuse a model or deployment that does not exist."""
        if surface != "openai":
            if looks_absent(model):
                raise _no_deployment()
            return
        day = self.retired(model, "openai")
        if day is not None:
            raise _no_model(f"The model `{model[:128]}` has been retired since {day}.")
        if not self.knows(model):
            raise _no_model(
                f"The model `{model[:128]}` does not exist or you do not have access to it."
            )

    def find_base(self, model: str) -> None:
        """Refuse what is no base model: there a deployment's name does not count."""
        if not self.knows(model):
            raise azure_error(404, "The specified base model does not exist.", "ResourceNotFound")

    def serve(self, surface: Surface, model: str, api: str) -> None:
        """Refuse a model that another API serves."""
        actual = self.api(model)
        if surface == "azure" and actual == "completions":
            # The v1 surface has no legacy API: a deployment there answers chat whatever its name.
            actual = "chat"
        if actual != api:
            raise _other_api(surface, model, api, actual)


def _no_model(message: str) -> Refusal:
    return openai_error(404, message, code="model_not_found")


def _no_deployment() -> Refusal:
    message = "The API deployment for this resource does not exist. If you created the deployment"
    message += " within the last 5 minutes, please wait a moment and try again."
    return azure_error(404, message, "DeploymentNotFound")


def _other_api(surface: Surface, model: str, api: str, actual: str) -> Refusal:
    if surface == "azure-dated" or (surface == "azure" and api != "images"):
        message = f"The {_AZURE_OPERATIONS[api]} operation does not work with the specified model,"
        message += f" {model[:128]}. Please choose different model and try again."
        return azure_error(400, message, "OperationNotSupported")
    if api == "images":
        return invalid("model", f"Invalid value: '{model[:128]}'.", "invalid_value")
    if api == "embeddings":
        message = "You are not allowed to generate embeddings from this model"
        return openai_error(403, message)
    if api == "completions" and actual == "chat":
        message = "This is a chat model and not supported in the v1/completions endpoint."
        message += " Did you mean to use v1/chat/completions?"
    elif api == "completions":
        message = "This model is not supported in the v1/completions endpoint."
    else:
        message = "This is not a chat model and thus not supported in the v1/chat/completions"
        message += " endpoint. Did you mean to use v1/completions?"
    return openai_error(404, message, param="model")
