"""The manifest as frozen, typed values; `reader` makes them once from `connector.yaml`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from connector.policy import limits
from connector.providers import models
from connector.providers.prices import Prices


class _Absent:
    """Marks an input without a default or an example, since None could be one."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


class Input(NamedTuple):
    """One input of an action, or one field of a connection.

    `default` is ABSENT if there is none. `schema` is as in the manifest, where references name
    files. `data_source` is the key of the data source of its dropdown, None without a dropdown.
    `example` is a value to show to a person, ABSENT if there is none.
    """

    key: str
    label: str
    comments: str
    schema: Mapping[str, Any]
    control: str
    required: bool
    default: Any
    secret: bool
    advanced: bool
    data_source: str | None
    operator_only: bool = False
    example: Any = ABSENT


class Connection(NamedTuple):
    """A kind of connection that a user can fill in.

    `handler` names the function that makes an authenticated provider from the fields; if None,
    the fields are those of the built-in providers. `test` names the function that tests a
    connection, None if none can.
    """

    key: str
    label: str
    description: str
    documentation: str
    handler: str | None
    test: str | None
    fields: tuple[Input, ...]


class DataSource(NamedTuple):
    """The source of the choices of a dropdown."""

    key: str
    label: str
    handler: str


class Action(NamedTuple):
    """One action.

    `output` names the schema file of its data, None if it may be anything. `output_path` is the
    path of the value that most flows use next, such as `data.items[0].name`, None if no value
    stands out. `check` names the function that finds problems beyond the schemas, such as inputs
    that exclude each other, None if there is none. `streams` means that its response can be read
    while it is written. `providers` are the names of those that have the action, empty for all;
    `instead` is what users of the others can do, None if nothing is known. `operation` is what
    OpenTelemetry's conventions for generative AI call it, such as `chat`, None if they have no name
    for it.
    """

    key: str
    label: str
    description: str
    handler: str
    check: str | None
    output: str | None
    inputs: tuple[Input, ...]
    examples: tuple[Mapping[str, Any], ...]
    output_path: str | None = None
    output_examples: tuple[Mapping[str, Any], ...] = ()
    streams: bool = False
    providers: tuple[str, ...] = ()
    instead: str | None = None
    operation: str | None = None


class Manifest(NamedTuple):
    """Everything that a manifest declares. `raw` is the document itself, for form builders.

    `version` is the manifest's own semantic version, `handlers` the package of the functions that
    it names; each is None if the document does not say. `schemas` returns a schema file by its
    path below `schemas/`.
    """

    key: str
    version: str | None
    handlers: str | None
    label: str
    description: str
    connections: Mapping[str, Connection]
    data_sources: Mapping[str, DataSource]
    actions: Mapping[str, Action]
    models: Mapping[str, models.Model]
    policies: limits.Policies
    raw: Mapping[str, Any]
    schemas: Callable[[str], Mapping[str, Any]]
    prices: Prices = Prices()
