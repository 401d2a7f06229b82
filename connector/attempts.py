"""Sends a request until it succeeds or must not be retried: credentials, attempts, errors."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from connector import responses
from connector.errors import ConnectorError
from connector.files.output_file import OutputFile
from connector.http.messages import Credentials, Limits, Request, Response
from connector.policy import budget, pauses, retry, retry_after
from connector.policy.context import Context, DryRunDone
from connector.policy.deadline import Deadline
from connector.providers.ready import ReadyConnection
from connector.streaming import StreamReader
from connector.text import strict_json
from connector.text.secrets import MASK, Secret

_LAST_SECONDS = 0.15


class Attempts:
    """One invocation's requests to the provider of its connection."""

    def __init__(self, ready: ReadyConnection, context: Context) -> None:
        self._provider, self._authentication, self._transport, *_ = ready
        self._context = context
        policies = context.policies
        self._limits = Limits(policies.max_response_bytes, policies.max_error_bytes)
        self._file_limits = Limits(policies.max_file_bytes, policies.max_error_bytes)
        self._host = self._provider.endpoint[:3]
        self._rejected: dict[str, Credentials] = {}
        self._budget = budget.shared(self._host, policies.budget_capacity, policies.budget_cost)

    @property
    def secret(self) -> Secret:
        """Masks the texts of the connection that must not be shown."""
        return self._authentication.secret

    def send(
        self,
        request: Request,
        rule: retry.Rule,
        output: OutputFile | None = None,
        model: str | None = None,
        reader: StreamReader | None = None,
    ) -> Response:
        """Return the response to a request that succeeds, after the retries that `rule` allows.

        With `output`, its body goes to that file. `model` is the model that the request is about:
        after a 429, other requests to the same model wait. `reader` takes the body of a stream;
        once it has passed an event on, nothing is retried. In a dry run the request is only
        recorded.
        """
        context = self._context
        if context.dry_run is not None:
            context.dry_run.append(self._shown(request))
            raise DryRunDone
        pause = pauses.Pause(
            pauses.key_of(self._host, self._authentication.identity, model), context
        )
        if reader is not None:
            covers = rule.covers
            rule = rule._replace(covers=lambda error: not reader.begun and covers(error))
        return retry.run(
            lambda: self._attempt(request, output, pause, reader),
            rule,
            context,
            self._budget,
            pause,
        )

    def send_last(self, request: Request) -> None:
        """Send a request once, although the invocation may have ended; nothing is raised.

        It counts in neither `attempts` nor `sent`. The response is not waited for: an engine that
        cancels a call gets it back in 0.2 seconds.
        """
        deadline = Deadline(_LAST_SECONDS, self._context.clock.monotonic)
        with contextlib.suppress(ConnectorError):
            credentials = self._authentication.credentials(deadline)
            self._transport.send(request, credentials, deadline, self._limits)

    def _attempt(
        self,
        request: Request,
        output: OutputFile | None,
        pause: pauses.Pause,
        reader: StreamReader | None,
    ) -> Response:
        deadline = self._context.deadline
        credentials = self._authentication.credentials(deadline)
        try:
            return self._send(request, credentials, output, pause, reader)
        except ConnectorError as error:
            if error.http_status != 401 or not self._renew(credentials):
                raise
        credentials = self._authentication.credentials(deadline)
        return self._send(request, credentials, output, pause, reader)

    def _renew(self, credentials: Credentials) -> bool:
        """Whether to try again with other credentials after a 401: once in each invocation.

        All threads that used the same credentials may try again.
        """
        first = self._rejected.setdefault("first", credentials)  # one step, so no lock is needed
        return first is credentials and self._authentication.renew(credentials)

    def _send(
        self,
        request: Request,
        credentials: Credentials,
        output: OutputFile | None,
        pause: pauses.Pause,
        reader: StreamReader | None,
    ) -> Response:
        context = self._context
        throttle = context.throttle
        if throttle is not None:
            throttle.begin(len(request.body or b""), context.wait)
        pause.wait()
        context.begin()
        limits, write = self._limits, None
        if output is not None:
            output.begin()  # an earlier attempt may have written part of a body
            limits, write = self._file_limits, output.write
        try:
            opened = self._transport.open(request, credentials, context.deadline)
            if reader is not None and opened.is_event_stream:
                context.note(opened)
                response = reader.read(opened, self._provider)
            else:
                response = opened.read(limits, write)
        except ConnectorError as error:
            context.settle(error.sent)
            raise
        except BaseException as end:
            context.settle(getattr(end, "connector_sent", "unknown"))
            raise
        context.settle("unknown" if response.status < 300 else "rejected")
        context.note(response)
        refusal = self._error(response) if response.status >= 300 else None
        if throttle is not None:
            throttle.end(response.headers, refusal)
        if refusal is not None:
            raise refusal
        return response

    def _error(self, response: Response) -> ConnectorError:
        error = self._provider.error(
            response.status,
            response.headers,
            responses.parsed_error(response),
            responses.excerpt(response, self.secret),
            self.secret,
        )
        error.request_id = response.request_id
        error.retry_after_ms = retry_after.requested_delay_ms(
            response.headers, error.message, self._context.clock.now()
        )
        return error

    def _shown(self, request: Request) -> dict[str, Any]:
        """Return a request as a dry run shows it."""
        headers, body = dict(request.headers), None
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
            body = _shown_body(request.body, request.headers)
        header, prefix = self._provider.key_header
        if header:
            headers[header] = prefix + MASK
        plan = {"method": request.method, "url": request.url, "headers": headers, "body": body}
        shown: dict[str, Any] = self.secret.scrub_json(plan)  # a caller may repeat the key
        return shown


def _shown_body(body: bytes, headers: Mapping[str, str]) -> Any:
    """Return a body as a dry run shows it: JSON as JSON, text as text, the rest as bytes."""
    kind = next((v for k, v in headers.items() if k.lower() == "content-type"), "")
    if "json" in kind:
        try:
            return strict_json.loads(body)
        except ValueError:
            pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        import base64

        data = base64.b64encode(body).decode()
        return {"contentType": kind, "encoding": "base64", "data": data}


def encoded(body: Any) -> bytes:
    """Return `body` as JSON. Raises ConnectorError `invalid_input` if it is not strict JSON."""
    try:
        return strict_json.dumps(body)
    except ValueError as error:
        raise ConnectorError("invalid_input", f"The inputs are not strict JSON: {error}.") from None
