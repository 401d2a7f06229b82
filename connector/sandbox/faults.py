"""Faults on request: a table of small functions, and the three ways of naming one.

A fault is named by a header, by a prefix of the path or by a text in the prompt. It may be limited
to the first requests of its kind, so that a retry can succeed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connector.sandbox.answers import Answer, Surface, openai_error, surface_error
from connector.sandbox.keys import quota_exceeded
from connector.sandbox.messages import text_of
from connector.sandbox.text import digest

HEADER = "x-sandbox-fault"
FILTER_MARK = "sandbox:filter"

FAULTS: Mapping[str, str] = {
    "rate-limit": "429 rate_limit_exceeded with `retry-after: 1`",
    "quota": "429 insufficient_quota: waiting does not help",
    "overloaded": "503 server_is_overloaded",
    "error": "500, an internal error of the service",
    "slow": "the answer comes after 30 seconds; `slow-N`: after N milliseconds",
    "cut": "headers and half of the body, then the connection closes",
    "html": "200 with a page of HTML where JSON is due",
    "empty": "200 with the empty object `{}`",
    "filter": "the content filter stops the request",
}

# Makes the true answer; its argument says whether the content filter stops the request.
Produce = Callable[[bool], Answer]
Fault = Callable[[Surface, Produce], Awaitable[Answer]]

_COUNTED = 10_000
_SLOW_MS = 30_000
_SLOWEST_MS = 3_600_000
_NAME = re.compile(r"([a-z-]+?(?:-\d{1,9})?)(?::(\d{1,9}))?", re.ASCII)
_IN_TEXT = re.compile(r"sandbox:([a-z]+(?:-[a-z0-9]+)*)(?::(\d{1,9}))?", re.ASCII)
_SLOW_NAME = re.compile(r"slow-(\d{1,9})", re.ASCII)
_PREFIX = re.compile(r"/fault/([^/]+)(/.*)")


async def _rate_limit(surface: Surface, produce: Produce) -> Answer:
    return surface_error(
        surface,
        429,
        "Rate limit reached (sandbox). Please retry after 1 seconds.",
        code="rate_limit_exceeded",
        kind="requests",
        headers={"retry-after": "1"},
    ).answer


async def _quota(surface: Surface, produce: Produce) -> Answer:
    return quota_exceeded().answer


async def _overloaded(surface: Surface, produce: Produce) -> Answer:
    message = "The server is overloaded (sandbox). Please try again later."
    return openai_error(503, message, code="server_is_overloaded", kind="server_error").answer


async def _error(surface: Surface, produce: Produce) -> Answer:
    message = "The server had an error while processing your request (sandbox)."
    return surface_error(surface, 500, message, code=None, kind="server_error").answer


async def _slow(surface: Surface, produce: Produce) -> Answer:
    return await _delayed(_SLOW_MS)(surface, produce)


def _delayed(milliseconds: int) -> Fault:
    async def fault(surface: Surface, produce: Produce) -> Answer:
        await asyncio.sleep(min(milliseconds, _SLOWEST_MS) / 1000)
        return produce(False)

    return fault


async def _cut(surface: Surface, produce: Produce) -> Answer:
    return replace(produce(False), cut=True)


async def _html(surface: Surface, produce: Produce) -> Answer:
    page = b"<!doctype html><title>Sandbox</title><p>This is not the JSON you are looking for."
    return Answer(200, page, "text/html")


async def _empty(surface: Surface, produce: Produce) -> Answer:
    return Answer(200, b"{}")


async def _filter(surface: Surface, produce: Produce) -> Answer:
    return produce(True)


async def none(surface: Surface, produce: Produce) -> Answer:
    """No fault: the true answer."""
    return produce(False)


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
class Named:
    """A fault that a request names; `count` of None fails always."""

    name: str
    count: int | None
    # Where it was named; requests with the same source are counted together.
    source: str


def _lookup(name: str) -> Fault | None:
    slow = _SLOW_NAME.fullmatch(name)
    return _delayed(int(slow[1])) if slow else _TABLE.get(name)


def named(text: str, source: str) -> Named:
    """Read `NAME[:COUNT]`; an unknown name is refused, since a silent success would mislead."""
    match = _NAME.fullmatch(text.strip())
    if match is None or _lookup(match[1]) is None:
        message = f"Unknown sandbox fault '{text[:64]}'. Known faults: {', '.join(FAULTS)}."
        raise openai_error(400, message, code="unknown_sandbox_fault", kind="sandbox_error")
    return Named(match[1], None if match[2] is None else int(match[2]), f"{source} {text}")


def split_path(path: str) -> tuple[str | None, str]:
    """Split a raw path into the fault that its prefix names, if any, and the rest."""
    match = _PREFIX.fullmatch(path)
    return (match[1], match[2]) if match else (None, path)


def in_body(body: Mapping[str, Any]) -> Named | None:
    """Find the fault that a prompt names: its last message, or any user message for the filter."""
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
        found = next((named for named in candidates if named and named.name == "filter"), None)
    return found


def _prompt_text(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt", body.get("input"))
    if isinstance(prompt, list):
        return "\n".join(item for item in prompt if isinstance(item, str))
    return prompt if isinstance(prompt, str) else ""


def _in_text(text: str) -> Named | None:
    for match in _IN_TEXT.finditer(text):
        if _lookup(match[1]) is not None:
            count = None if match[2] is None else int(match[2])
            return Named(match[1], count, f"text {digest(text)}")
    return None


class Counts:
    """How often each limited fault has struck; of those named last, so that memory is bounded."""

    def __init__(self) -> None:
        self._struck: dict[Named, int] = {}

    def pick(self, fault: Named | None) -> Fault:
        """Return what to do about a request that names this fault."""
        if fault is None or (fault.count is not None and self._over(fault, fault.count)):
            return none
        return _lookup(fault.name) or none

    def _over(self, fault: Named, count: int) -> bool:
        struck = self._struck.pop(fault, 0) + 1
        self._struck[fault] = struck  # now the last
        if len(self._struck) > _COUNTED:
            del self._struck[next(iter(self._struck))]
        return struck > count
