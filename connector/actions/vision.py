"""Images in a conversation: URLs and binary objects, added to its last message from the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.actions import files
from connector.problems import problem

_TYPES = {**files.IMAGES, "image/gif": "gif"}
_LARGEST = 20
"""Megabytes of the largest image; OpenAI's limit when it documented one for each image."""

_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


def problems(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what is wrong with the input `images`."""
    images: Sequence[Any] = inputs.get("images", ())
    found = []
    for index, image in enumerate(images):
        path = f"/inputs/images/{index}"
        file = _file(image)
        if file is not None:
            found += files.problems(file, path, "Images", _TYPES, _LARGEST)
        elif image.startswith("data:"):
            found.append(problem(path, "must be a data: URL with base64", "Images"))
    if images and "messages" in inputs and _last(inputs["messages"]) is None:
        message = "need a message with the role user in Messages, to which they are added"
        found.append(problem("/inputs/images", message, "Images"))
    return found


def with_images(messages: Sequence[Any], images: Sequence[Any]) -> list[Any]:
    """Return `messages` with `images` at the end of the last one from the user."""
    place = _last(messages)
    if not images or place is None:
        return [*messages]
    message = messages[place]
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    urls = [image if isinstance(image, str) else _data_url(image) for image in images]
    added = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    changed = {**message, "content": [*content, *added]}
    return [*messages[:place], changed, *messages[place + 1 :]]


def _last(messages: Sequence[Any]) -> int | None:
    """Return the index of the last message from the user."""
    places = [index for index, item in enumerate(messages) if item["role"] == "user"]
    return places[-1] if places else None


def _file(image: Any) -> Mapping[str, str] | None:
    """Return the binary object of an image, None for a URL of another kind."""
    if not isinstance(image, str):
        file: Mapping[str, str] = image
        return file
    match = _DATA_URL.fullmatch(image)
    return {"contentType": match[1], "data": match[2]} if match else None


def _data_url(file: Mapping[str, str]) -> str:
    return f"data:{files.media_type(file)};base64,{file['data']}"
