"""Images from a prompt, and from other images, by models that make several in one request or only
one."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from connector.actions import extra, files, partial
from connector.errors import ConnectorError
from connector.problems import error_of
from connector.providers.error_body import names
from connector.text import strict_json

if TYPE_CHECKING:
    from connector.client import Client, Field

PATH = "/images/generations"

_OWNED = {
    "model": "Model / Deployment Name",
    "prompt": "Prompt",
    "n": "Number of Images",
    "size": "Image Size",
}
_OWNED_BY_EDIT = {**_OWNED, "image": "Images", "image[]": "Images", "mask": "Mask"}
_MASK = {"image/png": "png"}
_LARGEST, _LARGEST_MASK = 50, 4
"""Megabytes of the largest image that can be edited, and of the largest mask."""

_PIECE = 1 << 20
"""Characters of base64 decoded at once; a multiple of four."""

_DATA_URL = re.compile(r"(?i)data:([\w!#$&^.+-]{1,99}/[\w!#$&^.+-]{1,99})[;,]", re.ASCII)


def create_image(inputs: Mapping[str, Any], client: Client) -> list[dict[str, Any]]:
    """Return an object for each image: `url` or `b64_json`, its content type, and the revised
    prompt.

    The model is always sent, because the service's own default is retired. Raises ConnectorError
    `partial_failure`, with the images that were made, if one of several requests failed.
    """
    body = {"model": inputs["model"], "prompt": inputs["prompt"], "size": inputs["imageSize"]}
    body = extra.merge(body, inputs.get("extraParameters"), _OWNED)

    def send(count: int) -> dict[str, Any]:
        return client.post(PATH, body if count == 1 else {**body, "n": count}, inputs["model"])

    return _images(send, inputs, client)


def check(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` if an extra parameter has an input of its own."""
    extra.merge({}, inputs.get("extraParameters"), _OWNED)


def edit_image(inputs: Mapping[str, Any], client: Client) -> list[dict[str, Any]]:
    """Return an object for each image, as `create_image` does.

    Raises ConnectorError as `check_edit` and `create_image` do.
    """
    check_edit(inputs, ())
    images = [files.upload(image, "image", files.IMAGES) for image in inputs["images"]]
    name = "image" if len(images) == 1 else "image[]"
    form: list[Field] = [
        ("model", inputs["model"]),
        ("prompt", inputs["prompt"]),
        ("size", inputs["imageSize"]),
        *((name, image) for image in images),
    ]
    if "mask" in inputs:
        form.append(("mask", files.upload(inputs["mask"], "mask", _MASK)))
    for parameter, value in (inputs.get("extraParameters") or {}).items():
        form += _fields(parameter, value)

    def send(count: int) -> dict[str, Any]:
        counted = form if count == 1 else [*form, ("n", str(count))]
        return client.post_form("/images/edits", counted, inputs["model"])

    return _images(send, inputs, client)


def check_edit(inputs: Mapping[str, Any], bad: Collection[str]) -> None:
    """Raise ConnectorError `invalid_input` for files that are no images, or too large, and for an
    extra parameter that has an input of its own."""
    problems: list[dict[str, str]] = []
    for index, image in enumerate(inputs.get("images", ())):
        path = f"/inputs/images/{index}"
        problems += files.problems(image, path, "Images", files.IMAGES, _LARGEST)
    if "mask" in inputs:
        problems += files.problems(inputs["mask"], "/inputs/mask", "Mask", _MASK, _LARGEST_MASK)
    problems += extra.problems(inputs.get("extraParameters"), _OWNED_BY_EDIT)
    if problems:
        raise error_of("invalid_input", problems)


def _fields(name: str, value: Any) -> list[Field]:
    """Return an extra parameter as fields of a form."""
    if isinstance(value, list):
        return [field for item in value for field in _fields(f"{name}[]", item)]
    return [(name, value if isinstance(value, str) else strict_json.dumps(value).decode())]


def _images(
    send: Callable[[int], Mapping[str, Any]], inputs: Mapping[str, Any], client: Client
) -> list[dict[str, Any]]:
    """Return the images of the inputs; `send` returns the response to a request for some."""
    count = inputs["numImages"]
    per_request = client.facts(inputs["model"]).images_per_call or count
    if count <= per_request:
        try:
            return _stored(_requested(send, count, client), client)
        except ConnectorError as error:
            if count == 1 or not names(error, "n"):
                raise
        client.warn(f"{inputs['model']} makes one image per request; {count} requests were sent.")
        per_request = 1
    return _in_parts(send, count, per_request, client)


def _in_parts(
    send: Callable[[int], Mapping[str, Any]], count: int, per_request: int, client: Client
) -> list[dict[str, Any]]:
    sizes = [min(per_request, count - start) for start in range(0, count, per_request)]
    outcomes = client.each(lambda size: _requested(send, size, client), sizes)
    made = [outcome for outcome in outcomes if not isinstance(outcome, ConnectorError)]
    images = [image for batch in made for image in batch]
    images = _stored(images, client)
    if len(made) < len(outcomes):
        raise partial.failure(outcomes, images or None, client, "requests")
    return images


def _requested(
    send: Callable[[int], Mapping[str, Any]], count: int, client: Client
) -> list[dict[str, Any]]:
    response = send(count)
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
    found = files.type_of(start)
    return found if found in files.IMAGES else None


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
