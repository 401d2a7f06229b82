"""What the sandbox sends: an answer, and the refusals in the shapes of both services.

Handlers return an `Answer` or raise a `Refusal`; neither knows the HTTP server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Surface = Literal["openai", "azure", "azure-dated"]
KINDS: tuple[Surface, ...] = ("openai", "azure", "azure-dated")


@dataclass(frozen=True)
class Answer:
    """One HTTP response; `events` instead of `body` for a stream, `cut` to break off midway."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[bytes] = ()
    cut: bool = False


class Refusal(Exception):
    """An error that a real service would answer."""

    def __init__(
        self, status: int, error: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, error)
        self.answer = json_answer({"error": error}, status, headers)


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with a JSON document."""
    return Answer(status, json.dumps(value, allow_nan=False).encode(), headers=headers or {})


def stream_answer(chunks: Sequence[object]) -> Answer:
    """Answer with server-sent events, one a chunk, and the closing mark of both services."""
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return Answer(200, content_type="text/event-stream", events=(*events, b"data: [DONE]\n\n"))


def openai_error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    kind: str = "invalid_request_error",
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """Refuse in the shape of api.openai.com."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Refusal(status, error, headers)


def azure_error(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Refusal:
    """Refuse in the shape of Azure's front door, whose code is often the status as text."""
    return Refusal(status, {"code": code or str(status), "message": message}, headers)


def surface_error(
    surface: Surface,
    status: int,
    message: str,
    *,
    code: str | None,
    kind: str,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """Refuse in the shape of either service; on Azure the code is the status."""
    if surface == "openai":
        return openai_error(status, message, code=code, kind=kind, headers=headers)
    return azure_error(status, message, headers=headers)


def invalid(param: str | None, message: str, code: str | None) -> Refusal:
    """Refuse a request whose content is wrong; both services share this shape."""
    return openai_error(400, message, code=code, param=param)


def missing(param: str) -> Refusal:
    """Refuse a request that lacks a parameter."""
    return invalid(param, f"Missing required parameter: '{param}'.", "missing_required_parameter")


def unknown_parameter(param: str) -> Refusal:
    """Refuse a parameter that this model or this object does not have."""
    return invalid(param, f"Unknown parameter: '{param}'.", "unknown_parameter")


def resource_not_found() -> Refusal:
    """Azure's answer to a wrong path or api-version."""
    return azure_error(404, "Resource not found")


_CATEGORIES = ("hate", "self_harm", "sexual", "violence")


def filter_results(flagged: bool = False) -> dict[str, dict[str, object]]:
    """Azure's content filter verdicts, all safe unless flagged."""
    return {
        category: {
            "filtered": flagged and category == "violence",
            "severity": "high" if flagged and category == "violence" else "safe",
        }
        for category in _CATEGORIES
    }


def prompt_filter_results(prompts: int = 1) -> list[dict[str, object]]:
    """Azure's verdicts on the prompts of an answered request."""
    return [
        {"prompt_index": index, "content_filter_results": filter_results()}
        for index in range(prompts)
    ]


def azure_filtered() -> Refusal:
    """Azure's refusal of a prompt that its content filter stopped."""
    return Refusal(
        400,
        {
            "message": "The response was filtered due to the prompt triggering Azure OpenAI's "
            "content management policy. Please modify your prompt and retry.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": filter_results(flagged=True),
            },
        },
    )
