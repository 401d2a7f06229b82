"""The rules of the chat completions API: each parameter, and which exclude each other."""

from __future__ import annotations

from collections.abc import Mapping

from connector.sandbox import messages as conversation
from connector.sandbox import tools
from connector.sandbox.checks import (
    Check,
    anything,
    array,
    boolean,
    by_type,
    check_body,
    choice,
    fields,
    integer,
    number,
    record,
    stop,
    string,
)
from connector.sandbox.request import Request
from connector.sandbox.responses import ErrorResponse, invalid

# 128,000 tokens at four characters each.
_CONTEXT = 128_000

PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "messages": conversation.check,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "n": integer(1, 128),
    "stop": stop,
    "max_tokens": integer(1),
    "max_completion_tokens": integer(1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "logit_bias": record,
    "logprobs": boolean,
    "top_logprobs": integer(0, 20),
    "seed": integer(-(2**63), 2**63 - 1),
    "stream": boolean,
    "stream_options": record,
    "response_format": fields(
        {"type": choice("text", "json_object", "json_schema")},
        {"json_schema": fields({"name": string(1, 64)}, {"schema": record})},
    ),
    "tools": tools.TOOLS,
    "tool_choice": tools.TOOL_CHOICE,
    "parallel_tool_calls": boolean,
    "functions": array(tools.function, 1, 128),
    "function_call": by_type("a string or an object", text=choice("none", "auto"), mapping=record),
    "user": string(),
    "reasoning_effort": choice("none", "minimal", "low", "medium", "high", "xhigh"),
    "verbosity": choice("low", "medium", "high"),
    "modalities": array(choice("text", "audio"), 1),
    "audio": record,
    "prediction": record,
    "service_tier": choice("auto", "default", "flex", "scale", "priority"),
    "store": boolean,
    "metadata": record,
    "moderation": record,
    "web_search_options": record,
    "safety_identifier": string(0, 64),
    "prompt_cache_key": string(),
    "prompt_cache_retention": choice("in_memory", "24h"),
    "prompt_cache_options": record,
}
_AZURE_PARAMETERS: Mapping[str, Check] = {**PARAMETERS, "data_sources": anything}

# Reasoning models accept only the default of these, or nothing.
_FIXED = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}


def check(request: Request) -> None:
    """Raise the error that the services give for a wrong chat completion request."""
    check_body(request.body, _AZURE_PARAMETERS if request.azure else PARAMETERS, "messages")
    for find_error in _COMBINATIONS:
        error = find_error(request)
        if error is not None:
            raise error


def _token_names(request: Request) -> ErrorResponse | None:
    older, newer = "max_tokens" in request.body, "max_completion_tokens" in request.body
    if newer and "oldserver" in request.model:
        return invalid(None, "Unrecognized request argument supplied: max_completion_tokens", None)
    if older and newer:
        message = (
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        )
        return invalid("max_tokens", message, "invalid_parameter_combination")
    if older and request.catalog.reasoning(request.model):
        message = "Unsupported parameter: 'max_tokens' is not supported with this model."
        message += " Use 'max_completion_tokens' instead."
        return invalid("max_tokens", message, "unsupported_parameter")
    return None


def _sampling(request: Request) -> ErrorResponse | None:
    if not request.catalog.reasoning(request.model):
        # On Azure the name is a deployment's, which says nothing about the model.
        if request.surface == "openai" and "reasoning_effort" in request.body:
            return invalid(None, "Unrecognized request argument supplied: reasoning_effort", None)
        return None
    for name, default in _FIXED.items():
        value = request.get(name, default)
        if value != default:
            message = f"Unsupported value: '{name}' does not support {value} with this model."
            message += f" Only the default ({default}) value is supported."
            return invalid(name, message, "unsupported_value")
    if request.get("logprobs"):
        message = "Unsupported parameter: 'logprobs' is not supported with this model."
        return invalid("logprobs", message, "unsupported_parameter")
    return None


def _together(request: Request) -> ErrorResponse | None:
    for name, other in (
        ("tool_choice", "tools"), ("stream_options", "stream"), ("top_logprobs", "logprobs"),
    ):  # fmt: skip
        if name in request.body and not request.get(other):
            message = f"Invalid value for '{name}': '{name}' is only allowed when '{other}' is set."
            return invalid(name, message, None)
    return None


def _response_format(request: Request) -> ErrorResponse | None:
    wanted = request.get("response_format", {})
    if wanted.get("type") == "json_schema" and "json_schema" not in wanted:
        param = "response_format.json_schema"
        message = f"Missing required parameter: '{param}'."
        return invalid(param, message, "missing_required_parameter")
    texts = (conversation.text_of(message).lower() for message in request.body["messages"])
    if wanted.get("type") == "json_object" and not any("json" in text for text in texts):
        message = "'messages' must contain the word 'json' in some form, to use"
        message += " 'response_format' of type 'json_object'."
        return invalid("messages", message, None)
    return None


def _context(request: Request) -> ErrorResponse | None:
    size = sum(len(conversation.text_of(message)) for message in request.body["messages"])
    if size <= _CONTEXT * 4:
        return None
    message = f"This model's maximum context length is {_CONTEXT} tokens. However, your messages"
    message += f" resulted in {-(-size // 4)} tokens. Please reduce the length of the messages."
    return invalid("messages", message, "context_length_exceeded")


_COMBINATIONS = (_token_names, _sampling, _together, _response_format, _context)
