"""Image generation: what each family of models refuses, and real PNG files of the asked size."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.sandbox import png
from connector.sandbox.answers import (
    Answer,
    Refusal,
    azure_filtered,
    filter_results,
    invalid,
    json_answer,
    openai_error,
    unknown_parameter,
)
from connector.sandbox.call import Call
from connector.sandbox.checks import Check, boolean, check_body, choice, integer, string
from connector.sandbox.text import CREATED, digest, tokens

# A bound of the sandbox itself, so that one request cannot take all memory.
_LONGEST_EDGE = 4096
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)

PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "prompt": string(1),
    "n": integer(1, 10),
    "size": string(),
    "quality": string(),
    "style": choice("vivid", "natural"),
    "response_format": choice("url", "b64_json"),
    "output_format": choice("png", "jpeg", "webp"),
    "output_compression": integer(0, 100),
    "background": choice("transparent", "opaque", "auto"),
    "moderation": choice("low", "auto"),
    "partial_images": integer(0, 3),
    "stream": boolean,
    "user": string(),
}
_GPT_ONLY = (
    "output_format", "output_compression", "background", "moderation", "partial_images", "stream",
)  # fmt: skip


@dataclass(frozen=True)
class _Family:
    """What the models of one family take."""

    prompt: int
    qualities: tuple[str, ...]
    refused: tuple[str, ...]
    # Empty: any width and height divisible by 16 with an aspect of at most 3:1.
    sizes: tuple[str, ...] = ()
    gpt: bool = True


_GPT_QUALITIES = ("auto", "low", "medium", "high")
_SQUARE = "1024x1024"
_FAMILIES: Mapping[str, _Family] = {
    "dall-e-3": _Family(
        4000, ("standard", "hd"), _GPT_ONLY, (_SQUARE, "1792x1024", "1024x1792"), gpt=False
    ),
    "dall-e-2": _Family(
        1000, ("standard",), (*_GPT_ONLY, "style"), ("256x256", "512x512", _SQUARE), gpt=False
    ),
    "gpt-image-1": _Family(
        32_000,
        _GPT_QUALITIES,
        ("response_format", "style"),
        (_SQUARE, "1536x1024", "1024x1536", "auto"),
    ),
    "gpt-image-2": _Family(32_000, _GPT_QUALITIES, ("response_format", "style")),
}


def answer(call: Call) -> Answer:
    """Answer an image generation."""
    name = next((name for name in _FAMILIES if name in call.model), "gpt-image-2")
    family = _FAMILIES[name]
    _check(call, name, family)
    if call.filtered:
        raise _filtered(call)
    width, height = _size(family, call.get("size", _SQUARE))
    pictures = [_picture(call, family, index, width, height) for index in range(call.get("n", 1))]
    if name == "dall-e-3":
        for picture in pictures:
            picture["revised_prompt"] = f"{call.body['prompt']} (as the sandbox drew it)"
    body: dict[str, Any] = {"created": CREATED, "data": pictures}
    return json_answer({**body, **_details(call, width, height)} if family.gpt else body)


def _check(call: Call, name: str, family: _Family) -> None:
    check_body(call.body, PARAMETERS, "prompt")
    for parameter in family.refused:
        if parameter in call.body:
            raise unknown_parameter(parameter)
    string(1, family.prompt)("prompt", call.body["prompt"])
    if call.get("n", 1) > 1 and (
        name == "dall-e-3" or call.world.fact(call.model, "imagesPerCall") == 1
    ):
        raise invalid("n", "You must provide n=1 for this model.", None)
    if "quality" in call.body:
        choice(*family.qualities)("quality", call.body["quality"])
    if call.get("stream") or call.get("output_format", "png") != "png":
        parameter = "stream" if call.get("stream") else "output_format"
        message = f"Unsupported value: '{parameter}': the sandbox draws whole PNG images only."
        raise invalid(parameter, message, "unsupported_value")
    _size(family, call.get("size", _SQUARE))


def _size(family: _Family, size: str) -> tuple[int, int]:
    if family.sizes and size not in family.sizes:
        choice(*family.sizes)("size", size)
    if size == "auto":
        return 1024, 1024
    match = _SIZE.fullmatch(size)
    if match is None:
        raise invalid(
            "size", f"Invalid size '{size[:32]}': expected WIDTHxHEIGHT.", "invalid_value"
        )
    width, height = int(match[1]), int(match[2])
    if not family.sizes:
        _check_free_size(width, height)
    return width, height


def _check_free_size(width: int, height: int) -> None:
    problem = None
    if width % 16 or height % 16:
        problem = "width and height must be divisible by 16"
    elif max(width, height) > 3 * min(width, height):
        problem = "the aspect ratio must be between 1:3 and 3:1"
    elif max(width, height) > _LONGEST_EDGE:
        problem = f"the sandbox draws at most {_LONGEST_EDGE} pixels an edge"
    if problem is not None:
        raise invalid("size", f"Invalid size '{width}x{height}': {problem}.", "invalid_value")


def _filtered(call: Call) -> Refusal:
    if call.azure:
        return azure_filtered()
    message = "Your request was rejected by the safety system."
    return openai_error(400, message, code="moderation_blocked", kind="image_generation_user_error")


def _picture(call: Call, family: _Family, index: int, width: int, height: int) -> dict[str, Any]:
    seed = digest(call.body["prompt"], str(index))[:32]
    if not family.gpt and call.get("response_format", "url") == "url":
        picture: dict[str, Any] = {"url": f"{call.base}/images/{seed}.png?w={width}&h={height}"}
    else:
        data = png.draw(seed, width, height)
        picture = {"b64_json": base64.b64encode(data).decode("ascii")}
    if call.azure and not family.gpt:
        picture["content_filter_results"] = filter_results()
        picture["prompt_filter_results"] = filter_results()
    return picture


def _details(call: Call, width: int, height: int) -> dict[str, Any]:
    background = call.get("background", "auto")
    quality = call.get("quality", "auto")
    read = tokens(call.body["prompt"])
    drawn = -(-width * height // 1024) * call.get("n", 1)
    return {
        "background": "opaque" if background == "auto" else background,
        "output_format": "png",
        "quality": "medium" if quality == "auto" else quality,
        "size": f"{width}x{height}",
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"text_tokens": read, "image_tokens": 0},
            "output_tokens": drawn,
            "total_tokens": read + drawn,
        },
    }


def file(seed: str, query: Mapping[str, str]) -> Answer | None:
    """Serve a picture that an answer pointed to; None where the size makes no sense."""
    width, height = (
        int(query[name]) if re.fullmatch(r"[0-9]{1,4}", query.get(name, "")) else 0
        for name in ("w", "h")
    )
    if not (0 < width <= _LONGEST_EDGE and 0 < height <= _LONGEST_EDGE):
        return None
    return Answer(200, png.draw(seed, width, height), "image/png")
