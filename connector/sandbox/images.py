"""Images: the rules of each model family, and real PNG files of the requested size."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from connector.sandbox import png
from connector.sandbox.bodies import Part
from connector.sandbox.checks import Check, boolean, check_body, choice, integer, string
from connector.sandbox.request import Request
from connector.sandbox.responses import (
    ErrorResponse,
    Response,
    azure_filtered,
    filter_results,
    invalid,
    json_response,
    missing,
    openai_error,
    unknown_parameter,
)
from connector.sandbox.text import CREATED, digest, tokens

# A bound of the sandbox itself, so that one request cannot take all memory.
_LONGEST_EDGE = 4096
_MOST_IMAGES = 16
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
    """What the models of one family accept."""

    prompt: int
    qualities: tuple[str, ...]
    unsupported: tuple[str, ...]
    # Empty: any width and height divisible by 16, with an aspect ratio of at most 3:1.
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


def respond(request: Request) -> Response:
    """Respond to an image generation request."""
    name = next((name for name in _FAMILIES if name in request.model), "gpt-image-2")
    family = _FAMILIES[name]
    _check(request, name, family)
    if request.filtered:
        raise _filtered(request)
    width, height = _size(family, request.get("size", _SQUARE))
    pictures = [
        _picture(request, family, index, width, height) for index in range(request.get("n", 1))
    ]
    if name == "dall-e-3":
        for picture in pictures:
            picture["revised_prompt"] = f"{request.body['prompt']} (as the sandbox drew it)"
    body: dict[str, Any] = {"created": CREATED, "data": pictures}
    return json_response({**body, **_details(request, width, height)} if family.gpt else body)


def edit(request: Request) -> Response:
    """Respond to a request to edit images: a new one, whatever was sent."""
    body = dict(request.body)
    if "image" not in body:
        raise missing("image")
    images = body.pop("image")
    for name, part in [("image", item) for item in _listed(images)] + [
        ("mask", item) for item in _listed(body.pop("mask", []))
    ]:
        if not isinstance(part, Part) or not part.content:
            raise invalid(name, f"Invalid '{name}': expected a file.", "invalid_type")
    if len(_listed(images)) > _MOST_IMAGES:
        raise invalid("image", "Invalid 'image': array too long.", "array_above_max_length")
    for name in ("n", "output_compression", "partial_images"):
        if name in body:
            with contextlib.suppress(ValueError):  # its own check refuses it
                body[name] = int(body[name])
    return respond(replace(request, body=body))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check(request: Request, name: str, family: _Family) -> None:
    check_body(request.body, PARAMETERS, "prompt")
    for parameter in family.unsupported:
        if parameter in request.body:
            raise unknown_parameter(parameter)
    string(1, family.prompt)("prompt", request.body["prompt"])
    if request.get("n", 1) > 1 and (
        name == "dall-e-3" or request.catalog.fact(request.model, "imagesPerCall") == 1
    ):
        raise invalid("n", "You must provide n=1 for this model.", None)
    if "quality" in request.body:
        choice(*family.qualities)("quality", request.body["quality"])
    if request.get("stream") or request.get("output_format", "png") != "png":
        parameter = "stream" if request.get("stream") else "output_format"
        message = f"Unsupported value: '{parameter}': the sandbox draws whole PNG images only."
        raise invalid(parameter, message, "unsupported_value")
    _size(family, request.get("size", _SQUARE))


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
        problem = f"the sandbox draws at most {_LONGEST_EDGE} pixels per edge"
    if problem is not None:
        raise invalid("size", f"Invalid size '{width}x{height}': {problem}.", "invalid_value")


def _filtered(request: Request) -> ErrorResponse:
    if request.azure:
        return azure_filtered()
    message = "Your request was rejected by the safety system."
    return openai_error(400, message, code="moderation_blocked", kind="image_generation_user_error")


def _picture(
    request: Request, family: _Family, index: int, width: int, height: int
) -> dict[str, Any]:
    seed = digest(request.body["prompt"], str(index))[:32]
    if not family.gpt and request.get("response_format", "url") == "url":
        picture: dict[str, Any] = {"url": f"{request.base}/images/{seed}.png?w={width}&h={height}"}
    else:
        data = png.draw(seed, width, height)
        picture = {"b64_json": base64.b64encode(data).decode("ascii")}
    if request.azure and not family.gpt:
        picture["content_filter_results"] = filter_results()
        picture["prompt_filter_results"] = filter_results()
    return picture


def _details(request: Request, width: int, height: int) -> dict[str, Any]:
    background = request.get("background", "auto")
    quality = request.get("quality", "auto")
    read = tokens(request.body["prompt"])
    drawn = -(-width * height // 1024) * request.get("n", 1)
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


def file(seed: str, query: Mapping[str, str]) -> Response | None:
    """Return the picture that an image URL points to, None if the size is not valid."""
    width, height = (
        int(query[name]) if re.fullmatch(r"[0-9]{1,4}", query.get(name, "")) else 0
        for name in ("w", "h")
    )
    if not (0 < width <= _LONGEST_EDGE and 0 < height <= _LONGEST_EDGE):
        return None
    return Response(200, png.draw(seed, width, height), "image/png")
