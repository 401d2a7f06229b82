"""Faults that a request can ask for, and the three ways to name one.

A header, a prefix of the path or a text in the prompt names a fault. A count limits it to the first
such requests, so that a retry can succeed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connector.sandbox.keys import quota_exceeded
from connector.sandbox.messages import text_of
from connector.sandbox.responses import Response, Surface, openai_error, surface_error
from connector.sandbox.text import digest

HEADER = "x-sandbox-fault"
FILTER_MARK = "sandbox:filter"

FAULTS: Mapping[str, str] = {
    "rate-limit": "429 rate_limit_exceeded with `retry-after: 1`",
    "quota": "429 insufficient_quota: waiting does not help",
    "overloaded": "503 server_is_overloaded",
    "error": "500, an internal error of the service",
    "slow": "the response comes after 30 seconds; `slow-N`: after N milliseconds",
    "cut": "headers and half of the body, then the connection closes",
    "html": "200 with an HTML page in place of JSON",
    "empty": "200 with the empty object `{}`",
    "filter": "the content filter stops the request",
}

# Makes the regular response; its argument says whether the content filter stops the request.
Respond = Callable[[bool], Response]
Fault = Callable[[Surface, Respond], Awaitable[Response]]

_MOST_COUNTED = 10_000
_SLOW_MS = 30_000
_SLOWEST_MS = 3_600_000
_NAME = re.compile(r"([a-z-]+?(?:-\d{1,9})?)(?::(\d{1,9}))?", re.ASCII)
_IN_TEXT = re.compile(r"sandbox:([a-z]+(?:-[a-z0-9]+)*)(?::(\d{1,9}))?", re.ASCII)
_SLOW_NAME = re.compile(r"slow-(\d{1,9})", re.ASCII)
_PREFIX = re.compile(r"/fault/([^/]+)(/.*)")


async def _rate_limit(surface: Surface, respond: Respond) -> Response:
    return surface_error(
        surface,
        429,
        "Rate limit reached (sandbox). Please retry after 1 seconds.",
        code="rate_limit_exceeded",
        kind="requests",
        headers={"retry-after": "1"},
    ).response


async def _quota(surface: Surface, respond: Respond) -> Response:
    return quota_exceeded().response


async def _overloaded(surface: Surface, respond: Respond) -> Response:
    message = "The server is overloaded (sandbox). Please try again later."
    return openai_error(503, message, code="server_is_overloaded", kind="server_error").response


async def _error(surface: Surface, respond: Respond) -> Response:
    message = "The server had an error while processing your request (sandbox)."
    return surface_error(surface, 500, message, code=None, kind="server_error").response


async def _slow(surface: Surface, respond: Respond) -> Response:
    return await _delayed(_SLOW_MS)(surface, respond)


def _delayed(milliseconds: int) -> Fault:
    async def fault(surface: Surface, respond: Respond) -> Response:
        await asyncio.sleep(min(milliseconds, _SLOWEST_MS) / 1000)
        return respond(False)

    return fault


async def _cut(surface: Surface, respond: Respond) -> Response:
    return replace(respond(False), cut=True)


async def _html(surface: Surface, respond: Respond) -> Response:
    page = b"<!doctype html><title>Sandbox</title><p>This is not the JSON you are looking for."
    return Response(200, page, "text/html")


async def _empty(surface: Surface, respond: Respond) -> Response:
    return Response(200, b"{}")


async def _filter(surface: Surface, respond: Respond) -> Response:
    return respond(True)


async def no_fault(surface: Surface, respond: Respond) -> Response:
    """Return the regular response."""
    return respond(False)


_TABLE: Mapping[str, Fault] = {
    "rate-limit": _rate_limit,
    "quota": _quota,
    "overloaded": _overloaded,
    "error": _error,
    "slow": _slow,
    "cut": _cut,
    "html": _html,
    "empty": _empty,
    "filter": _filter,
}


@dataclass(frozen=True)
class NamedFault:
    """A fault that a request names; if `count` is None, every such request fails."""

    name: str
    count: int | None
    # Where it was named; requests with the same source share a count.
    source: str


def _lookup(name: str) -> Fault | None:
    slow = _SLOW_NAME.fullmatch(name)
    return _delayed(int(slow[1])) if slow else _TABLE.get(name)


def parse(text: str, source: str) -> NamedFault:
    """Parse `NAME[:COUNT]`; an unknown name is an error, because a silent success would mislead."""
    match = _NAME.fullmatch(text.strip())
    if match is None or _lookup(match[1]) is None:
        message = f"Unknown sandbox fault '{text[:64]}'. Known faults: {', '.join(FAULTS)}."
        raise openai_error(400, message, code="unknown_sandbox_fault", kind="sandbox_error")
    return NamedFault(match[1], None if match[2] is None else int(match[2]), f"{source} {text}")


def split_path(path: str) -> tuple[str | None, str]:
    """Split a raw path into the fault that its prefix names, or None, and the rest."""
    match = _PREFIX.fullmatch(path)
    return (match[1], match[2]) if match else (None, path)


def find_in_body(body: Mapping[str, Any]) -> NamedFault | None:
    """Find the fault in the last message or the prompt; the filter also in any user message."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return _in_text(_prompt_text(body))
    texts = [text_of(message) if isinstance(message, dict) else "" for message in messages]
    found = _in_text(texts[-1])
    if found is None:
        asked = (
            text
            for message, text in zip(messages, texts, strict=True)
            if text and message.get("role") == "user"
        )
        candidates = (_in_text(text) for text in asked if FILTER_MARK in text)
        found = next((fault for fault in candidates if fault and fault.name == "filter"), None)
    return found


def _prompt_text(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt", body.get("input"))
    if isinstance(prompt, list):
        texts = (text_of(item) if isinstance(item, dict) else item for item in prompt)
        return "\n".join(item for item in texts if isinstance(item, str))
    return prompt if isinstance(prompt, str) else ""


def _in_text(text: str) -> NamedFault | None:
    for match in _IN_TEXT.finditer(text):
        if _lookup(match[1]) is not None:
            count = None if match[2] is None else int(match[2])
            return NamedFault(match[1], count, f"text {digest(text)}")
    return None


class FaultCounts:
    """How often each fault with a count has occurred, for the 10,000 faults that were used last."""

    def __init__(self) -> None:
        self._occurred: dict[NamedFault, int] = {}

    def pick(self, fault: NamedFault | None) -> Fault:
        """Return the fault to apply to a request that names this one."""
        if fault is None or (fault.count is not None and self._is_used_up(fault, fault.count)):
            return no_fault
        return _lookup(fault.name) or no_fault

    def _is_used_up(self, fault: NamedFault, count: int) -> bool:
        occurred = self._occurred.pop(fault, 0) + 1
        self._occurred[fault] = occurred  # moves it to the end
        if len(self._occurred) > _MOST_COUNTED:
            del self._occurred[next(iter(self._occurred))]
        return occurred > count
