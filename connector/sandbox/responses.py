"""Responses of the sandbox, and error responses in the formats of both services.

Handlers return a `Response` or raise an `ErrorResponse`; neither depends on the HTTP server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Surface = Literal["openai", "azure", "azure-dated"]
KINDS: tuple[Surface, ...] = ("openai", "azure", "azure-dated")


@dataclass(frozen=True)
class Response:
    """One HTTP response.

    A stream has `events` instead of `body`. With `cut`, the connection closes after half of it.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[bytes] = ()
    cut: bool = False


class ErrorResponse(Exception):
    """An error response, raised where a request is wrong."""

    def __init__(
        self, status: int, error: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, error)
        self.response = json_response({"error": error}, status, headers)


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a JSON document."""
    return Response(status, json.dumps(value, allow_nan=False).encode(), headers=headers or {})


def stream_response(chunks: Sequence[object]) -> Response:
    """Return a stream of server-sent events, one per chunk, that ends as on both services."""
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return Response(200, content_type="text/event-stream", events=(*events, b"data: [DONE]\n\n"))


def openai_error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    kind: str = "invalid_request_error",
    headers: Mapping[str, str] | None = None,
) -> ErrorResponse:
    """Return an error in the format of api.openai.com."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return ErrorResponse(status, error, headers)


def azure_error(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> ErrorResponse:
    """Return an error in the format of Azure's gateway, whose code is often the status as text."""
    return ErrorResponse(status, {"code": code or str(status), "message": message}, headers)


def surface_error(
    surface: Surface,
    status: int,
    message: str,
    *,
    code: str | None,
    kind: str,
    headers: Mapping[str, str] | None = None,
) -> ErrorResponse:
    """Return an error in the format of the surface; on Azure the code is the status."""
    if surface == "openai":
        return openai_error(status, message, code=code, kind=kind, headers=headers)
    return azure_error(status, message, headers=headers)


def invalid(param: str | None, message: str, code: str | None) -> ErrorResponse:
    """Return the error for wrong content; both services share this format."""
    return openai_error(400, message, code=code, param=param)


def missing(param: str) -> ErrorResponse:
    """Return the error for a missing parameter."""
    return invalid(param, f"Missing required parameter: '{param}'.", "missing_required_parameter")


def unknown_parameter(param: str) -> ErrorResponse:
    """Return the error for a parameter that this model or object does not have."""
    return invalid(param, f"Unknown parameter: '{param}'.", "unknown_parameter")


def resource_not_found() -> ErrorResponse:
    """Return Azure's error for a wrong path or api-version."""
    return azure_error(404, "Resource not found")


_CATEGORIES = ("hate", "self_harm", "sexual", "violence")


def filter_results(flagged: bool = False) -> dict[str, dict[str, object]]:
    """Return Azure's content filter results, all safe unless flagged."""
    return {
        category: {
            "filtered": flagged and category == "violence",
            "severity": "high" if flagged and category == "violence" else "safe",
        }
        for category in _CATEGORIES
    }


def prompt_filter_results(prompts: int = 1) -> list[dict[str, object]]:
    """Return Azure's content filter results for the prompts of a successful request."""
    return [
        {"prompt_index": index, "content_filter_results": filter_results()}
        for index in range(prompts)
    ]


def azure_filtered() -> ErrorResponse:
    """Return Azure's error for a prompt that its content filter stopped."""
    return ErrorResponse(
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
