"""One invocation, from a payload to its result. Only here errors become a result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector import payload
from connector.catalog import Catalog
from connector.connections.store import ConnectionStore
from connector.errors import ConnectorError
from connector.files.output_file import OutputFile
from connector.model_choice import choose_models, with_provider
from connector.options import Options
from connector.policy.cancellation import Cancellation
from connector.policy.clock import Clock
from connector.policy.context import Context, DryRunDone, worst_sent
from connector.problems import error_of, is_plain_name, problem
from connector.providers import prices, rate_limits
from connector.result import Failure, Result, Success
from connector.runtime.interruptions import find_external, is_external
from connector.text.secrets import MASK
from connector.text.strict_json import UNPAIRED
from connector.version import __version__

if TYPE_CHECKING:
    from connector.client import Client
    from connector.providers.ready import ReadyConnection

_MOST_RESUMED = 5
"""How often a handler is run once more after it was ended from outside."""


class Invocation:
    """One run of an action, of a connection's test, or of a data source.

    The kinds differ in how they prepare and what they run.
    """

    def __init__(
        self,
        catalog: Catalog,
        connections: ConnectionStore,
        clock: Clock,
        name: str,
        connection: Any,
        options: Options = Options(),  # noqa: B008 - immutable
        inputs: Any = None,
    ) -> None:
        self._catalog = catalog
        self._connections = connections
        self._clock = clock
        self._name = name
        self._connection = connection
        self._inputs = inputs
        self._options = options
        self._problems = options.problems()
        if self._problems:  # the context needs valid ones, even to report the problems
            options = Options()
        self._context = Context(
            catalog.manifest.policies,
            clock,
            name,
            dry_run=options.dry_run,
            timeout_ms=options.timeout_ms,
            max_retries=options.max_retries,
            throttle=options.throttle,
        )
        self._output = OutputFile(Path(options.output)) if options.output is not None else None
        self._ready: ReadyConnection | None = None
        self._is_authorized = False
        self._resumed = 0

    # What each kind defines

    def prepare(self) -> ReadyConnection:
        """Check the payload and return its connection; nothing is sent."""
        raise NotImplementedError

    def check(self, ready: ReadyConnection) -> None:
        """Raise ConnectorError if the inputs are invalid for this connection."""

    def run(self, client: Client) -> Any:
        """Return the data."""
        raise NotImplementedError

    # What all kinds share

    def result(self) -> Success | Failure:
        """Run the invocation and return its result.

        An exception that an engine raises into it is raised again once all work has ended; its
        attribute `connector_result` is then the result so far.
        """
        start = self._clock.monotonic()
        deadline, cancel = self._context.deadline, self._options.cancel
        if isinstance(cancel, Cancellation):
            cancel.attach(deadline)
        result: Success | Failure | None = None
        came: BaseException | None = None
        while result is None:
            try:
                if came is not None:
                    deadline.end(came)
                data, error = self._outcome()
                deadline.release()
                duration = round((self._clock.monotonic() - start) * 1000)
                result = Result(data, error, self._meta(duration))
            except BaseException as end:
                if not is_external(end):
                    raise
                # Once more, with what is finished, so that a second Ctrl-C loses nothing.
                came = end
        if isinstance(cancel, Cancellation):
            cancel.detach(deadline)
        engines: Any = deadline.ended_by
        if engines is None or isinstance(engines, KeyboardInterrupt):
            return result
        with contextlib.suppress(AttributeError):  # of a class that takes no attributes
            BaseException.__setattr__(engines, "connector_result", result)
        raise engines

    def cancel(self) -> None:
        """End it, from any thread; its result is then `cancelled`, unless its work is done."""
        self._context.deadline.cancel()

    def _outcome(self) -> tuple[Any, ConnectorError | None]:
        """Return the data and the error; the data of an error is what was finished before it."""
        context = self._context
        try:
            data = self._done()
        except DryRunDone:
            planned = context.dry_run or []
            return (planned[0] if len(planned) == 1 else planned), None
        except ConnectorError as found:
            if (end := find_external(found)) is not None:
                raise end from None
            error = found
        except UnicodeEncodeError:  # anywhere: in a path, a query, the name of a part
            error = ConnectorError("invalid_input", f"A text {UNPAIRED}.")
        except Exception as defect:  # noqa: BLE001 - callers get a result, whatever fails
            if (end := find_external(defect)) is not None:
                raise end from None
            error = self._defect(defect)
        else:
            if context.deadline.cancelled.is_set():
                context.warn("The action was interrupted after its work was done.")
            return data, None
        finally:
            if self._output is not None:
                self._output.abort()
        self._settle(error)
        return error.data, error

    def _defect(self, defect: Exception) -> ConnectorError:
        if self._ready is None:
            self._context.mask = self._connections.secret(self._connection).scrub
        return self._context.defect(defect)

    def _done(self) -> Any:
        if self._context.deadline.ended_by is not None:
            self._check_resumable()
        if self._ready is None or not self._is_authorized:
            self._context.check()
            if self._problems:
                raise error_of("invalid_payload", self._problems)
            self._ready = ready = self.prepare()
            self._context.mask = lambda text: ready.authentication.secret.scrub_message(text)
            self._authorize(ready)
            self._is_authorized = True
        return self.run(self._client(self._ready))

    def _authorize(self, ready: ReadyConnection) -> None:
        """Decide whether the inputs may be sent to this provider; raise ConnectorError if not."""
        for text in ready.warnings:
            self._context.warn(text)
        self.check(ready)
        if self._output is not None and self._context.dry_run is None:
            self._output.check()

    def _client(self, ready: ReadyConnection) -> Client:
        from connector.client import Client  # here: a refused payload does not need it

        manifest = self._catalog.manifest
        return Client(
            ready,
            self._context,
            manifest.models,
            f"{manifest.key}-connector/{__version__}",
            self._output,
            self._options.progress,
            self._options.emit,
            manifest.prices,
        )

    def _check_resumable(self) -> None:
        """Raise ConnectorError if an ended invocation has nothing that its handler could return.

        Otherwise the handler runs once more, sends nothing, and returns the outcomes of its
        fan-outs.
        """
        fan_outs = self._context.fan_outs
        for fan_out in fan_outs:
            fan_out.outcomes()  # waits until all its work has ended
        self._resumed += 1
        wrote = self._output is not None and self._output.written
        if not fan_outs or wrote or self._resumed > _MOST_RESUMED:
            raise ConnectorError("cancelled", "The action was interrupted.")

    def _settle(self, error: ConnectorError) -> None:
        """Mask the error, drop its frames, and give it the `sent` of all attempts."""
        error.sent = worst_sent(error.sent, self._context.sent)
        if self._ready is not None:
            secret = self._ready.authentication.secret
            for name, value in vars(error).items():
                if isinstance(value, str):
                    setattr(error, name, secret.scrub(value))
            error.args = (error.message,)
            error.details = secret.scrub_json(error.details)
            error.data = secret.scrub_json(error.data)
        error.__traceback__ = error.__cause__ = error.__context__ = None

    def _shown_name(self) -> str:
        """Return the name of the action, masked if it may be a misplaced key."""
        name: Any = self._name
        actions = self._catalog.manifest.actions
        known = isinstance(name, str) and (name in actions or is_plain_name(name))
        return name if known else MASK

    def _meta(self, duration: int) -> dict[str, Any]:
        context, ready, told = self._context, self._ready, self._context.told
        warnings = [*context.warnings, *(self._output.warnings if self._output else ())]
        if ready is not None:
            secret = ready.authentication.secret
            warnings = [secret.scrub(text) for text in warnings]
            told = secret.scrub_json(told)  # the escapes of JSON inside a text may hide a key
        meta = {
            "action": self._shown_name(),
            "provider": ready.provider.name if ready else None,
            "attempts": context.attempts,
            "durationMs": duration,
            "requestId": context.request_id,
            "usage": context.usage,
            "warnings": warnings,
            **told,
        }
        if found := context.known_cost():
            meta["cost"] = prices.told(*found)
        headers = context.headers or {}
        if limits := rate_limits.read(headers):
            meta["rateLimit"] = limits
        if context.shows_response:
            meta["httpStatus"] = context.http_status
            meta["headers"] = {k: v for k, v in headers.items() if k != "set-cookie"}
        return meta


class ActionRun(Invocation):
    """One run of an action."""

    def prepare(self) -> ReadyConnection:
        """Clean the inputs and find the connection. Problems of the inputs are raised later.

        Raises ConnectorError for an invalid connection, with the problems of the inputs too.
        """
        form = self._catalog.form(self._name)
        if self._options.emit is not None and not self._catalog.action(self._name).streams:
            raise ConnectorError(
                "invalid_payload",
                f"The action {self._name} has no stream.",
                hint=f"With a stream: {', '.join(self._catalog.streaming())}. Or call it without.",
            )
        given, connection = self._inputs, self._connection
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise error_of("invalid_payload", [problem("/inputs", payload.NO_INPUTS)])
        if "connection" in given and connection is None:
            # Builders keep the reference among the inputs.
            self._connection = connection = given["connection"]
        self._cleaned = form.clean({key: given[key] for key in given if key != "connection"})
        try:
            return self._connections.get(connection)
        except ConnectorError as error:
            found = form.error(self._cleaned.values, self._cleaned.problems)
            if found is None:
                raise
            rows = error.details or [problem("/connection", error.message)]
            # The key may be among the inputs too, and there is no authentication yet to mask it.
            secret = self._connections.secret(connection)
            rows = secret.scrub_json([*rows, *(found.details or ())])
            raise error_of(error.code, rows, error.hint) from None

    def check(self, ready: ReadyConnection) -> None:
        """Choose the model and raise ConnectorError with every problem, see `with_provider`."""
        cleaned, action = self._cleaned, self._catalog.action(self._name)
        models = self._catalog.manifest.models
        rows = choose_models(action, cleaned, ready.provider, models, self._context)
        problems = cleaned.problems + rows
        error = cleaned.form.error(cleaned.values, problems) if problems else None
        if error := with_provider(action, ready.provider, error):
            raise error

    def run(self, client: Client) -> Any:
        """Run the handler and check its data."""
        action = self._catalog.action(self._name)
        data = self._catalog.handlers.find(action.handler)(self._cleaned.values, client)
        for found in self._catalog.output_problems(action, data)[:1]:
            where = "/".join(map(str, ("", *found.path)))
            message = f"The data does not fit the action's output schema: {where} {found.message}."
            if self._context.is_received(data, found.path):
                raise ConnectorError("invalid_response", message, sent="unknown")
            raise ConnectorError("internal_error", message, sent=self._context.sent)
        if self._output is not None and not self._output.written:
            self._context.warn("The result is not binary: no file was written.")
        return data


class ConnectionTest(Invocation):
    """One test of a connection."""

    def prepare(self) -> ReadyConnection:
        """Find the connection."""
        return self._connections.get(self._connection)

    def run(self, client: Client) -> Any:
        """Return the verdicts."""
        key, _ = self._connections.parse(self._connection)
        test = self._catalog.manifest.connections[key].test
        if test is None:
            raise ConnectorError(
                "invalid_manifest", "The manifest names no test for this kind of connection."
            )
        verdicts = self._catalog.handlers.find(test)(client)
        assert self._ready is not None
        # Its messages name the endpoint, which may contain the key.
        return self._ready.authentication.secret.scrub_json(verdicts)


class DataSourceRun(Invocation):
    """One run of a data source, which fills a dropdown."""

    def prepare(self) -> ReadyConnection:
        """Find the data source and the connection."""
        self._handler = self._catalog.data_source(self._name).handler
        return self._connections.get(self._connection)

    def run(self, client: Client) -> Any:
        """Return the choices of the dropdown."""
        return self._catalog.handlers.find(self._handler)(client)
