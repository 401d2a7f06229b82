"""Puts the chunks of a streamed completion together, and tells what is new in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

Event = dict[str, Any]

_TEXTS = {"content": "text", "refusal": "refusal"}
"""The texts of a message that callers see as they grow, and the type of their events."""


class ChatChunks:
    """The chunks of `/chat/completions`. The response has the shape of one without a stream."""

    options: ClassVar[Mapping[str, Any]] = {"stream_options": {"include_usage": True}}
    _object = "chat.completion"

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """Add a chunk and yield its events. Raises ValueError for one of another shape."""
        for key, value in chunk.items():
            if key != "choices" and (value or key not in self._head):
                self._head[key] = value
        choices = chunk.get("choices") or []
        if not isinstance(choices, list):
            raise ValueError("choices is not an array")
        return iter([event for choice in choices for event in self._choice(choice)])

    def _choice(self, choice: Any) -> Iterator[Event]:
        if not isinstance(choice, dict):
            raise ValueError("a choice is not an object")
        index = choice.get("index") or 0
        if not isinstance(index, int):
            raise ValueError("an index is not a number")
        kept = self._choices.setdefault(index, self._new(index))
        yield from self._delta(kept, choice)
        for key, value in choice.items():
            if key not in _OWN:
                _replace(kept, key, value)
        if choice.get("finish_reason"):
            yield from self._calls(kept, len(kept["calls"]))

    def _new(self, index: int) -> dict[str, Any]:
        return {"index": index, "message": {}, "calls": {}, "told": 0, "finish_reason": None}

    def _delta(self, kept: dict[str, Any], choice: Mapping[str, Any]) -> Iterator[Event]:
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise ValueError("a delta is not an object")
        for key, kind in _TEXTS.items():
            value = delta.get(key)
            if not isinstance(value, str | None):
                raise ValueError(f"{key} is not text")
            if value:
                yield {"type": kind, "index": kept["index"], "text": value}
        if "tool_calls" in delta:
            yield from self._add_calls(kept, delta["tool_calls"] or [])
            delta = {key: value for key, value in delta.items() if key != "tool_calls"}
        _grow(kept["message"], delta)

    def _add_calls(self, kept: dict[str, Any], calls: Any) -> Iterator[Event]:
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise ValueError("tool_calls is not an array of objects")
        for call in calls:
            place = call.get("index", len(kept["calls"]))
            if not isinstance(place, int):
                raise ValueError("an index is not a number")
            if place not in kept["calls"]:  # the ones before it are whole
                yield from self._calls(kept, len(kept["calls"]))
                kept["calls"][place] = {}
            _grow(kept["calls"][place], {k: v for k, v in call.items() if k != "index"})

    def _calls(self, kept: dict[str, Any], count: int) -> Iterator[Event]:
        calls = list(kept["calls"].values())
        for call in calls[kept["told"] : count]:
            yield {"type": "toolCall", "index": kept["index"], "call": _joined(call)}
        kept["told"] = max(kept["told"], count)

    def end(self) -> Iterator[Event]:
        """Yield the tool calls of choices whose end was not announced."""
        for kept in self._choices.values():
            yield from self._calls(kept, len(kept["calls"]))

    def is_complete(self) -> bool:
        """Whether every choice has told why it ended."""
        choices = self._choices.values()
        return bool(choices) and all(choice["finish_reason"] for choice in choices)

    def response(self) -> dict[str, Any]:
        """Return the response as it would be without a stream, or what has arrived of it."""
        head = dict(self._head)
        choices = [self._finished(self._choices[index]) for index in sorted(self._choices)]
        usage = {"usage": head.pop("usage")} if "usage" in head else {}
        return {**head, "object": self._object, "choices": choices, **usage}

    def _finished(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": None, **_joined(kept["message"])}
        if calls := [_joined(call) for call in kept["calls"].values()]:
            message["tool_calls"] = calls
            message["content"] = message["content"] or None
        return {**_parts(kept), "message": message}

    def whole(self, response: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events of a response that the provider did not stream."""
        for choice in response["choices"]:
            index, message = choice.get("index", 0), choice.get("message") or {}
            for key, kind in _TEXTS.items():
                if message.get(key):
                    yield {"type": kind, "index": index, "text": message[key]}
            for call in message.get("tool_calls") or ():
                yield {"type": "toolCall", "index": index, "call": call}


class TextChunks(ChatChunks):
    """The chunks of the legacy `/completions`."""

    _object = "text_completion"

    def _delta(self, kept: dict[str, Any], choice: Mapping[str, Any]) -> Iterator[Event]:
        text = choice.get("text")
        if not isinstance(text, str | None):
            raise ValueError("text is not text")
        if text:
            _grow(kept["message"], {"content": text})
            yield {"type": "text", "index": kept["index"], "text": text}

    def _finished(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        return {**_parts(kept), "text": _joined(kept["message"]).get("content", "")}

    def whole(self, response: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events of a response that the provider did not stream."""
        for choice in response["choices"]:
            if choice.get("text"):
                yield {"type": "text", "index": choice.get("index", 0), "text": choice["text"]}


_OWN = ("index", "delta", "text")
"""The parts of a choice that are put together in a way of their own."""

_WHOLE = ("id", "type", "role", "name")
"""Texts that come whole: a server that repeats one means the same."""


class _Pieces(list[str]):
    """A growing text: to add to a long text costs as much as to copy it."""


def _grow(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Add a delta: its texts and arrays extend what is there, and its objects do so inside."""
    for key, value in new.items():
        old = into.get(key)
        if isinstance(value, str) and key not in _WHOLE:
            if isinstance(old, _Pieces):
                old.append(value)
            else:
                into[key] = _Pieces([value])
        elif isinstance(value, dict):
            inner = into[key] = old if isinstance(old, dict) else {}
            _grow(inner, value)
        elif isinstance(value, list) and isinstance(old, list):
            old.extend(value)
        elif value is not None or key not in into:
            into[key] = value


def _replace(into: dict[str, Any], key: str, value: Any) -> None:
    """Set a part of a choice: the latest value, except that null removes nothing and that the log
    probabilities of all tokens are kept."""
    old = into.get(key)
    if isinstance(old, dict) and isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, list) and isinstance(old.get(name), list):
                old[name].extend(item)
            else:
                _replace(old, name, item)
    elif value is not None or key not in into:
        into[key] = value


def _parts(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a choice that are not put together in a way of their own."""
    return {k: v for k, v in kept.items() if k not in ("message", "calls", "told")}


def _joined(value: Any) -> Any:
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, dict):
        return {key: _joined(item) for key, item in value.items()}
    return value
