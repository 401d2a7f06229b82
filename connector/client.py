"""The client that handlers call: neutral paths in, parsed responses out, errors raised.

`docs/handlers.md` describes it for authors of handlers, who can use its public names only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from urllib3.filepost import encode_multipart_formdata

from connector import responses
from connector.attempts import Attempts, encoded
from connector.errors import ConnectorError
from connector.files.output_file import OutputFile
from connector.http.messages import Request, Response
from connector.policy import retry
from connector.policy.context import Context, DryRunDone
from connector.policy.fan_out import FanOut
from connector.policy.limits import Policies
from connector.providers.error_body import rejects
from connector.providers.models import Model
from connector.providers.prices import Prices
from connector.providers.provider import Provider
from connector.providers.ready import ReadyConnection
from connector.streaming import Chunks, Emit, StreamReader

T = TypeVar("T")

Field = tuple[str, str | tuple[str, bytes, str]]
"""One field of a form: a name and its text, or a name and a file (name, bytes, content type)."""

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_STREAM = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}


class Client:
    """Sends the requests of one invocation for its handler. Safe in threads."""

    def __init__(
        self,
        ready: ReadyConnection,
        context: Context,
        models: Mapping[str, Model],
        agent: str,
        output: OutputFile | None = None,
        progress: Callable[[int, int], None] | None = None,
        emit: Emit | None = None,
        prices: Prices = Prices(),  # noqa: B008 - immutable
    ) -> None:
        self.provider: Provider = ready.provider
        """Where the connection leads."""
        self.policies: Policies = context.policies
        """The manifest's limits."""
        self.output: OutputFile | None = output
        """The file for a binary result, None if the result is returned."""
        self._attempts = Attempts(ready, context)
        self._context = context
        self._models = models
        self._prices = prices
        self._progress = progress
        self._emit = emit
        self._caller = threading.get_ident()
        self._fan_outs = 0
        self._headers = {
            "User-Agent": agent,
            "Accept-Encoding": "gzip, deflate",
            **ready.provider.headers,
        }
        self._rule = retry.for_actions(context.retries)

    # Requests

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        model: str | None = None,
        chunks: Callable[[], Chunks] | None = None,
    ) -> dict[str, Any]:
        """Send `body` as JSON and return the JSON object of the response.

        `path` is neutral, such as `/chat/completions`. `model` is the model or deployment that
        the request is about. The response's `usage` is added to that of the invocation.

        Where the caller wants a stream and `chunks` can put one together, the response is
        streamed, its events go to the caller, and the object is the same as without a stream. The
        `data` of an error is then what had arrived.
        """
        if chunks is not None and self._emit is not None and self._context.dry_run is None:
            found = self._streamed(path, body, model, chunks, self._emit)
        else:
            found = self._object(self._sent(path, model, _JSON, encoded(body)))
        self._count(found, model)
        return found

    def _count(self, found: Mapping[str, Any], model: str | None) -> None:
        """Add the usage of a response, and what it cost, to those of the invocation."""
        self._context.add_usage(found.get("usage"))
        if (paid := self._prices.cost(self.provider, found, model)) is not None:
            self._context.add_cost(*paid)

    def _streamed(
        self,
        path: str,
        body: Mapping[str, Any],
        model: str | None,
        chunks: Callable[[], Chunks],
        emit: Emit,
    ) -> dict[str, Any]:
        reader = StreamReader(chunks, emit, self._attempts.secret, self._context)
        body = {**body, "stream": True, **reader.chunks.options}
        try:
            try:
                response = self._sent(path, model, _STREAM, encoded(body), reader=reader)
            except ConnectorError as error:
                if "stream_options" not in body or not rejects(error, "stream_options"):
                    raise
                self.warn("The server rejected stream_options: the usage is not known.")
                del body["stream_options"]
                response = self._sent(path, model, _STREAM, encoded(body), reader=reader)
        except ConnectorError as error:
            if reader.begun:
                reader.end()
                error.data = reader.received()
                self._context.add_usage(error.data.get("usage"))
            raise
        if response.body:  # the server ignored `stream`
            found = self._object(response)
            reader.pass_on_whole(found)
            return found
        found = self._context.received = reader.received()
        return found

    def post_for_bytes(
        self, path: str, body: Mapping[str, Any], model: str | None = None
    ) -> Response:
        """Send `body` as JSON and return the response; its body goes to the output file, if any."""
        headers = {"Content-Type": "application/json", "Accept": "*/*"}
        return self._sent(path, model, headers, encoded(body), self.output)

    def post_form(
        self, path: str, form: Sequence[Field], model: str | None = None
    ) -> dict[str, Any]:
        """Send `form` as a multipart form and return the JSON object of the response; see `post`.

        Each field is a name and its text, or a name and a file: its name, bytes, content type.
        """
        body, content_type = encode_multipart_formdata(form)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        found = self._object(self._sent(path, model, headers, body))
        self._count(found, model)
        return found

    def _sent(
        self,
        path: str,
        model: str | None,
        headers: Mapping[str, str],
        body: bytes,
        output: OutputFile | None = None,
        reader: StreamReader | None = None,
    ) -> Response:
        url = self.provider.url(path, model)
        request = Request("POST", url, {**self._headers, **headers}, body)
        return self._attempts.send(request, self._rule, output, model, reader)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a neutral path."""
        request = Request("GET", self.provider.url(path), {**self._headers, **_JSON}, None)
        found = self._object(self._attempts.send(request, self._rule))
        self._context.add_usage(found.get("usage"))
        self._context.add_free()  # reading is not billed
        return found

    def send_last(self, path: str) -> None:
        """Tell the provider that the work is not wanted any more.

        It is a POST of an empty object, which is sent even if the invocation was ended, waits at
        most 0.15 seconds, and raises nothing.
        """
        request = Request("POST", self.provider.url(path), {**self._headers, **_JSON}, b"{}")
        self._attempts.send_last(request)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        rule: retry.Rule | None = None,
        output: OutputFile | None = None,
    ) -> Response:
        """Send a caller's own request and return the whole response; `url` comes from the provider.

        The caller's headers replace the connector's own, whatever their case. `rule` says what is
        retried; if None, what the other actions retry.
        """
        given = {name.lower() for name in headers}
        own = {name: value for name, value in self._headers.items() if name.lower() not in given}
        request = Request(method, url, {**own, **headers}, body)
        return self._attempts.send(request, rule or self._rule, output)

    def each(
        self,
        work: Callable[[Any], T],
        items: Sequence[Any],
        concurrency: int | None = None,
        needs_all: bool = False,
    ) -> list[T | ConnectorError]:
        """Return `work(item)` or its error for each item, at most `concurrency` at once (by
        default the manifest's policy). With `needs_all` no item is started after a failure.

        Items that are not finished when the invocation is ended from outside are `cancelled`. The
        handler may then run once more, to return what is finished; no item is started again.
        """
        context = self._context
        if context.dry_run is not None:
            for item in items:
                try:
                    work(item)
                except DryRunDone:
                    continue
            raise DryRunDone
        fan_out: FanOut[T] = FanOut(work, items, context, self._progress, needs_all)
        known = False
        if threading.get_ident() == self._caller:  # in a worker it is part of another fan-out
            self._fan_outs += 1
            known = len(context.fan_outs) >= self._fan_outs
            if known:
                fan_out = context.fan_outs[self._fan_outs - 1]
            else:
                context.fan_outs.append(fan_out)
        limit = concurrency or self.policies.concurrency
        while True:
            try:
                if not known:
                    known = True
                    fan_out.start(limit)
                return fan_out.outcomes()
            except BaseException as end:  # noqa: BLE001 - waiting itself raises nothing
                context.deadline.end(end)

    # What is known

    def facts(self, model: str) -> Model:
        """Return what the manifest says about a model; the defaults if it is not listed."""
        return self._models.get(model, Model())

    @property
    def usage(self) -> dict[str, Any]:
        """The usage of all responses so far, added up; empty if there was none."""
        return self._context.usage or {}

    @property
    def replaced_model(self) -> bool:
        """Whether a retired default model was replaced by its successor."""
        return self._context.replaced_model

    @property
    def interrupted(self) -> bool:
        """Whether the invocation was ended from outside: cancelled, or by an engine."""
        return self._context.deadline.cancelled.is_set()

    @property
    def sent(self) -> str:
        """What may have been done and billed so far: `no`, `rejected` or `unknown`."""
        return self._context.sent

    @property
    def content_type(self) -> str:
        """The content type of the latest response, empty if there is none."""
        return (self._context.headers or {}).get("content-type", "")

    # What the result says

    def warn(self, text: str) -> None:
        """Add a warning to the result, only once if it is given more often."""
        self._context.warn(text)

    def tell(self, key: str, value: Any) -> None:
        """Add a value of the action's own to the result's `meta`."""
        self._context.told[key] = value

    def show_response(self) -> None:
        """Add the status and the headers of the latest response to the result's `meta`."""
        self._context.shows_response = True

    def limit_time(self, seconds: float) -> None:
        """Limit the whole action to `seconds`, counted from its start."""
        self._context.limit_time(seconds)

    def wait(self, seconds: float) -> None:
        """Sleep. Raises ConnectorError as soon as the action was cancelled or its time is over."""
        self._context.wait(seconds)

    def check_time(self) -> None:
        """Raise ConnectorError if the action was cancelled or its time is over."""
        self._context.check("unknown")

    # Reading

    def parsed(self, response: Response) -> Any:
        """Return the JSON value of a body, the key masked in its texts.

        Raises ValueError if it is not JSON.
        """
        return responses.parsed(response, self._attempts.secret, self._context)

    def readable(self, response: Response) -> bytes:
        """Return a body to decode as text, which must then be masked.

        Raises ConnectorError `response_too_large` if the text would take too much memory.
        """
        return responses.readable(response, self._context)

    def mask(self, text: str) -> str:
        """Return `text` with the key masked in each of its usual forms."""
        return self._attempts.secret.scrub(text, self.check_time)

    def mask_bytes(self, data: bytes) -> bytes:
        """Return `data` with the key masked in each of its usual forms."""
        return self._attempts.secret.scrub_bytes(data)

    def invalid(self, message: str, response: Response | None = None) -> ConnectorError:
        """Return the `invalid_response` error to raise for a response that the action cannot use.

        Given a `response`, the message quotes the beginning of its body.
        """
        return responses.invalid(message, response, self._attempts.secret, self._context)

    def failure(self, body: Mapping[str, Any], status: int) -> ConnectorError:
        """Return the error to raise for a failure that a response with a success status reports.

        `body` holds it as an error's body would, `status` is the one that it would have had.
        """
        context = self._context
        error = self.provider.error(status, {}, body, "", self._attempts.secret)
        error.sent, error.http_status = "unknown", context.http_status
        error.request_id = context.request_id
        return error

    def _object(self, response: Response) -> dict[str, Any]:
        found = responses.json_object(response, self._attempts.secret, self._context)
        self._context.received = found
        return found
