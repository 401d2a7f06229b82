"""The models that the sandbox serves: which exist, which are retired, which API serves each.

The caller gives facts about models; the rules here apply where a fact is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox import models
from connector.sandbox.responses import ErrorResponse, Surface, azure_error, invalid, openai_error

# A fixed date, so that tests and examples do not change as models retire.
TODAY = "2026-11-01"

Facts = Mapping[str, Mapping[str, Any]]

_ABSENT = ("missing", "nonexistent", "unknown", "wrong")
_REASONING = ("o1", "o3", "o4", "gpt-5")
_API_BY_WORD = (
    ("instruct", "completions"),
    ("davinci", "completions"),
    ("babbage", "completions"),
    ("embedding", "embeddings"),
    ("moderation", "moderations"),
    ("image", "images"),
    ("dall-e", "images"),
    ("tts", "speech"),
    ("whisper", "transcriptions"),
    ("transcribe", "transcriptions"),
)

_AZURE_OPERATIONS = {
    "chat": "chatCompletion",
    "completions": "completion",
    "images": "imageGenerations",
    "embeddings": "embeddings",
    "speech": "audioSpeech",
    "transcriptions": "audioTranscription",
}


def looks_absent(name: str) -> bool:
    """Whether a name is one that fails on purpose."""
    return any(word in name.lower() for word in _ABSENT)


class Catalog:
    """The models, with their facts by name."""

    def __init__(self, facts: Facts) -> None:
        self._facts = {name: dict(known) for name, known in facts.items()}

    def fact(self, model: str, name: str) -> Any:
        """Return one fact about a model or its base model, None if there is no such fact."""
        known = self._facts.get(model) or self._facts.get(self._base(model), {})
        return known.get(name)

    def _base(self, model: str) -> str:
        return models.base(model, TODAY)

    def knows(self, model: str) -> bool:
        """Whether the model exists or is retired; deployments may have other names."""
        if model in self._facts:
            return True
        base = self._base(model)
        return not looks_absent(model) and (base in self._facts or base in models.KNOWN)

    def retired(self, model: str, provider: str) -> str | None:
        """Return the date on which a model was retired, None while it is served."""
        day = (self.fact(model, "retires") or {}).get(provider)
        # A YAML reader may return a date object; as text it compares the same.
        return str(day) if day is not None and str(day) < TODAY else None

    def api(self, model: str) -> str:
        """Return the API that serves a model, such as chat, images or speech."""
        stated = self.fact(model, "api")
        if stated is not None:
            return str(stated)
        return next((api for word, api in _API_BY_WORD if word in model.lower()), "chat")

    def reasoning(self, model: str) -> bool:
        """Whether a model rejects sampling parameters and the older token limit."""
        stated = self.fact(model, "reasoning")
        if stated is not None:
            return bool(stated)
        base = self._base(model)
        return base.startswith(_REASONING) and "chat" not in base

    def listed(self, provider: str) -> list[str]:
        """Return the names of the models that a provider lists, sorted."""
        names = {*self._facts, *models.KNOWN}
        return sorted(name for name in names if self.retired(name, provider) is None)

    def check_exists(self, surface: Surface, model: str) -> None:
        """Raise the error for a model or deployment that does not exist."""
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

    def check_base_model(self, model: str) -> None:
        """Raise the error for a name that is not a base model's; a deployment's is not."""
        if not self.knows(model):
            raise azure_error(404, "The specified base model does not exist.", "ResourceNotFound")

    def check_api(self, surface: Surface, model: str, api: str) -> None:
        """Raise the error for a model that another API serves."""
        actual = self.api(model)
        if surface == "azure" and actual == "completions":
            # The v1 surface has no legacy API: its deployments serve chat, whatever their name.
            actual = "chat"
        if api == "responses":  # another way to ask the same models
            api = "chat"
        if actual != api:
            raise _other_api(surface, model, api, actual)


def _no_model(message: str) -> ErrorResponse:
    return openai_error(404, message, code="model_not_found")


def _no_deployment() -> ErrorResponse:
    message = "The API deployment for this resource does not exist. If you created the deployment"
    message += " within the last 5 minutes, please wait a moment and try again."
    return azure_error(404, message, "DeploymentNotFound")


def _other_api(surface: Surface, model: str, api: str, actual: str) -> ErrorResponse:
    if surface == "azure-dated" or (surface == "azure" and api != "images"):
        message = f"The {_AZURE_OPERATIONS[api]} operation does not work with the specified model,"
        message += f" {model[:128]}. Please choose different model and try again."
        return azure_error(400, message, "OperationNotSupported")
    if api == "images":
        return invalid("model", f"Invalid value: '{model[:128]}'.", "invalid_value")
    if api in ("speech", "transcriptions"):
        return openai_error(403, f"You are not allowed to generate {api} from this model")
    if api == "embeddings":
        message = "You are not allowed to generate embeddings from this model"
        return openai_error(403, message)
    if api == "moderations":
        message = f"Invalid value for 'model' = {model[:128]}. Please check the OpenAI"
        return openai_error(400, f"{message} documentation and try again.")
    if api == "completions" and actual == "chat":
        message = "This is a chat model and not supported in the v1/completions endpoint."
        message += " Did you mean to use v1/chat/completions?"
    elif api == "completions":
        message = "This model is not supported in the v1/completions endpoint."
    else:
        message = "This is not a chat model and thus not supported in the v1/chat/completions"
        message += " endpoint. Did you mean to use v1/completions?"
    return openai_error(404, message, param="model")
