"""The forms, functions and output schemas of a manifest, each made once."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from connector.errors import ConnectorError
from connector.handlers import Handlers
from connector.manifest.model import Action, DataSource, Manifest
from connector.manifest.schemas import bundle
from connector.problems import shown_name
from connector.text import strict_json
from connector.text.markdown import plain
from connector.text.secrets import MASK
from connector.validation.form import Form
from connector.validation.messages import Problem
from connector.validation.suggestions import nearest
from connector.validation.validator import Validator


def _quoted(key: Any) -> str:
    return "of this name" if key == MASK else shown_name(str(key))


class Catalog:
    """What a connector knows about its actions. Safe in threads."""

    def __init__(self, manifest: Manifest, handlers: Handlers) -> None:
        self.manifest = manifest
        self.handlers = handlers
        self._forms: dict[str, Form] = {}
        self._outputs: dict[str, Validator] = {}

    def describe(self) -> dict[str, Any]:
        """Return a copy of the manifest, with the connection among the inputs of each action.

        Beside `comments`, which are Markdown, inputs and fields have `commentsText`, plain text.
        """
        raw: dict[str, Any] = strict_json.copy(self.manifest.raw)
        first = raw.pop("connectionInput", None)
        row = {"key": "connection", **(first or {}), "control": "connection", "required": True}
        for action in raw["actions"]:
            rows = [row, *action["inputs"]] if first else action["inputs"]
            action["inputs"] = [_with_text(item) for item in rows]
        for kind in raw["connections"]:
            kind["fields"] = [_with_text(item) for item in kind["fields"]]
        return raw

    def action(self, key: str) -> Action:
        """Return an action. Raises ConnectorError `unknown_action`."""
        found = self.manifest.actions.get(key) if isinstance(key, str) else None
        if found is None:
            known = self.manifest.actions
            raise ConnectorError(
                "unknown_action",
                f"There is no action {_quoted(key)}{nearest(str(key), known)}",
                hint="Actions: " + ", ".join(known),
            )
        return found

    def streaming(self) -> list[str]:
        """Return the keys of the actions whose answers can be read while they are written."""
        return [key for key, action in self.manifest.actions.items() if action.streams]

    def data_source(self, key: str) -> DataSource:
        """Return what fills a dropdown. Raises ConnectorError `invalid_payload`."""
        known = self.manifest.data_sources
        if key not in known:
            raise ConnectorError(
                "invalid_payload",
                f"There is no data source {_quoted(key)}{nearest(key, known)}",
                hint="Data sources: " + ", ".join(known),
            )
        return known[key]

    def form(self, key: str) -> Form:
        """Return the form of an action's inputs. Raises ConnectorError `unknown_action`."""
        action = self.action(key)
        if key not in self._forms:
            # The check is looked up when it is needed: describing an action imports no handler.
            check = partial(self.handlers.find, action.check) if action.check else None
            schemas = self.manifest.schemas
            self._forms[key] = Form(action.label, "/inputs", action.inputs, schemas, check)
        return self._forms[key]

    def output_schema(self, key: str) -> dict[str, Any]:
        """Return the JSON Schema of an action's data; it allows anything if the manifest has none.

        Raises ConnectorError `unknown_action`.
        """
        output = self.action(key).output
        return {} if output is None else bundle(output, self.manifest.schemas)

    def output_problems(self, action: Action, data: Any) -> list[Problem]:
        """Return how `data` differs from the action's output schema.

        Raises ValueError for data that JSON cannot represent.
        """
        if action.output is None:
            strict_json.dumps(data)
            return []
        if action.output not in self._outputs:
            schema = bundle(action.output, self.manifest.schemas)
            self._outputs[action.output] = Validator(schema)
        return self._outputs[action.output].problems(data)

    def import_handlers(self) -> None:
        """Import every function that the manifest names, so that no call imports one."""
        manifest = self.manifest
        names = [action.handler for action in manifest.actions.values()]
        names += [action.check for action in manifest.actions.values() if action.check is not None]
        names += [source.handler for source in manifest.data_sources.values()]
        for kind in manifest.connections.values():
            names += [name for name in (kind.handler, kind.test) if name is not None]
        for name in names:
            with contextlib.suppress(ConnectorError):  # reported by the action that needs it
                self.handlers.find(name)


def _with_text(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a form with its comments in plain text too, which follow the Markdown."""
    found = {}
    for key, value in row.items():
        found[key] = value
        if key == "comments":
            found["commentsText"] = plain(value)
    return found
