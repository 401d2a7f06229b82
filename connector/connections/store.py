"""Turns the connections of payloads into ready connections, and keeps them for later calls."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.connections import configured as configured_file
from connector.errors import ConnectorError
from connector.handlers import Handlers
from connector.manifest.model import Manifest
from connector.problems import error_of, problem, unknown_pointer
from connector.runtime.bounded import make_room
from connector.text.secrets import Secret
from connector.validation.form import Cleaned, Form

if TYPE_CHECKING:
    from connector.http.reach import Reach
    from connector.providers.ready import ReadyConnection

_MOST = 128
_MOST_FIELDS = 100
_LONGEST_SECRET = 8192


_EXPOSED = (
    "Other users may read the connections file, and it holds a key; run chmod go-r on it, or take "
    "the key from the environment, as ${VARIABLE}."
)


class ConnectionStore:
    """The ready connections of one connector, made once for the same fields; keeps the latest.

    `configured` is the operator's file of named connections, or its content; if None, the file that
    CONNECTOR_CONNECTIONS names. `reach` limits the hosts that connections may lead to.
    """

    def __init__(
        self,
        spec: Manifest,
        handlers: Handlers,
        configured: Path | Mapping[str, Any] | None = None,
        reach: Reach | None = None,
    ) -> None:
        self._manifest = spec
        self._handlers = handlers
        self._reach = reach
        self._file = configured if isinstance(configured, Path) else None
        self._named = None
        if isinstance(configured, Mapping):
            self._named = configured_file.NamedConnections(configured)
        self._warnings: tuple[str, ...] = ()
        self._forms: dict[str, Form] = {}
        self._ready: dict[str, ReadyConnection] = {}

    def form(self, key: str | None = None) -> Form:
        """Return the form of a kind of connection, by default of the first kind."""
        key = key or next(iter(self._manifest.connections))
        if key not in self._forms:
            spec, schemas = self._manifest.connections[key], self._manifest.schemas
            self._forms[key] = Form(spec.label, "/connection/fields", spec.fields, schemas)
        return self._forms[key]

    def parse(self, connection: Any) -> tuple[str, Mapping[str, Any]]:
        """Return the kind and the fields of a connection, given as an object or by name.

        Raises ConnectorError `invalid_connection`.
        """
        if connection is None:
            row = problem("/connection", "is required")
            hint = f"Give {self._shape()}, or the name of a configured connection."
            raise error_of("invalid_connection", [row], hint=hint)
        if isinstance(connection, str):
            connection = configured_file.get(connection, self._configured().connections, os.environ)
        if not isinstance(connection, Mapping):
            message = f"must be {self._shape()}, or the name of a configured connection"
            raise error_of("invalid_connection", [problem("/connection", message)])
        kinds = self._manifest.connections
        key = connection.get("key") or next(iter(kinds))
        fields = connection.get("fields")
        fields = {} if fields is None else fields
        problems = [
            problem(
                f"/connection{unknown_pointer(str(name))}",
                f"is not known here; fields go under 'fields': {self._shape()}",
            )
            for name in connection
            if name not in ("key", "fields")
        ]
        if not isinstance(key, str) or key not in kinds:
            message = f"is not a kind of connection; write {' or '.join(kinds)}"
            problems.append(problem("/connection/key", message))
        if not isinstance(fields, Mapping):
            message = f"must be an object; write {self._shape()}"
            problems.append(problem("/connection/fields", message))
        if problems:
            raise error_of("invalid_connection", problems)
        return key, fields

    def _shape(self) -> str:
        """Return what a connection of the first kind looks like, for messages."""
        kind = next(iter(self._manifest.connections.values()))
        needed = ", ".join(f'"{item.key}": "..."' for item in kind.fields if item.required)
        return f'{{"fields": {{{needed}}}}}'

    def _configured(self) -> configured_file.NamedConnections:
        if self._named is None:
            path = os.environ.get(configured_file.VARIABLE)
            file = self._file or (Path(path) if path else None)
            found = configured_file.read(file) if file else configured_file.NamedConnections({})
            if found.exposed and any(map(self._has_key, found.connections.values())):
                self._warnings = (_EXPOSED,)
            self._named = found
        return self._named

    def _has_key(self, connection: Any) -> bool:
        kinds = self._manifest.connections.values()
        secrets = {field.key for kind in kinds for field in kind.fields if field.secret}
        return configured_file.has_literal(connection, secrets)

    def get(self, connection: Any) -> ReadyConnection:
        """Return the ready connection of what a payload holds.

        Raises ConnectorError `invalid_connection`, or `blocked_target` for an endpoint that is not
        allowed.
        """
        key, fields = self.parse(connection)
        is_configured = isinstance(connection, str)
        if self._reach is not None and not is_configured:
            self._check_operator_fields(key, fields)
        given = _name(key, fields)
        ready = self._ready.get(given)
        if ready is None:
            cleaned = self.form(key).clean(fields)
            if cleaned.problems:
                rows = [*cleaned.problems, *self._later_problems(key, cleaned)]
                raise error_of("invalid_connection", rows)
            # Kept under two keys: the fields as given, to find it without cleaning, and the cleaned
            # fields, which other spellings share.
            name = _name(key, cleaned.values)
            ready = self._cache(name, self._ready.get(name) or self._connect(key, cleaned.values))
            self._cache(given, ready)
        if self._warnings and is_configured:
            ready = ready._replace(warnings=self._warnings)
        return ready

    def names(self) -> list[str]:
        """Return the names of the configured connections, sorted."""
        return sorted(self._configured().connections)

    def _check_operator_fields(self, key: str, fields: Mapping[str, Any]) -> None:
        """Refuse fields that only an operator may set."""
        rows = [
            problem(
                f"/connection/fields/{item.key}",
                "may be set in a configured connection only",
                item.label,
            )
            for item in self._manifest.connections[key].fields
            if item.operator_only and fields.get(item.key) not in (None, "")
        ]
        if rows:
            raise error_of("invalid_connection", rows)

    def _connect(self, key: str, fields: Mapping[str, Any]) -> ReadyConnection:
        """Return the connection of cleaned fields. Raises ConnectorError as its kind does, with
        the manifest's examples."""
        try:
            return self._made_ready(key, fields)
        except ConnectorError as error:
            if not error.details:
                raise
            rows = [self.form(key).with_example(row) for row in error.details]
            raise error_of(error.code, rows, error.hint) from None

    def _made_ready(self, key: str, fields: Mapping[str, Any]) -> ReadyConnection:
        # Imported here: only a call to a provider needs these.
        from connector.http.transport import Transport
        from connector.providers import proxy
        from connector.providers.ready import ReadyConnection
        from connector.providers.tokens import TokenClient

        address, ca_file = fields.get("proxy"), fields.get("caFile")
        tokens = TokenClient(self._reach, address, ca_file)
        try:
            provider, authentication = self._kind_function(key)(fields, tokens)
        except ConnectorError as error:
            proxy.check(address, error)
            raise
        proxy.check(address)
        if address:
            authentication.mask_also(*proxy.secrets(address))
        provider = provider._replace(proxy=Secret(address) if address else None, ca_file=ca_file)
        secure = provider.endpoint.scheme == "https"
        transport = Transport(secure, provider.proxy, ca_file, self._reach)
        return ReadyConnection(provider, authentication, transport, tokens)

    def _kind_function(self, key: str) -> Callable[..., Any]:
        """Return the function of a kind of connection; the API key's if the manifest names none."""
        name = self._manifest.connections[key].handler
        if name is not None:
            return self._handlers.find(name)
        from connector.providers import api_key

        return api_key.connect

    def _later_problems(self, key: str, cleaned: Cleaned) -> list[Mapping[str, str]]:
        """Return the problems that the other fields would have after the refused ones are fixed."""
        kind = {item.key: item for item in self._manifest.connections[key].fields}
        bad = {row["path"].split("/")[3] for row in cleaned.problems if row["path"].count("/") > 2}
        if any(name in kind and kind[name].schema.get("type") == "boolean" for name in bad):
            return []  # such a field decides what the others mean
        good = {name: value for name, value in cleaned.values.items() if name not in bad}
        good |= {name: "-" for name in kind if kind[name].required and name not in good}
        try:
            self._connect(key, good)
        except ConnectorError as error:
            rows = error.details or ()
            return [row for row in rows if row["path"].split("/")[3] not in bad]
        return []

    def secret(self, connection: Any) -> Secret:
        """Return what masks an invalid connection: its texts, except those of public fields."""
        if isinstance(connection, str):
            with contextlib.suppress(ConnectorError):
                connection = configured_file.get(
                    connection, self._configured().connections, os.environ
                )
        kinds = self._manifest.connections.values()
        public = {item.key for kind in kinds for item in kind.fields if not item.secret}
        return Secret("", *_texts(connection, ({"key"}, public)))

    def _cache(self, name: str, ready: ReadyConnection) -> ReadyConnection:
        """Keep a connection and return it, or the one that another thread has kept meanwhile."""
        for old in make_room(self._ready, _MOST):
            old.close()
        return self._ready.setdefault(name, ready)

    def close(self) -> None:
        """Close all idle sockets; the next call opens new ones."""
        made, self._ready = self._ready, {}
        for ready in made.values():
            ready.close()


def _texts(value: Any, public: Sequence[Set[str]]) -> Iterator[str]:
    """Yield the texts of a connection, except those of `public` names.

    The first set of names is for the connection itself, the second for its fields.
    """
    if isinstance(value, str) and len(value) <= _LONGEST_SECRET:
        yield value
    if isinstance(value, Mapping) and public:
        for name, item in itertools.islice(value.items(), _MOST_FIELDS):
            if name not in public[0]:
                yield from _texts(item, public[1:])


def _name(key: str, fields: Mapping[str, Any]) -> str:
    # As JSON, because a tuple would be the same key for true and 1.
    try:
        return key + json.dumps(dict(fields))
    except (TypeError, ValueError):
        return key  # never used: validation refuses what is not JSON
