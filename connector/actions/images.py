"""Images from a prompt, from models that make many a call and from those that make one."""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Mapping
from typing import Any

from connector.actions import extra, partial
from connector.client import Client
from connector.errors import ConnectorError
from connector.providers.error_body import names

PATH = "/images/generations"

_OWNED = {
    "model": "Model / Deployment Name",
    "prompt": "Prompt",
    "n": "Number of Images",
    "size": "Image Size",
}
_PIECE = 1 << 20
"""Characters of base64 decoded at once: a multiple of four."""

_MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
}

_DATA_URL = re.compile(r"(?i)data:([\w!#$&^.+-]{1,99}/[\w!#$&^.+-]{1,99})[;,]", re.ASCII)


def create_image(inputs: Mapping[str, Any], client: Client) -> list[dict[str, Any]]:
    """Return an item an image: `url` or `b64_json`, its content type, and the revised prompt.

    The model is always named: the service's own default is a retired one.
    """
    body = {"model": inputs["model"], "prompt": inputs["prompt"], "size": inputs["imageSize"]}
    body = extra.merge(body, inputs.get("extraParameters"), _OWNED)
    count = inputs["numImages"]
    at_once = client.facts(inputs["model"]).images_per_call or count
    if count <= at_once:
        try:
            return _stored(_generate(body, count, client), client)
        except ConnectorError as error:
            if count == 1 or not names(error, "n"):
                raise
        client.warn(f"{inputs['model']} makes one image a call; it was called {count} times.")
        at_once = 1
    return _in_parts(body, count, at_once, client)


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError for extra parameters that have an input of their own."""
    extra.merge({}, inputs.get("extraParameters"), _OWNED)


def _in_parts(
    body: dict[str, Any], count: int, at_once: int, client: Client
) -> list[dict[str, Any]]:
    sizes = [min(at_once, count - start) for start in range(0, count, at_once)]
    outcomes = client.each(lambda size: _generate(body, size, client), sizes)
    made = [outcome for outcome in outcomes if not isinstance(outcome, ConnectorError)]
    images = [image for batch in made for image in batch]
    images = _stored(images, client)
    if len(made) < len(outcomes):
        raise partial.failure(outcomes, images or None, client, "calls")
    return images


def _generate(body: dict[str, Any], count: int, client: Client) -> list[dict[str, Any]]:
    if count != 1:
        body = {**body, "n": count}
    answer = client.post(PATH, body, body["model"])
    images = answer.get("data")
    if not isinstance(images, list) or not images:
        raise client.invalid("The answer has no images.")
    if len(images) != count:
        asked = "1 image" if count == 1 else f"{count} images"
        client.warn(f"The provider was asked for {asked} and sent {len(images)}.")
    return [_image(image, answer, client) for image in images]


def _image(image: Any, answer: Mapping[str, Any], client: Client) -> dict[str, Any]:
    if not isinstance(image, dict):
        raise client.invalid("An image of the answer is not an object.")
    item = {
        key: image[key]
        for key in ("url", "b64_json", "revised_prompt")
        if isinstance(image.get(key), str) and image[key]
    }
    if not ("url" in item or "b64_json" in item):
        raise client.invalid("An image of the answer has neither url nor b64_json.")
    data = item.get("b64_json", "")
    if not _is_base64(data):
        raise client.invalid("An image of the answer is not base64.")
    kind = _magic(data) or _named_by(item.get("url", "")) or _stated(answer)
    return {**item, "contentType": kind}


def _magic(data: str) -> str | None:
    """Return the type that the first bytes of a base64 text tell."""
    start = binascii.a2b_base64(data[:16])
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def _named_by(url: str) -> str | None:
    """Return the type that a `data:` URL names."""
    match = _DATA_URL.match(url)
    return match[1].lower() if match else None


def _stated(answer: Mapping[str, Any]) -> str:
    """Return the type that the answer states, else PNG, which both services document as their
    default."""
    stated = answer.get("output_format")
    return f"image/{stated}" if stated in ("png", "jpeg", "webp") else "image/png"


def _is_base64(data: str) -> bool:
    """Whether a text is base64 to its end; in pieces, for an image is large."""
    if len(data) % 4 or data.find("=", 0, -2) >= 0:  # some padding would pass in the wrong place
        return False
    try:
        for start in range(0, len(data), _PIECE):
            binascii.a2b_base64(data[start : start + _PIECE], strict_mode=True)
    except ValueError:
        return False
    return True


def _stored(images: list[dict[str, Any]], client: Client) -> list[dict[str, Any]]:
    """Return the items, their bytes moved to the output file where there is one."""
    if client.output is None:
        return images
    return [_saved(image, client) for image in images]


def _saved(image: dict[str, Any], client: Client) -> dict[str, Any]:
    if client.output is None or "b64_json" not in image:
        return image
    data = binascii.a2b_base64(image.pop("b64_json"))  # known to be base64 by now
    return {**image, **client.output.save(data, image["contentType"])}
