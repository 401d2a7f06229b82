"""What a tool returns: structured data, a text of it, and its images and sounds as such."""

from __future__ import annotations

from typing import Any

import mcp_types as types

from connector.errors import ConnectorError
from connector.text import strict_json


def of_data(data: Any) -> types.CallToolResult:
    """Return the result of a tool; an image is content, and named in the data."""
    blocks: list[types.ContentBlock] = []
    shown = _without_media(data, blocks)
    text = shown if isinstance(shown, str) else strict_json.dumps(shown).decode()
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text), *blocks],
        structured_content={"data": shown},
    )


def of_error(error: ConnectorError, data: Any) -> types.CallToolResult:
    """Return a failure as the model sees it: the error, and what was done before it."""
    told = {"error": error.to_dict()} | ({} if data is None else {"data": data})
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=strict_json.dumps(told).decode())],
        is_error=True,
    )


def _without_media(value: Any, blocks: list[types.ContentBlock]) -> Any:
    """Return `value` with each image and sound replaced by its number in `blocks`."""
    if isinstance(value, list):
        return [_without_media(item, blocks) for item in value]
    if not isinstance(value, dict):
        return value
    kind = str(value.get("contentType", ""))
    name = "b64_json" if "b64_json" in value else "data"
    text = value.get(name)
    if isinstance(text, str) and kind.startswith("image/"):
        blocks.append(types.ImageContent(type="image", data=text, mime_type=kind))
    elif isinstance(text, str) and kind.startswith("audio/"):
        blocks.append(types.AudioContent(type="audio", data=text, mime_type=kind))
    else:
        return {key: _without_media(item, blocks) for key, item in value.items()}
    return {**value, name: f"content {len(blocks)} of this result"}
