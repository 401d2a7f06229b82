"""The connector: what engines and doors call. `invocation` makes the results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector import payload
from connector.catalog import Catalog
from connector.connections.store import ConnectionStore
from connector.error_codes import table
from connector.errors import ConnectorError
from connector.files import resources
from connector.handlers import HANDLERS, Handlers
from connector.http.reach import Reach
from connector.manifest import reader
from connector.manifest.model import Manifest
from connector.options import Options
from connector.payload import Payload
from connector.policy.clock import SYSTEM_CLOCK, Clock
from connector.result import Failure, Success
from connector.stream import Stream
from connector.text import strict_json
from connector.version import __version__

if TYPE_CHECKING:
    from connector.policy.cancellation import Cancellation
    from connector.policy.throttle import Throttle


class Connector:
    """A loaded manifest with its handlers.

    Safe in threads and across fork. Make one with `load` and keep it, because it reuses the sockets
    to a provider. `with Connector.load() as connector:` closes them at the end.
    """

    def __init__(
        self,
        spec: Manifest,
        handlers: str | None = None,
        configured: Path | Mapping[str, Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        reach: Reach | None = None,
        folder: Path | None = None,
    ) -> None:
        spec = reader.with_own_prices(spec)
        self._folder = folder or resources.root()
        self.catalog = Catalog(spec, Handlers(handlers or spec.handlers or HANDLERS))
        self._clock = clock
        self._connections = ConnectionStore(spec, self.catalog.handlers, configured, reach)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        handlers: str | None = None,
        connections: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        reach: Reach | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Connector:
        """Return the connector of the manifest at `path`, by default of the bundled one.

        `handlers` is the package with the functions that the manifest names; if None, the one that
        the manifest names itself, otherwise that of the bundled one. `connections` is the
        operator's file of named connections, or its content; if None, the file that
        CONNECTOR_CONNECTIONS names. `reach` limits the hosts that connections may lead to, for
        services that run other people's payloads; if None, any public, private or loopback host
        is allowed. Raises ConnectorError `invalid_manifest`.

        Everything that a call needs is imported here, including the handlers.
        """
        if path is None:
            file = resources.manifest()
            spec = reader.load(file)
        else:
            from connector.check import loading  # the bundled manifest is checked before a release

            file = Path(path)
            spec = loading.load(file)
        if connections is not None and not isinstance(connections, Mapping):
            connections = Path(connections)
        made = cls(spec, handlers, connections, clock, reach, file.parent)
        made.import_all()
        return made

    @property
    def manifest(self) -> Manifest:
        """What the connector declares."""
        return self.catalog.manifest

    # For engines

    def invoke(
        self,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        connection: Mapping[str, Any] | str | None = None,
        *,
        dry_run: bool = False,
        output: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
        timeout_ms: float | None = None,
        max_retries: int | None = None,
        cancel: Cancellation | None = None,
        throttle: Throttle | None = None,
    ) -> Success | Failure:
        """Run an action and return its result; it never raises for what the action did.

        `inputs` are cleaned and validated as the manifest says. `connection` is
        `{"key", "fields"}` or the name of a configured one. With `dry_run`, nothing is sent and
        the data is the request (an array if there would be several). With `output`, a binary
        result goes to that file. `progress` is called with (finished, all) by actions that send
        many requests, from other threads. `timeout_ms` limits the whole action; it cannot exceed
        the manifest's deadline. `max_retries` replaces the retry count of the named actions; 0
        means none. `cancel` ends the call from another thread. `throttle` decides when each attempt
        may start.

        An exception that an engine raises into the call ends it and is raised again; its attribute
        `connector_result` is the result so far.
        """
        from connector.invocation import ActionRun  # here: describing an action does not need it

        options = Options(
            dry_run, output, progress, timeout_ms, max_retries, cancel, throttle=throttle
        )
        try:
            return ActionRun(
                self.catalog, self._connections, self._clock, action, connection, options, inputs
            ).result()
        finally:
            inputs = connection = None  # drop references so that tracebacks show no key

    def call(
        self,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        connection: Mapping[str, Any] | str | None = None,
        **options: Any,
    ) -> Any:
        """Run an action and return its data. Raises its ConnectorError if it fails.

        `options` are those of `invoke`.
        """
        try:
            result = self.invoke(action, inputs, connection, **options)
        finally:
            del inputs, connection  # drop references so that tracebacks show no key
        if result.error is not None:
            raise result.error
        return result.data

    def stream(
        self,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        connection: Mapping[str, Any] | str | None = None,
        *,
        timeout_ms: float | None = None,
        max_retries: int | None = None,
        cancel: Cancellation | None = None,
    ) -> Stream:
        """Return the action's events as a stream, to be used in a `with` statement.

        For actions that the manifest marks with `streams`; the result of others is
        `invalid_payload`. Failed attempts are repeated until the first event, never after it. The
        time of `timeout_ms` begins where the `with` is entered.
        """
        from connector.invocation import ActionRun

        options = Options(timeout_ms=timeout_ms, max_retries=max_retries, cancel=cancel)
        return Stream(
            lambda emit: ActionRun(
                self.catalog,
                self._connections,
                self._clock,
                action,
                connection,
                options._replace(emit=emit),
                inputs,
            )
        )

    def test_connection(
        self,
        connection: Mapping[str, Any] | str | None,
        *,
        timeout_ms: float | None = None,
        cancel: Cancellation | None = None,
    ) -> Success | Failure:
        """Test a connection without being billed; the data has a verdict on each of its parts."""
        from connector.invocation import ConnectionTest

        options = Options(timeout_ms=timeout_ms, cancel=cancel)
        try:
            return ConnectionTest(
                self.catalog,
                self._connections,
                self._clock,
                "test-connection",
                connection,
                options,
            ).result()
        finally:
            connection = None

    def options(
        self,
        source: str,
        connection: Mapping[str, Any] | str | None,
        *,
        timeout_ms: float | None = None,
        cancel: Cancellation | None = None,
    ) -> Success | Failure:
        """Return the choices of a dropdown: the data is a list of `{"key", "label"}`."""
        from connector.invocation import DataSourceRun

        options = Options(timeout_ms=timeout_ms, cancel=cancel)
        try:
            return DataSourceRun(
                self.catalog, self._connections, self._clock, source, connection, options
            ).result()
        finally:
            connection = None

    # For form builders and doors

    def describe(self) -> dict[str, Any]:
        """Return the manifest as data, with everything that a form builder needs."""
        return {**self.catalog.describe(), "runtimeVersion": __version__}

    def schema(self, name: str, kind: str | None = None) -> dict[str, Any]:
        """Return the JSON Schema that the runtime validates an action's inputs with.

        The name `connection` stands for the fields of a connection, of which `kind` is the key; if
        absent, that of the first kind. Raises ConnectorError `unknown_action` or
        `invalid_connection`.
        """
        if name == "connection":
            key, _ = self._connections.parse({"key": kind})
            form = self._connections.form(key)
        else:
            form = self.catalog.form(name)
        schema: dict[str, Any] = strict_json.copy(form.schema)
        return schema

    def output_schema(self, action: str) -> dict[str, Any]:
        """Return the JSON Schema of an action's data. Raises ConnectorError `unknown_action`."""
        schema: dict[str, Any] = strict_json.copy(self.catalog.output_schema(action))
        return schema

    def parse_payload(self, text: bytes | str) -> Payload:
        """Return the inputs and the connection of a payload, which must be strict JSON.

        Raises ConnectorError `invalid_payload`.
        """
        return payload.parse(text)

    def connection_names(self) -> list[str]:
        """Return the names of the configured connections, sorted.

        Raises ConnectorError `invalid_connection` if the file cannot be used.
        """
        return self._connections.names()

    def icon(self) -> bytes:
        """Return the icon as PNG, empty if the manifest has none.

        Raises ConnectorError `invalid_manifest` if its file cannot be read.
        """
        name = self.manifest.raw.get("icon")
        if not name:
            return b""
        path = self._folder / name
        try:
            if path.resolve().is_relative_to(self._folder.resolve()):
                with path.open("rb") as file:
                    data: bytes = file.read()
                    return data
        except OSError:
            pass
        raise ConnectorError("invalid_manifest", f"The icon {name} cannot be read.")

    def errors(self) -> list[dict[str, Any]]:
        """Return every error code: `{"code", "retryable", "sent", "meaning", "remedy"}`.

        `sent` lists what the `sent` of such an error may be after one request."""
        return table()

    # Lifetime

    def close(self) -> None:
        """Close the idle sockets. The connector may be used again."""
        self._connections.close()

    def __enter__(self) -> Connector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a connector holds keys and sockets; load one in each process")

    def import_all(self) -> None:
        """Import everything that a call needs; see `preload`."""
        from connector import preload  # noqa: F401 - here: the command line imports late

        self.catalog.import_handlers()
