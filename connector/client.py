"""What a handler calls: neutral paths in, parsed answers out, every failure one ConnectorError."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from connector.errors import ConnectorError
from connector.files.output_file import OutputFile
from connector.http.messages import Limits, Request, Response
from connector.http.transport import Transport
from connector.policy import budget, retry, retry_after
from connector.policy.context import Context, DryRunDone
from connector.policy.fan_out import FanOut
from connector.providers import models
from connector.providers.provider import Provider
from connector.text import strict_json
from connector.text.secrets import MASK

T = TypeVar("T")

_EXCERPT = 300

_MOST_NODES = 1_000_000
"""Lists and objects in one answer, and eight times as many values: each takes memory of its own,
however little of the wire."""
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class Client:
    """One invocation's way to its provider.

    `models` are the manifest's facts. `planned` is the list that a dry run fills, None where
    requests are really sent. `sink` is the file that a binary result goes to, None where the
    result is returned. `progress` is told (finished, all) of a fan-out.
    """

    def __init__(
        self,
        provider: Provider,
        transport: Transport,
        call: Context,
        models: Mapping[str, models.Model],
        agent: str,
        planned: list[dict[str, Any]] | None = None,
        sink: OutputFile | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.provider = provider
        self.policies = call.policies
        self.planned = planned
        self.sink = sink
        self.call = call
        self._transport = transport
        self._models = models
        self._progress = progress
        self._caller = threading.get_ident()
        self._batches = 0
        self._headers = {
            "User-Agent": agent,
            "Accept-Encoding": "gzip, deflate",
            **provider.headers,
        }
        policies = call.policies
        self._limits = Limits(policies.max_response_bytes, policies.max_error_bytes)
        self._named = retry.for_actions(call.policies.retries)
        self._budget = budget.shared(
            provider.endpoint[:3], call.policies.budget_capacity, call.policies.budget_cost
        )

    def facts(self, model: str) -> models.Model:
        """Return what is known of a model: nothing, where names are those of deployments that
        happen to be unknown."""
        return self._models.get(model, models.Model())

    def warn(self, text: str) -> None:
        """Add a warning to the result."""
        self.call.warn(text)

    def post(self, path: str, body: Mapping[str, Any], model: str | None = None) -> dict[str, Any]:
        """Return the JSON object that the provider answers to a JSON body.

        `model` is the model or deployment that the request is about. The answer's `usage` is
        added to that of the invocation.
        """
        url = self.provider.url(path, model)
        request = Request("POST", url, {**self._headers, **_JSON}, encode(body))
        answer = self._object(self.send(request, self._named))
        self.call.add_usage(answer.get("usage"))
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a neutral path."""
        request = Request("GET", self.provider.url(path), {**self._headers, **_JSON}, None)
        return self._object(self.send(request, self._named))

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        rule: retry.Rule,
        sink: OutputFile | None = None,
    ) -> Response:
        """Return the whole answer to a caller's own request; `url` comes from the provider.

        The caller's headers win over the connector's defaults, whatever their case.
        """
        given = {name.lower() for name in headers}
        own = {name: value for name, value in self._headers.items() if name.lower() not in given}
        return self.send(Request(method, url, {**own, **headers}, body), rule, sink)

    def each(
        self,
        work: Callable[[Any], T],
        items: Sequence[Any],
        concurrency: int | None = None,
        needs_all: bool = False,
    ) -> list[T | ConnectorError]:
        """Return `work(item)` or its error for each item, at most `concurrency` at once (the
        manifest's policy where absent). With `needs_all` none is begun after a failure.

        What is not finished when the invocation is ended from outside is `cancelled`. Its handler
        may then run once more, to put together what is: no batch is begun a second time.
        """
        if self.planned is not None:
            for item in items:
                try:
                    work(item)
                except DryRunDone:
                    continue
            raise DryRunDone
        batch: FanOut[T] = FanOut(work, items, self.call, self._progress, needs_all)
        known = False
        if threading.get_ident() == self._caller:  # in a worker it is a part of another batch
            self._batches += 1
            known = len(self.call.batches) >= self._batches
            if known:
                batch = self.call.batches[self._batches - 1]
            else:
                self.call.batches.append(batch)
        limit = concurrency or self.policies.concurrency
        while True:
            try:
                if not known:
                    known = True
                    batch.start(limit)
                return batch.outcomes()
            except BaseException as end:  # noqa: BLE001 - waiting raises nothing of its own
                self.call.deadline.end(end)

    def send(self, request: Request, rule: retry.Rule, sink: OutputFile | None = None) -> Response:
        """Return the answer of a success, after the retries that `rule` allows."""
        if self.planned is not None:
            self.planned.append(self._plan(request))
            raise DryRunDone
        return retry.run(lambda: self._attempt(request, sink), rule, self.call, self._budget)

    def _attempt(self, request: Request, sink: OutputFile | None) -> Response:
        self.call.begin()
        limits, write = self._limits, None
        if sink is not None:
            sink.begin()  # an earlier attempt may have left half a body
            limits, write = limits._replace(body=self.policies.max_file_bytes), sink.write
        try:
            answer = self._transport.send(request, self.call.deadline, limits, write)
        except ConnectorError as error:
            self.call.settle(error.sent)
            raise
        except BaseException as end:
            self.call.settle(getattr(end, "connector_sent", "unknown"))
            raise
        self.call.settle("unknown" if answer.status < 300 else "rejected")
        self.call.note(answer)
        if answer.status >= 300:
            raise self._failure(answer)
        return answer

    def _failure(self, answer: Response) -> ConnectorError:
        error = self.provider.failure(
            answer.status, answer.headers, _parsed(answer.body), self.excerpt(answer)
        )
        error.request_id = answer.request_id
        error.retry_after_ms = retry_after.requested_delay_ms(
            answer.headers, error.message, self.call.clock.now()
        )
        return error

    def excerpt(self, answer: Response) -> str:
        """Return the beginning of a body as one line of text."""
        secret, size = self.provider.secret, _EXCERPT * 8
        text = answer.body[:size].decode(errors="replace").replace("\0", "")
        line = " ".join(text.split())
        # Masked before it is cut, here and where the body itself was: of half a key nothing more
        # would be known.
        if answer.cut or len(answer.body) > size:
            return secret.scrub_beginning(line)[:_EXCERPT]
        return secret.scrub_message(line)[:_EXCERPT]

    def _object(self, answer: Response) -> dict[str, Any]:
        try:
            value = self.parsed(answer)
        except ValueError as error:
            raise self.invalid(f"The answer is not JSON ({error}).", answer) from None
        if not isinstance(value, dict):
            raise self.invalid("The answer is not a JSON object.", answer)
        if value.get("error"):
            raise self.invalid("The answer is an error with the status of a success.", answer)
        return value

    def parsed(self, answer: Response) -> Any:
        """Return the JSON value of a body; the key is masked in its texts.

        Raises ValueError where it is not JSON.
        """
        secret, text = self.provider.secret, self.readable(answer)
        if text.count(b"[") + text.count(b"{") > _MOST_NODES or text.count(b",") > 8 * _MOST_NODES:
            raise self._too_large("has too many values")
        hides = secret.is_in(text, self.tick)
        value = strict_json.loads(text)
        return secret.scrub_json(value, self.tick) if hides else value

    def tick(self) -> None:
        """Raise ConnectorError where the action's time is over, while an answer is worked on."""
        self.call.check("unknown")

    def readable(self, answer: Response) -> bytes:
        """Return a body that is to become a text. Raises ConnectorError `response_too_large`
        where that would take more memory than the manifest allows, as one wide character does to
        a whole text."""
        size = len(answer.body) * (1 if answer.body.isascii() else 4)
        if size > self.policies.max_text_bytes:
            raise self._too_large("is too large for a text")
        return answer.body

    def _too_large(self, what: str) -> ConnectorError:
        return ConnectorError(
            "response_too_large",
            f"The answer {what}.",
            sent="unknown",
            http_status=self.call.http_status,
            request_id=self.call.request_id,
            hint="Ask for less, or for binary data; the limit is maxTextBytes of the manifest.",
        )

    def invalid(self, message: str, answer: Response | None = None) -> ConnectorError:
        """Return the error of an answer that is not what the action needs."""
        excerpt = f" It begins: {self.excerpt(answer)}" if answer and answer.body else ""
        return ConnectorError(
            "invalid_response",
            message + excerpt,
            sent="unknown",
            http_status=answer.status if answer else self.call.http_status,
            request_id=answer.request_id if answer else self.call.request_id,
            hint="Check that Endpoint leads to the API itself, not to a web page before it.",
        )

    def _plan(self, request: Request) -> dict[str, Any]:
        header, prefix, _ = self.provider.authorization
        headers, body = dict(request.headers), None
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
            body = _shown(request.body, request.headers)
        headers[header] = prefix + MASK
        plan = {"method": request.method, "url": request.url, "headers": headers, "body": body}
        shown: dict[str, Any] = self.provider.secret.scrub_json(plan)  # a caller may repeat the key
        return shown


def encode(body: Any) -> bytes:
    """Return a JSON body; what is not strict JSON is the caller's input at fault."""
    try:
        return strict_json.dumps(body)
    except ValueError as error:
        raise ConnectorError("invalid_input", f"The inputs are not strict JSON: {error}.") from None


def _parsed(body: bytes) -> Any:
    try:
        return strict_json.loads(body)
    except ValueError:
        return None


def _shown(body: bytes, headers: Mapping[str, str]) -> Any:
    """Return a body as a dry run shows it: JSON as JSON, text as text, the rest as bytes."""
    kind = next((v for k, v in headers.items() if k.lower() == "content-type"), "")
    if "json" in kind and (value := _parsed(body)) is not None:
        return value
    try:
        return body.decode()
    except UnicodeDecodeError:
        import base64

        data = base64.b64encode(body).decode()
        return {"contentType": kind, "encoding": "base64", "data": data}
