"""Puts the events of a streamed response of the Responses API together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

Event = dict[str, Any]

_TEXTS = {
    "response.output_text.delta": ("text", "output_text", "text"),
    "response.refusal.delta": ("refusal", "refusal", "refusal"),
}
"""For each event with a piece of text: the type of the caller's event, and the type and the key of
the part that it belongs to."""

_CALLS = ("function_call", "custom_tool_call")
"""Items that ask the caller to run a tool of its own."""

_ENDS = ("response.completed", "response.incomplete", "response.failed")

_BEGUN = {"type": "message", "role": "assistant", "status": "in_progress"}


class ResponseEvents:
    """The events of `/responses`. Their last one has the whole response.

    The texts of all messages are one answer: their events have the index 0.
    """

    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self._response: dict[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, dict[int, tuple[str, str, list[str]]]] = {}
        self._is_over = False

    def add(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Add an event and yield what the caller sees of it. Raises ValueError for one of another
        shape."""
        kind = event.get("type")
        response = event.get("response")
        if response is not None:
            if not isinstance(response, dict):
                raise ValueError("response is not an object")
            self._response = response
        self._is_over = self._is_over or kind in _ENDS
        if kind in _TEXTS:
            return iter([self._text(event, *_TEXTS[kind])])
        if kind in ("response.output_item.added", "response.output_item.done"):
            return iter(self._item(event, kind))
        return iter(())

    def _text(self, event: Mapping[str, Any], shown: str, part: str, key: str) -> Event:
        text, at = event.get("delta"), _index(event, "output_index")
        if not isinstance(text, str):
            raise ValueError("delta is not text")
        parts = self._texts.setdefault(at, {})
        _, _, pieces = parts.setdefault(_index(event, "content_index"), (part, key, []))
        pieces.append(text)
        return {"type": shown, "index": 0, "text": text}

    def _item(self, event: Mapping[str, Any], kind: Any) -> list[Event]:
        item, at = event.get("item"), _index(event, "output_index")
        if not isinstance(item, dict):
            raise ValueError("item is not an object")
        self._items[at] = item
        if kind != "response.output_item.done":
            return []
        self._texts.pop(at, None)
        return [_call(item)] if item.get("type") in _CALLS else []

    def end(self) -> Iterator[Event]:
        """Yield nothing: each tool call announces its end."""
        return iter(())

    def is_complete(self) -> bool:
        """Whether the last event has come."""
        return self._is_over

    def response(self) -> dict[str, Any]:
        """Return the response as it would be without a stream, or what has arrived of it."""
        if self._is_over:
            return self._response
        items = {**self._items}
        for at, parts in self._texts.items():  # of messages that are not whole
            content = [
                {"type": part, key: "".join(pieces)}
                for _, (part, key, pieces) in sorted(parts.items())
            ]
            items[at] = {**_BEGUN, **items.get(at, {}), "content": content}
        return {**self._response, "output": [items[at] for at in sorted(items)]}

    def whole(self, response: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events of a response that the provider did not stream."""
        for item in response["output"]:
            for part in item.get("content") or ():
                for shown, kind, key in _TEXTS.values():
                    if part.get("type") == kind and part.get(key):
                        yield {"type": shown, "index": 0, "text": part[key]}
            if item.get("type") in _CALLS:
                yield _call(item)


def _call(item: Mapping[str, Any]) -> Event:
    return {"type": "toolCall", "index": 0, "call": dict(item)}


def _index(event: Mapping[str, Any], key: str) -> int:
    value = event.get(key, 0)
    if not isinstance(value, int):
        raise ValueError(f"{key} is not a number")
    return value
