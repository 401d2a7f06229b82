"""Embeddings: short vectors, computed from a hash of the text."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.checks import Check, array, by_type, check_body, choice, integer, string
from connector.sandbox.request import Request
from connector.sandbox.responses import Response, azure_filtered, invalid, json_response
from connector.sandbox.text import digest, tokens

# Real vectors have at least 1536 numbers; a test does not need them.
_DIMENSIONS = 8

_CONTEXT = 8192
_MOST_TOKENS = 300_000

PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "input": by_type("a string or an array", text=string(1), items=array(string(1), 1, 2048)),
    "dimensions": integer(1, 3072),
    "encoding_format": choice("float", "base64"),
    "user": string(),
}


def respond(request: Request) -> Response:
    """Respond to an embeddings request."""
    check_body(request.body, PARAMETERS, "input")
    if request.filtered and request.azure:
        raise azure_filtered()
    given = request.body["input"]
    texts: list[str] = [given] if isinstance(given, str) else given
    sizes = [tokens(text) for text in texts]
    _check_sizes(sizes)
    read = sum(sizes)
    data = [
        {"object": "embedding", "index": index, "embedding": _embedding(request, text)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": read, "total_tokens": read}
    return json_response({"object": "list", "data": data, "model": request.model, "usage": usage})


def _check_sizes(sizes: Sequence[int]) -> None:
    if (longest := max(sizes)) > _CONTEXT:
        message = f"This model's maximum context length is {_CONTEXT} tokens, however you requested"
        message += f" {longest} tokens ({longest} in your prompt; 0 for the completion)."
        message += " Please reduce your prompt; or completion length."
        raise invalid(None, message, None)
    if sum(sizes) > _MOST_TOKENS:
        message = f"Requested {sum(sizes)} tokens, max {_MOST_TOKENS} tokens per request"
        raise invalid(None, message, "max_tokens_per_request")


def _embedding(request: Request, text: str) -> Any:
    size = request.get("dimensions", _DIMENSIONS)
    source = "".join(digest(text, str(block)) for block in range(-(-size // 32)))
    vector = [int(source[at * 2 : at * 2 + 2], 16) / 128 - 1 for at in range(size)]
    if request.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode("ascii")
    return vector
