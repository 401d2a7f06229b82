"""Chooses the model of an invocation, and says which providers lack its action.

A retired default is replaced by its successor.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.errors import ConnectorError
from connector.manifest.model import Action, Input
from connector.policy.context import Context
from connector.problems import error_of, problem
from connector.providers.models import Model
from connector.providers.provider import Provider
from connector.validation.form import Cleaned


def choose_models(
    action: Action,
    cleaned: Cleaned,
    provider: Provider,
    models: Mapping[str, Model],
    context: Context,
) -> list[dict[str, str]]:
    """Replace a default model that the connection cannot use; one that the caller named is kept.

    Return the problems of a model that no request to this provider can name, because a fan-out
    would fail with them once for each part.
    """
    problems: list[dict[str, str]] = []
    known = {row["path"] for row in cleaned.problems}
    for item in action.inputs:
        path = f"/inputs/{item.key}"
        model = cleaned.values.get(item.key) if item.data_source else None
        if not isinstance(model, str) or path in known:
            continue
        if item.key in cleaned.defaulted:
            model = cleaned.values[item.key] = _chosen(model, provider, models, context)
        elif not provider.uses_deployment_names and (other := _other_kind(item, model, models)):
            context.warn(f"{model} is a model of another kind; write one such as {other}.")
        if fault := provider.model_fault(model):
            problems.append(cleaned.form.with_example(problem(path, fault, item.label)))
    return problems


_OF_TEXT = frozenset(("chat", "completions"))
"""The APIs that an action with either kind of model can use."""


def _other_kind(item: Input, model: str, models: Mapping[str, Model]) -> str | None:
    """Return the example of an input if `model` is known to be served by another API, else None."""
    given, usual = models.get(model), models.get(str(item.example))
    if given is None or usual is None or given.api == usual.api:
        return None
    return None if {given.api, usual.api} <= _OF_TEXT else str(item.example)


def _chosen(model: str, provider: Provider, models: Mapping[str, Model], context: Context) -> str:
    facts = models.get(model)
    if provider.uses_deployment_names:
        api = "chat" if facts is None or facts.api in _OF_TEXT else facts.api
        return (provider.deployment if api == provider.deployment_api else None) or model
    today = context.clock.today()
    found = model
    for _ in models:  # as many steps as there are models, because successors may form a cycle
        if not facts or not facts.successor or facts.retires.get(provider.name, "9999") > today:
            break
        found = facts.successor
        facts = models.get(found)
    if found != model:
        context.replaced_model = True
        context.warn(f"The default model {model} has retired; {found} was used instead.")
    return found


def with_provider(
    action: Action, provider: Provider, error: ConnectorError | None
) -> ConnectorError | None:
    """Return the error for a provider that lacks the action, otherwise `error` itself.

    `error` is that of the inputs, None if they are valid; its problems are listed too.
    """
    if not action.providers or provider.name in action.providers:
        return error
    wanted = " or ".join(action.providers)
    row = problem("/connection", f"leads to {provider.name}, but {action.label} needs {wanted}")
    others = error.details or () if error else ()
    return error_of("invalid_connection", [row, *others], action.instead)
