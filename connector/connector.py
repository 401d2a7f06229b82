"""Runs an action: manifest, connection, inputs, handler, envelope.

No HTTP here; `invocation` makes the result.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.check import loading
from connector.connections.store import ConnectionStore
from connector.errors import ConnectorError, problem, quoted, refused
from connector.files import resources
from connector.handlers import HANDLERS, Handlers
from connector.manifest import reader
from connector.manifest.model import Action, Manifest
from connector.manifest.schemas import bundle
from connector.policy.clock import SYSTEM_CLOCK, Clock
from connector.result import Failure, Success
from connector.text import strict_json
from connector.validation.form import NO_INPUTS, Cleaned, Form
from connector.validation.suggestions import nearest
from connector.validation.validator import Validator
from connector.version import __version__

if TYPE_CHECKING:
    from connector.client import Client
    from connector.connections.store import ReadyConnection
    from connector.invocation import Invocation


class Connector:
    """A loaded manifest and the handlers that serve it.

    Safe in threads and across fork. Make one with `load` and keep it: connections to the
    provider are reused.
    """

    def __init__(
        self,
        spec: Manifest,
        handlers: str = HANDLERS,
        configured: Path | Mapping[str, Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.manifest = spec
        self._handlers = Handlers(handlers)
        self._clock = clock
        self._targets = ConnectionStore(spec, configured)
        self._forms: dict[str, Form] = {}
        self._outputs: dict[str, Validator] = {}

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        handlers: str = HANDLERS,
        connections: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Connector:
        """Return the connector of a manifest: the bundled one where `path` is absent.

        `handlers` is the package below which the manifest may name functions. `connections` is
        the operator's file of named connections, or its content; where absent, the file that
        CONNECTOR_CONNECTIONS names. Raises ConnectorError `invalid_manifest`.

        All that a call needs is imported here, the handlers too.
        """
        spec = reader.load(resources.manifest()) if path is None else loading.load(Path(path))
        if connections is not None and not isinstance(connections, Mapping):
            connections = Path(connections)
        made = cls(spec, handlers, connections, clock)
        made._import_all()
        return made

    # What an engine calls

    def invoke(
        self,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        connection: Mapping[str, Any] | str | None = None,
        *,
        dry_run: bool = False,
        output: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Success | Failure:
        """Run an action and return its result; it never raises for what the action did.

        `inputs` are cleaned and validated as the manifest says. `connection` is
        `{"key", "fields"}` or the name of a configured one. With `dry_run` nothing is sent and
        the data is the request (an array where there would be several). With `output` a binary
        result goes to that file. `progress` is told (finished, all) of an action that makes many
        calls.

        An exception that an engine raises into the call ends it and passes; its attribute
        `connector_result` is the result so far.
        """

        def work(client: Client, cleaned: Cleaned) -> Any:
            spec = self.manifest.actions[action]
            data = self.handler(spec.handler)(cleaned.values, client)
            self._check_output(spec, data)
            return data

        try:
            run = self._run(action, dry_run, output, progress)
            result = run.result(lambda: self._prepare(action, inputs, connection), work)
        finally:
            inputs = connection = None  # what passes through shows no key in this frame
        if output is not None and result.ok and not dry_run and not run.wrote:
            result.meta["warnings"].append("The result is not binary: no file was written.")
        return result

    def call(
        self,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        connection: Mapping[str, Any] | str | None = None,
    ) -> Any:
        """Run an action and return its data; raise its ConnectorError where it failed."""
        try:
            result = self.invoke(action, inputs, connection)
        finally:
            del inputs, connection  # a traceback with locals must not show the key
        if result.error is not None:
            raise result.error
        return result.data

    def test_connection(self, connection: Mapping[str, Any] | str | None) -> Success | Failure:
        """Prove a connection by an unbilled call; the data has a verdict each on its parts."""

        def prepare() -> tuple[ReadyConnection, Cleaned]:
            return self._targets.find(connection), NO_INPUTS

        def work(client: Client, _: Cleaned) -> Any:
            key, _ignored = self._targets.kind(connection)
            test = self.manifest.connections[key].test
            if test is None:
                raise ConnectorError("invalid_manifest", "The manifest names no test for this.")
            # Its sentences tell the endpoint, which may hold the key.
            return client.provider.secret.scrub_json(self.handler(test)(client))

        try:
            return self._run("test-connection").result(prepare, work)
        finally:
            connection = None

    def options(self, source: str, connection: Mapping[str, Any] | str | None) -> Success | Failure:
        """Return what fills a dropdown: the data is a list of `{"key", "label"}`."""

        def prepare() -> tuple[ReadyConnection, Cleaned]:
            if source not in self.manifest.data_sources:
                close = nearest(source, self.manifest.data_sources)
                raise ConnectorError("invalid_payload", f"No data source {quoted(source)}{close}")
            return self._targets.find(connection), NO_INPUTS

        def work(client: Client, _: Cleaned) -> Any:
            return self.handler(self.manifest.data_sources[source].handler)(client)

        try:
            return self._run(source).result(prepare, work)
        finally:
            connection = None

    def describe(self) -> dict[str, Any]:
        """Return the manifest as data: all that a form builder needs."""
        raw: dict[str, Any] = strict_json.copy(self.manifest.raw)
        first = raw.pop("connectionInput", None)
        if first:
            row = {"key": "connection", **first, "control": "connection", "required": True}
            raw["actions"] = [{**item, "inputs": [row, *item["inputs"]]} for item in raw["actions"]]
        return {**raw, "version": __version__}

    def schema(self, name: str) -> dict[str, Any]:
        """Return the JSON Schema that the runtime validates with: of an action's inputs, or of
        the fields of the `connection`. Raises ConnectorError `unknown_action`."""
        form = self._targets.form() if name == "connection" else self.form(name)
        schema: dict[str, Any] = strict_json.copy(form.schema)
        return schema

    def close(self) -> None:
        """Close the idle connections. The connector may be used again."""
        self._targets.close()

    def __reduce__(self) -> Any:
        raise TypeError("a connector holds keys and sockets: load one in each process")

    # What the parts below need

    def _run(self, name: str, *options: Any) -> Invocation:
        from connector.invocation import Invocation  # describing an action runs none

        return Invocation(self.manifest, self._clock, name, *options)

    def form(self, action: str) -> Form:
        """Return the form of an action's inputs, made once."""
        spec = self._action(action)
        if action not in self._forms:
            # The check is found when it is needed: to describe an action imports no handler.
            check = partial(self.handler, spec.check) if spec.check else None
            form = Form(spec.label, "/inputs", spec.inputs, self.manifest.schemas, check)
            self._forms[action] = form
        return self._forms[action]

    def handler(self, name: str) -> Callable[..., Any]:
        """Return the function that the manifest names; see `Handlers.find`."""
        return self._handlers.find(name)

    def _import_all(self) -> None:
        from connector import preload  # noqa: F401 - only who loads a connector waits for it

        spec = self.manifest
        names = [action.handler for action in spec.actions.values()]
        names += [action.check for action in spec.actions.values() if action.check is not None]
        names += [source.handler for source in spec.data_sources.values()]
        names += [kind.test for kind in spec.connections.values() if kind.test is not None]
        for name in names:
            with contextlib.suppress(ConnectorError):  # told by the action that needs it
                self.handler(name)

    def _action(self, key: str) -> Action:
        spec = self.manifest.actions.get(key) if isinstance(key, str) else None
        if spec is None:
            known = self.manifest.actions
            raise ConnectorError(
                "unknown_action",
                f"There is no action {quoted(str(key))}{nearest(str(key), known)}",
                hint="Actions: " + ", ".join(known),
            )
        return spec

    def _prepare(
        self, action: str, inputs: Any, connection: Any
    ) -> tuple[ReadyConnection, Cleaned]:
        """Return the target and the cleaned inputs, their problems still unsaid.

        Raises ConnectorError for a connection that leads nowhere, with the problems of both.
        """
        form = self.form(action)
        given = {} if inputs is None else inputs
        if not isinstance(given, Mapping):
            row = problem("/inputs", "must be an object")
            raise refused("invalid_payload", [row])
        if "connection" in given and connection is None:
            connection = given["connection"]  # builders keep the reference among the inputs
        cleaned = form.clean({key: given[key] for key in given if key != "connection"})
        try:
            target = self._targets.find(connection)
        except ConnectorError as error:
            found = form.refusal(cleaned.values, cleaned.problems)
            if not found.problems:
                raise
            rows = error.details or [problem("/connection", error.message)]
            # The key may stand among the inputs too, and no provider is there yet to mask it.
            rows = self._targets.secret(connection).scrub_json([*rows, *found.problems])
            raise refused(error.code, rows, error.hint) from None
        return target, cleaned

    def _check_output(self, spec: Action, data: Any) -> None:
        if spec.output is None:
            strict_json.dumps(data)  # raises for what no envelope can hold
            return
        if spec.output not in self._outputs:
            self._outputs[spec.output] = Validator(bundle(spec.output, self.manifest.schemas))
        problems = self._outputs[spec.output].problems(data)
        if problems:
            where = "/".join(map(str, ("", *problems[0].path)))
            raise ConnectorError(
                "invalid_response",
                f"The answer is not what the action returns: {where} {problems[0].message}.",
                sent="unknown",
            )
