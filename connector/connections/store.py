"""A payload's connection made ready to send: found, cleaned, and kept for the next call."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.connections import configured as configured_file
from connector.errors import ConnectorError, problem, refused, unknown
from connector.manifest.model import Manifest
from connector.runtime.bounded import make_room
from connector.text.secrets import Secret
from connector.validation.form import Cleaned, Form
from connector.validation.suggestions import nearest

if TYPE_CHECKING:
    from connector.http.transport import Transport
    from connector.providers.provider import Provider

_MOST = 128
_MOST_FIELDS = 100
_LONGEST_SECRET = 8192


_EXPOSED = (
    "Other users may read the connections file, and it holds a key; run chmod go-r on it, or take "
    "the key from the environment, as ${VARIABLE}."
)


class ReadyConnection(NamedTuple):
    """A connection made ready: its provider, the way there, and warnings for each result."""

    provider: Provider
    transport: Transport
    warnings: tuple[str, ...] = ()


class ConnectionStore:
    """The targets of one connector, made once for the same fields; the latest `_MOST` are kept.

    `configured` is the operator's file of named connections, or its content; where None, the
    file that CONNECTOR_CONNECTIONS names.
    """

    def __init__(self, spec: Manifest, configured: Path | Mapping[str, Any] | None) -> None:
        self._manifest = spec
        self._file = configured if isinstance(configured, Path) else None
        self._configured = None
        if isinstance(configured, Mapping):
            self._configured = configured_file.Configured(configured)
        self._warnings: tuple[str, ...] = ()
        self._forms: dict[str, Form] = {}
        self._made: dict[str, ReadyConnection] = {}

    def form(self, key: str | None = None) -> Form:
        """Return the form of a kind of connection, the first one where no key is given."""
        key = key or next(iter(self._manifest.connections))
        if key not in self._forms:
            spec, schemas = self._manifest.connections[key], self._manifest.schemas
            self._forms[key] = Form(spec.label, "/connection/fields", spec.fields, schemas)
        return self._forms[key]

    def kind(self, connection: Any) -> tuple[str, Mapping[str, Any]]:
        """Return the key and the fields of a connection as a payload holds it, or of the
        configured one that it names. Raises ConnectorError `invalid_connection`."""
        if connection is None:
            row = problem("/connection", "is required")
            raise refused("invalid_connection", [row], hint="Give the API key of a connection.")
        if isinstance(connection, str):
            connection = configured_file.find(connection, self._known().connections, os.environ)
        if not isinstance(connection, Mapping):
            row = problem("/connection", "must be an object with fields, or a configured name")
            raise refused("invalid_connection", [row])
        kinds = self._manifest.connections
        key = connection.get("key") or next(iter(kinds))
        fields = connection.get("fields")
        fields = {} if fields is None else fields
        problems = [
            problem(
                f"/connection{unknown(str(name))}", "is not known here; fields go under 'fields'"
            )
            for name in connection
            if name not in ("key", "fields")
        ]
        if not isinstance(key, str) or key not in kinds:
            close = nearest(str(key), kinds)
            problems.append(problem("/connection/key", f"is not a kind of connection{close}"))
        if not isinstance(fields, Mapping):
            problems.append(problem("/connection/fields", "must be an object"))
        if problems:
            raise refused("invalid_connection", problems)
        return key, fields

    def _known(self) -> configured_file.Configured:
        if self._configured is None:
            path = os.environ.get("CONNECTOR_CONNECTIONS")
            file = self._file or (Path(path) if path else None)
            found = configured_file.read(file) if file else configured_file.Configured({})
            if found.exposed and any(map(self._has_key, found.connections.values())):
                self._warnings = (_EXPOSED,)
            self._configured = found
        return self._configured

    def _has_key(self, connection: Any) -> bool:
        kinds = self._manifest.connections.values()
        secrets = {field.key for kind in kinds for field in kind.fields if field.secret}
        return configured_file.has_literal(connection, secrets)

    def find(self, connection: Any) -> ReadyConnection:
        """Return where a connection leads. Raises ConnectorError `invalid_connection`, or
        `blocked_target` for an endpoint that nothing may be sent to."""
        key, fields = self.kind(connection)
        given = _name(key, fields)
        target = self._made.get(given)
        if target is None:
            cleaned = self.form(key).clean(fields)
            if cleaned.problems:
                raise refused("invalid_connection", [*cleaned.problems, *_more(cleaned)])
            # Kept under what was given, to find it without cleaning, and under what it means.
            name = _name(key, cleaned.values)
            target = self._keep(name, self._made.get(name) or _new(cleaned.values))
            self._keep(given, target)
        if self._warnings and isinstance(connection, str):
            target = target._replace(warnings=self._warnings)
        return target

    def secret(self, connection: Any) -> Secret:
        """Return what no error may show of a connection that was refused: the texts of its secret
        fields, and those that are where none belongs."""
        if isinstance(connection, str):
            with contextlib.suppress(ConnectorError):
                connection = configured_file.find(connection, self._known().connections, os.environ)
        kinds = self._manifest.connections.values()
        public = {item.key for kind in kinds for item in kind.fields if not item.secret}
        return Secret("", *_texts(connection, ({"key"}, public)))

    def _keep(self, name: str, target: ReadyConnection) -> ReadyConnection:
        """Return the target that is kept: another thread's, where that one was first."""
        for old in make_room(self._made, _MOST):
            old.transport.close()
        return self._made.setdefault(name, target)

    def close(self) -> None:
        """Close the idle connections of all targets; the next call makes new ones."""
        made, self._made = self._made, {}
        for target in made.values():
            target.transport.close()


def _texts(value: Any, public: Sequence[Set[str]]) -> Iterator[str]:
    """Yield the texts of a connection but those under the names that are `public`, of the
    connection and of its fields."""
    if isinstance(value, str) and len(value) <= _LONGEST_SECRET:
        yield value
    if isinstance(value, Mapping) and public:
        for name, item in itertools.islice(value.items(), _MOST_FIELDS):
            if name not in public[0]:
                yield from _texts(item, public[1:])


def _more(cleaned: Cleaned) -> list[Mapping[str, str]]:
    """Return what would be wrong with the other fields once those that were refused are mended."""
    bad = {row["path"].split("/")[3] for row in cleaned.problems if row["path"].count("/") > 2}
    if "isOpenAIKey" in bad:
        return []  # nobody knows which provider is meant
    good = {key: value for key, value in cleaned.values.items() if key not in bad}
    try:
        _new({"apiKey": "-", **good})
    except ConnectorError as error:
        rows = error.details or ()
        return [row for row in rows if row["path"].split("/")[3] not in bad]
    return []


def _new(fields: Mapping[str, Any]) -> ReadyConnection:
    # Only what calls a provider needs these.
    from connector.http.transport import Transport
    from connector.providers.api_key import provider

    found = provider(fields)
    transport = Transport(
        found.endpoint.scheme == "https", found.authorization, found.proxy, found.ca_file
    )
    return ReadyConnection(found, transport)


def _name(key: str, fields: Mapping[str, Any]) -> str:
    # As JSON, which tells true from 1 as a dictionary's key would not.
    try:
        return key + json.dumps(dict(fields))
    except (TypeError, ValueError):
        return key  # never kept under: validation refuses what is not JSON
