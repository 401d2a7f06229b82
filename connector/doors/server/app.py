"""The application: its routes, each one a few lines on top of the connector."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from connector.connector import Connector
from connector.doors import openapi
from connector.doors.server import console
from connector.doors.server.body import Bodies
from connector.doors.server.events import EventResponse, Outcome, Queue
from connector.doors.server.guard import Guard, show_in_log
from connector.doors.server.metrics import Metrics
from connector.doors.server.peer import peer_of
from connector.doors.server.responses import (
    Refused,
    data_response,
    encode,
    error_response,
    json_response,
)
from connector.doors.server.settings import Settings
from connector.doors.server.slots import Slots
from connector.doors.server.traces import Traces
from connector.doors.statuses import status_of
from connector.errors import ConnectorError
from connector.payload import Payload
from connector.policy.cancellation import Cancellation
from connector.result import Result, failed
from connector.text import strict_json

_LOG = logging.getLogger("connector.server")

Work = Callable[[Connector, Payload, Cancellation], Result]
StreamWork = Callable[[Connector, Payload, Cancellation, Queue], Result]


class Door:
    """The routes of the HTTP door. `named` serves configured connections; `inline` those of
    payloads, with a limited reach, None where they are not allowed."""

    def __init__(
        self, named: Connector, inline: Connector | None, settings: Settings, metrics: Metrics
    ) -> None:
        self._named = named
        self._inline = inline
        self._bodies = Bodies(settings.body_bytes, settings.body_seconds)
        self._metrics = metrics
        self._traces = Traces(named)
        self._slots = Slots(settings.concurrency)
        described = named.describe()
        self._described = strict_json.dumps(described)
        self._rows = {row["key"]: strict_json.dumps(row) for row in described["actions"]}
        self._openapi = strict_json.dumps(openapi.document(named))

    # What a form builder needs

    async def actions(self, _: Request) -> Response:
        return json_response(self._described)

    async def action(self, request: Request) -> Response:
        return json_response(self._rows[self._key(request)])

    async def schema(self, request: Request) -> Response:
        key = self._key(request)
        if "output" in request.query_params:
            return data_response(self._named.output_schema(key))
        return data_response(self._named.schema(key))

    async def connection_schema(self, _: Request) -> Response:
        return data_response(self._named.schema("connection"))

    async def connections(self, _: Request) -> Response:
        return data_response(self._named.connection_names())

    async def icon(self, _: Request) -> Response:
        return Response(self._named.icon(), media_type="image/png")

    # Calls

    async def invoke(self, request: Request) -> Response:
        key = self._key(request)

        def work(connector: Connector, payload: Payload, cancel: Cancellation) -> Result:
            return connector.invoke(key, payload.inputs, payload.connection, cancel=cancel)

        def stream(
            connector: Connector, payload: Payload, cancel: Cancellation, queue: Queue
        ) -> Result:
            call = connector.stream(key, payload.inputs, payload.connection, cancel=cancel)
            with call as events:
                for event in events:
                    queue.put(event)
            return call.result

        if "text/event-stream" in request.headers.get("accept", ""):
            return await self._stream(request, stream, key)
        return await self._run(request, work, key)

    async def dry_run(self, request: Request) -> Response:
        key = self._key(request)

        def work(connector: Connector, payload: Payload, cancel: Cancellation) -> Result:
            return connector.invoke(
                key, payload.inputs, payload.connection, dry_run=True, cancel=cancel
            )

        return await self._run(request, work)

    async def test_connection(self, request: Request) -> Response:
        def work(connector: Connector, payload: Payload, cancel: Cancellation) -> Result:
            return connector.test_connection(payload.connection, cancel=cancel)

        return await self._run(request, work)

    async def options(self, request: Request) -> Response:
        source = request.path_params["source"]

        def work(connector: Connector, payload: Payload, cancel: Cancellation) -> Result:
            return connector.options(source, payload.connection, cancel=cancel)

        return await self._run(request, work)

    async def _run(self, request: Request, work: Work, counted: str | None = None) -> Response:
        async with self._bodies.read(request) as body:
            status, envelope = await self._slots.start(
                peer_of(request.scope),
                lambda cancel: self._outcome(request, body, work, cancel, counted),
            )
        return json_response(envelope, status)

    async def _stream(self, request: Request, work: StreamWork, counted: str) -> Response:
        queue = Queue()

        def streamed(connector: Connector, payload: Payload, cancel: Cancellation) -> Result:
            return work(connector, payload, cancel, queue)

        def run(cancel: Cancellation) -> Outcome:
            try:
                return self._outcome(request, body, streamed, cancel, counted)
            finally:
                queue.put(None)

        async with self._bodies.read(request) as body:
            result = self._slots.start(peer_of(request.scope), run)
        try:
            first = await queue.get()
            if first is None:  # it failed before its first event: the status can tell
                status, envelope = await result
                return json_response(envelope, status)
        except BaseException:
            queue.close()
            raise
        return EventResponse(result, queue, first)

    def _outcome(
        self, request: Request, body: bytes, work: Work, cancel: Cancellation, counted: str | None
    ) -> Outcome:
        """Do the work on the call's thread, so that a large payload or result holds up no other
        call."""
        in_flight = self._metrics.in_flight(counted) if counted else contextlib.nullcontext()
        with in_flight, self._traces.span(counted, request.headers) as finish:
            try:
                payload = self._named.parse_payload(body)
                result = work(self._connector_for(payload), payload, cancel)
            except ConnectorError as error:
                result = failed(error, counted)
            finish(result)
        if counted is not None:
            self._metrics.count(counted, result)
        return status_of(result.error), encode(result)

    def _connector_for(self, payload: Payload) -> Connector:
        connection = payload.connection
        if connection is None:
            connection = payload.inputs.get("connection")
        if isinstance(connection, str):
            return self._named
        if self._inline is None:
            raise ConnectorError(
                "invalid_connection",
                "Connections in payloads are not allowed here: give the name of a configured one.",
                hint="Names: " + (", ".join(self._named.connection_names()) or "none") + ".",
            )
        return self._inline

    def _key(self, request: Request) -> str:
        key: str = self._named.catalog.action(request.path_params["key"]).key
        show_in_log(request.scope, key=key)
        return key

    # The service itself

    async def openapi(self, _: Request) -> Response:
        return json_response(self._openapi)

    async def health(self, _: Request) -> Response:
        return data_response({"ok": True})

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=self._metrics.CONTENT_TYPE)

    def routes(self) -> list[Route]:
        """Return the routes of contract 8."""
        post = ["POST"]
        return [
            Route("/v1/actions", self.actions),
            Route("/v1/actions/{key}", self.invoke, methods=post),
            Route("/v1/actions/{key}", self.action),
            Route("/v1/actions/{key}/schema", self.schema),
            Route("/v1/actions/{key}/dry-run", self.dry_run, methods=post),
            Route("/v1/connection/schema", self.connection_schema),
            Route("/v1/connection/test", self.test_connection, methods=post),
            Route("/v1/connections", self.connections),
            Route("/v1/icon", self.icon),
            Route("/v1/options/{source}", self.options, methods=post),
            Route("/openapi.json", self.openapi),
            Route("/healthz", self.health),
            Route("/metrics", self.metrics),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        yield
        await self._slots.close()
        for connector in (self._named, self._inline):
            if connector is not None:
                connector.close()


def create_app(
    named: Connector, inline: Connector | None, settings: Settings, token: str = ""
) -> ASGIApp:
    """Return the HTTP door as an ASGI application."""
    door = Door(named, inline, settings, Metrics(named))
    routes = [*door.routes(), *console.routes(settings)]
    router = Router(routes, redirect_slashes=False, lifespan=door.lifespan)
    return Guard(_Errors(router), settings, token, {"/healthz", *console.OPEN}.__contains__)


class _Errors:
    """Answers what fails with an envelope. Does so for all routes at once: Starlette's own layers
    would cost each call as much as its validation."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = self  # then the router raises where it finds no route
        try:
            await self._app(scope, receive, send)
        except Refused as error:
            response = error.response
        except ConnectorError as error:
            response = error_response(error)
        except HTTPException as error:
            response = _no_route(error)
        except Exception as defect:  # noqa: BLE001 - the last place before the server's own
            _LOG.error("internal error: %s", type(defect).__name__)
            response = error_response(
                ConnectorError("internal_error", "The connector failed unexpectedly.")
            )
        else:
            return
        await response(scope, receive, send)


def _no_route(error: HTTPException) -> Response:
    if error.status_code == 405:
        found = ConnectorError("invalid_payload", "This route does not take this method.")
    else:
        found = ConnectorError("unknown_action", "There is no such route; see /openapi.json.")
    return error_response(found, error.status_code, dict(error.headers or {}))
