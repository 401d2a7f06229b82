"""Embeddings: small vectors that depend on the text alone."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

from connector.sandbox.answers import Answer, azure_filtered, json_answer
from connector.sandbox.call import Call
from connector.sandbox.checks import Check, array, by_type, check_body, choice, integer, string
from connector.sandbox.text import digest, tokens

# The real vectors have 1536 numbers and more; nobody reads these.
_DIMENSIONS = 8

PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "input": by_type("a string or an array", text=string(1), items=array(string(1), 1, 2048)),
    "dimensions": integer(1, 3072),
    "encoding_format": choice("float", "base64"),
    "user": string(),
}


def answer(call: Call) -> Answer:
    """Answer an embeddings request."""
    check_body(call.body, PARAMETERS, "input")
    if call.filtered and call.azure:
        raise azure_filtered()
    given = call.body["input"]
    texts: list[str] = [given] if isinstance(given, str) else given
    read = sum(tokens(text) for text in texts)
    data = [
        {"object": "embedding", "index": index, "embedding": _embedding(call, text)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": read, "total_tokens": read}
    return json_answer({"object": "list", "data": data, "model": call.model, "usage": usage})


def _embedding(call: Call, text: str) -> Any:
    size = call.get("dimensions", _DIMENSIONS)
    source = "".join(digest(text, str(block)) for block in range(-(-size // 32)))
    vector = [int(source[at * 2 : at * 2 + 2], 16) / 128 - 1 for at in range(size)]
    if call.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode("ascii")
    return vector
