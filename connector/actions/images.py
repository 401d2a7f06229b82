"""Images from a prompt, by models that make several in one request or only one."""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import extra, partial
from connector.errors import ConnectorError
from connector.providers.error_body import names

if TYPE_CHECKING:
    from connector.client import Client

PATH = "/images/generations"

_OWNED = {
    "model": "Model / Deployment Name",
    "prompt": "Prompt",
    "n": "Number of Images",
    "size": "Image Size",
}
_PIECE = 1 << 20
"""Characters of base64 decoded at once; a multiple of four."""

_MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
}

_DATA_URL = re.compile(r"(?i)data:([\w!#$&^.+-]{1,99}/[\w!#$&^.+-]{1,99})[;,]", re.ASCII)


def create_image(inputs: Mapping[str, Any], client: Client) -> list[dict[str, Any]]:
    """Return an object for each image: `url` or `b64_json`, its content type, and the revised
    prompt.

    The model is always sent, because the service's own default is retired. Raises ConnectorError
    `partial_failure`, with the images that were made, if one of several requests failed.
    """
    body = {"model": inputs["model"], "prompt": inputs["prompt"], "size": inputs["imageSize"]}
    body = extra.merge(body, inputs.get("extraParameters"), _OWNED)
    count = inputs["numImages"]
    per_request = client.facts(inputs["model"]).images_per_call or count
    if count <= per_request:
        try:
            return _stored(_generate(body, count, client), client)
        except ConnectorError as error:
            if count == 1 or not names(error, "n"):
                raise
        client.warn(f"{inputs['model']} makes one image per request; {count} requests were sent.")
        per_request = 1
    return _in_parts(body, count, per_request, client)


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` if an extra parameter has an input of its own."""
    extra.merge({}, inputs.get("extraParameters"), _OWNED)


def _in_parts(
    body: dict[str, Any], count: int, per_request: int, client: Client
) -> list[dict[str, Any]]:
    sizes = [min(per_request, count - start) for start in range(0, count, per_request)]
    outcomes = client.each(lambda size: _generate(body, size, client), sizes)
    made = [outcome for outcome in outcomes if not isinstance(outcome, ConnectorError)]
    images = [image for batch in made for image in batch]
    images = _stored(images, client)
    if len(made) < len(outcomes):
        raise partial.failure(outcomes, images or None, client, "requests")
    return images


def _generate(body: dict[str, Any], count: int, client: Client) -> list[dict[str, Any]]:
    if count != 1:
        body = {**body, "n": count}
    response = client.post(PATH, body, body["model"])
    images = response.get("data")
    if not isinstance(images, list) or not images:
        raise client.invalid("The response has no images.")
    if len(images) != count:
        requested = "1 image" if count == 1 else f"{count} images"
        client.warn(f"The provider was asked for {requested} and sent {len(images)}.")
    return [_image(image, response, client) for image in images]


def _image(image: Any, response: Mapping[str, Any], client: Client) -> dict[str, Any]:
    if not isinstance(image, dict):
        raise client.invalid("An image in the response is not an object.")
    item = {
        key: image[key]
        for key in ("url", "b64_json", "revised_prompt")
        if isinstance(image.get(key), str) and image[key]
    }
    if not ("url" in item or "b64_json" in item):
        raise client.invalid("An image in the response has neither url nor b64_json.")
    data = item.get("b64_json", "")
    if not _is_base64(data):
        raise client.invalid("An image in the response is not base64.")
    content_type = _from_bytes(data) or _from_url(item.get("url", "")) or _stated(response)
    return {**item, "contentType": content_type}


def _from_bytes(data: str) -> str | None:
    """Return the content type that the first bytes of base64 data show, None if unknown."""
    start = binascii.a2b_base64(data[:16])
    return next((known for magic, known in _MAGIC.items() if start.startswith(magic)), None)


def _from_url(url: str) -> str | None:
    """Return the content type that a `data:` URL names, None for another URL."""
    match = _DATA_URL.match(url)
    return match[1].lower() if match else None


def _stated(response: Mapping[str, Any]) -> str:
    """Return the content type that the response states, else PNG, the documented default of both
    services."""
    stated = response.get("output_format")
    return f"image/{stated}" if stated in ("jpeg", "webp") else "image/png"


def _is_base64(data: str) -> bool:
    """Whether all of a text is base64. It is decoded in pieces, since images are large."""
    if len(data) % 4 or data.count("=", 0, -2):  # the decoder accepts some misplaced padding
        return False
    try:
        for start in range(0, len(data), _PIECE):
            binascii.a2b_base64(data[start : start + _PIECE], strict_mode=True)
    except ValueError:
        return False
    return True


def _stored(images: list[dict[str, Any]], client: Client) -> list[dict[str, Any]]:
    """Return the images; if there is an output file, their bytes go there."""
    if client.output is None:
        return images
    return [_saved(image, client) for image in images]


def _saved(image: dict[str, Any], client: Client) -> dict[str, Any]:
    if client.output is None or "b64_json" not in image:
        return image
    data = binascii.a2b_base64(image.pop("b64_json"))  # checked by `_image`
    return {**image, **client.output.save(data, image["contentType"])}
