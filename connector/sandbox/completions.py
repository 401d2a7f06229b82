"""The legacy completions API: one text per prompt and choice, with its default of 16 tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox import logprobs
from connector.sandbox.answers import (
    Answer,
    azure_filtered,
    filter_results,
    invalid,
    json_answer,
    prompt_filter_results,
    stream_answer,
)
from connector.sandbox.call import Call
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
from connector.sandbox.text import CREATED, finish, numbered, quote, split, summary, tokens

_CONTEXT = 4097
_DEFAULT_TOKENS = 16


def _prompt_item(param: str, value: Any) -> None:
    # Prompts may also be given as token numbers, one prompt or several.
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


def answer(call: Call) -> Answer:
    """Answer a legacy completion."""
    check_body(call.body, PARAMETERS, "prompt")
    prompts = _prompts(call.body["prompt"])
    count = call.get("n", 1)
    if call.get("best_of", count) < count:
        message = "You requested that the server return more choices than it will generate."
        raise invalid("best_of", message, None)
    for prompt in prompts:
        _check_context(prompt, call.get("max_tokens", _DEFAULT_TOKENS))
    if call.filtered and call.azure:
        raise azure_filtered()
    stopped = _stopped(call, prompts)
    choices = [
        _choice(call, prompt, at * count + index, count, stopped[at])
        for at, prompt in enumerate(prompts)
        for index in range(count)
    ]
    read = sum(tokens(prompt) for prompt in prompts)
    written = sum(tokens(choice["text"]) for choice in choices)
    head = {
        "id": f"cmpl-{call.digest[:29]}",
        "object": "text_completion",
        "created": CREATED,
        "model": call.model,
    }
    usage = {
        "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
    }  # fmt: skip
    extra = {"prompt_filter_results": prompt_filter_results(len(prompts))} if call.azure else {}
    if call.get("stream"):
        chunks: list[object] = [{**head, "choices": [], **extra}] if call.azure else []
        chunks += ({**head, "choices": [choice]} for choice in choices)
        return stream_answer(chunks)
    return json_answer({**head, "choices": choices, "usage": usage, **extra})


def _prompts(prompt: Any) -> list[str]:
    if isinstance(prompt, str):
        return [prompt]
    if all(isinstance(item, int) for item in prompt):
        return [_numbers(prompt)]
    return [_numbers(item) if isinstance(item, list) else str(item) for item in prompt]


def _numbers(items: list[int]) -> str:
    # As long as that many tokens, so that the count stays right.
    return f"[{len(items)} tokens]".ljust(len(items) * 4)


def _check_context(prompt: str, limit: int) -> None:
    read = tokens(prompt)
    if read + limit > _CONTEXT:
        message = f"This model's maximum context length is {_CONTEXT} tokens, however you requested"
        message += f" {read + limit} tokens ({read} in your prompt; {limit} for the completion)."
        message += " Please reduce your prompt; or completion length."
        raise invalid("prompt", message, "context_length_exceeded")


def _stopped(call: Call, prompts: list[str]) -> list[bool]:
    """Say which prompts the content filter stops: those that ask for it, else all."""
    marked = [call.filtered and FILTER_MARK in prompt for prompt in prompts]
    return marked if any(marked) else [call.filtered] * len(prompts)


def _choice(call: Call, prompt: str, at: int, count: int, stopped: bool) -> dict[str, Any]:
    reply = f"Sandbox completion of {quote(prompt.strip())} (model {call.model})"
    if prompt.rstrip().endswith("Summary:"):
        reply = summary(prompt)
    text = numbered(reply, at % count, count)
    text, reason = finish(text, call.get("max_tokens", _DEFAULT_TOKENS), call.get("stop"))
    if stopped:
        text, reason = "", "content_filter"
    if call.get("echo"):
        text = prompt + text
    choice: dict[str, Any] = {"text": text, "index": at, "logprobs": None, "finish_reason": reason}
    if "logprobs" in call.body:
        echoed = bool(call.get("echo"))
        choice["logprobs"] = logprobs.for_legacy(split(text), call.body["logprobs"], echoed)
    if call.azure:
        choice["content_filter_results"] = filter_results()
    return choice
