"""One call through the front: a payload in, the requests that a server saw, an envelope out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from connector import Connector

from .fault_server import FaultServer, Received

KEY: Final = "sk-front-0123456789abcdef"

_INPUTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "createChatCompletion": {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hi"}],
    },
    "createImage": {"prompt": "A lighthouse", "model": "some-model"},
    "createCompletions": {"model": "some-model", "messages": ["a"], "concurrency": 1},
    "summarizeText": {"model": "some-model", "textToSummarize": "Tides."},
    "createEmbeddings": {"model": "some-model", "input": ["a", "b"]},
    "createResponse": {"model": "some-model", "input": "Hi"},
    "extractData": {
        "model": "some-model",
        "text": "Tides.",
        "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
    "classifyText": {"model": "some-model", "text": "Tides.", "labels": ["a", "b", "c"]},
    "rawRequest": {"method": "GET"},
}
"""Valid inputs, with a model that the manifest does not list."""


class Seen(NamedTuple):
    """The outcome of a call: the envelope, and the requests that arrived."""

    envelope: dict[str, Any]
    requests: list[Received]

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's error; fails if the call succeeded."""
        assert not self.envelope["ok"], self.envelope
        error: dict[str, Any] = self.envelope["error"]
        return error

    @property
    def data(self) -> Any:
        """The envelope's data; fails if the call did not succeed."""
        assert self.envelope["ok"], self.envelope
        return self.envelope["data"]

    @property
    def outcome(self) -> tuple[str, str, int]:
        """The error's code, its `sent`, and the number of attempts."""
        return self.error["code"], self.error["sent"], self.envelope["meta"]["attempts"]


def connection(endpoint: str, **fields: Any) -> dict[str, Any]:
    """Return a connection to `endpoint`, for OpenAI unless `fields` say otherwise."""
    return {"fields": {"apiKey": KEY, "isOpenAIKey": True, "endpoint": endpoint, **fields}}


def inputs_of(action: str, **inputs: Any) -> dict[str, Any]:
    """Return valid inputs of an action, overridden by `inputs`."""
    return {**_INPUTS[action], **inputs}


def call(
    connector: Connector,
    action: str,
    answers: Any,
    inputs: Mapping[str, Any] | None = None,
    path: str = "",
    **fields: Any,
) -> Seen:
    """Invoke an action on a server with these responses.

    `inputs` override valid ones; `path` is added to the endpoint, `fields` to the connection.
    """
    with FaultServer(answers) as server:
        given = connection(server.url + path, **fields)
        result = connector.invoke(action, inputs_of(action, **(inputs or {})), given)
    return Seen(result.to_dict(), server.requests)


def refusal(
    status: int, headers: Mapping[str, Any] | None = None, /, **error: Any
) -> dict[str, Any]:
    """Return an error response with these fields of its error object."""
    return {"status": status, "headers": dict(headers or {}), "json": {"error": error}}
