"""The legacy completions API: one text per prompt and choice, of 16 tokens by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox import logprobs
from connector.sandbox.checks import (
    Check,
    array,
    boolean,
    by_type,
    check_body,
    integer,
    number,
    record,
    stop,
    string,
    wrong_type,
)
from connector.sandbox.faults import FILTER_MARK
from connector.sandbox.request import Request
from connector.sandbox.responses import (
    Response,
    azure_filtered,
    filter_results,
    invalid,
    json_response,
    prompt_filter_results,
    stream_response,
)
from connector.sandbox.text import CREATED, number_choice, quote, split, summary, tokens, truncate

_CONTEXT = 4097
_DEFAULT_TOKENS = 16


def _prompt_item(param: str, value: Any) -> None:
    # A prompt may also be an array of token numbers.
    if isinstance(value, list):
        array(integer(0), 1)(param, value)
    elif not isinstance(value, (str, int)) or isinstance(value, bool):
        raise wrong_type(param, "a string", value)


PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "prompt": by_type("a string or an array", text=string(), items=array(_prompt_item, 1, 2048)),
    "max_tokens": integer(0),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "n": integer(1, 128),
    "best_of": integer(1, 20),
    "stop": stop,
    "suffix": string(),
    "echo": boolean,
    "logprobs": integer(0, 5),
    "logit_bias": record,
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "seed": integer(),
    "stream": boolean,
    "stream_options": record,
    "user": string(),
}


def respond(request: Request) -> Response:
    """Respond to a legacy completion request."""
    check_body(request.body, PARAMETERS, "prompt")
    prompts = _prompts(request.body["prompt"])
    count = request.get("n", 1)
    if request.get("best_of", count) < count:
        message = "You requested that the server return more choices than it will generate."
        raise invalid("best_of", message, None)
    for prompt in prompts:
        _check_context(prompt, request.get("max_tokens", _DEFAULT_TOKENS))
    if request.filtered and request.azure:
        raise azure_filtered()
    stopped = _stopped(request, prompts)
    choices = [
        _choice(request, prompt, at * count + index, count, stopped[at])
        for at, prompt in enumerate(prompts)
        for index in range(count)
    ]
    read = sum(tokens(prompt) for prompt in prompts)
    written = sum(tokens(choice["text"]) for choice in choices)
    head = {
        "id": f"cmpl-{request.digest[:29]}",
        "object": "text_completion",
        "created": CREATED,
        "model": request.model,
    }
    usage = {
        "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
    }  # fmt: skip
    extra = {"prompt_filter_results": prompt_filter_results(len(prompts))} if request.azure else {}
    if request.get("stream"):
        chunks: list[object] = [{**head, "choices": [], **extra}] if request.azure else []
        chunks += ({**head, "choices": [choice]} for choice in choices)
        if request.get("stream_options", {}).get("include_usage"):
            chunks.append({**head, "choices": [], "usage": usage})
        return stream_response(chunks)
    return json_response({**head, "choices": choices, "usage": usage, **extra})


def _prompts(prompt: Any) -> list[str]:
    if isinstance(prompt, str):
        return [prompt]
    if all(isinstance(item, int) for item in prompt):
        return [_placeholder(prompt)]
    return [_placeholder(item) if isinstance(item, list) else str(item) for item in prompt]


def _placeholder(items: list[int]) -> str:
    # Padded to the length of that many tokens, so that the usage is right.
    return f"[{len(items)} tokens]".ljust(len(items) * 4)


def _check_context(prompt: str, limit: int) -> None:
    read = tokens(prompt)
    if read + limit > _CONTEXT:
        message = f"This model's maximum context length is {_CONTEXT} tokens, however you requested"
        message += f" {read + limit} tokens ({read} in your prompt; {limit} for the completion)."
        message += " Please reduce your prompt; or completion length."
        raise invalid("prompt", message, "context_length_exceeded")


def _stopped(request: Request, prompts: list[str]) -> list[bool]:
    """Return for each prompt whether the content filter stops it: those with a mark, else all."""
    marked = [request.filtered and FILTER_MARK in prompt for prompt in prompts]
    return marked if any(marked) else [request.filtered] * len(prompts)


def _choice(request: Request, prompt: str, at: int, count: int, stopped: bool) -> dict[str, Any]:
    reply = f"Sandbox completion of {quote(prompt.strip())} (model {request.model})"
    if prompt.rstrip().endswith("Summary:"):
        reply = summary(prompt)
    text = number_choice(reply, at % count, count)
    text, reason = truncate(text, request.get("max_tokens", _DEFAULT_TOKENS), request.get("stop"))
    if stopped:
        text, reason = "", "content_filter"
    if request.get("echo"):
        text = prompt + text
    choice: dict[str, Any] = {"text": text, "index": at, "logprobs": None, "finish_reason": reason}
    if "logprobs" in request.body:
        echoed = bool(request.get("echo"))
        choice["logprobs"] = logprobs.for_legacy(split(text), request.body["logprobs"], echoed)
    if request.azure:
        choice["content_filter_results"] = filter_results()
    return choice
