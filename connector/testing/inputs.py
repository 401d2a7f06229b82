"""Standard tests of the inputs of each action: defaults and examples are valid, and wrong inputs
are refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.connector import Connector
from connector.manifest.model import ABSENT
from connector.sandbox import Sandbox
from connector.testing.base import ConnectorTests, Example
from connector.validation.validator import Validator


class InputTests(ConnectorTests):
    """Tests of the inputs of each action."""

    def test_every_action_has_an_example(self, connector: Connector, action: str) -> None:
        assert connector.manifest.actions[action].examples

    def test_every_default_and_example_validates(self, connector: Connector, action: str) -> None:
        schema = connector.schema(action)
        spec = connector.manifest.actions[action]
        (raw,) = (item for item in self.document["actions"] if item["key"] == action)
        for item, entry in zip(spec.inputs, raw["inputs"], strict=True):
            single = Validator({**schema, "required": []})
            for value in (item.default, entry.get("example", ABSENT)):
                if value is not ABSENT:
                    assert single.explain({item.key: value}) == [], item.key
            shows_value = item.default is not ABSENT or "example" in entry
            assert shows_value or not item.required, f"{item.key} needs a default or an example"
        for example in spec.examples:
            assert connector.catalog.form(action).clean(example["inputs"]).problems == []

    def test_every_problem_of_the_inputs_is_reported_at_once(
        self, connector: Connector, sandbox: Sandbox, action: str
    ) -> None:
        """Required inputs are missing, others are out of bounds, and one does not exist."""
        inputs: dict[str, Any] = {"noSuchInput": 1}
        missing = []
        for item in connector.manifest.actions[action].inputs:
            value = _out_of_bounds(item.schema)
            if item.required and item.default is ABSENT:
                missing.append(item.key)
            elif value is not ABSENT:
                inputs[item.key] = value
        result = connector.invoke(action, inputs, self.connection(sandbox))
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("invalid_input", "no")
        paths = {row["path"] for row in result.error.details or ()}
        assert paths == {f"/inputs/{key}" for key in [*inputs, *missing]}
        assert sandbox.requests == []

    def test_a_check_copes_with_any_inputs_missing(
        self, connector: Connector, example: Example
    ) -> None:
        """The check of an action sees only the inputs that are valid."""
        spec = connector.manifest.actions[example.action]
        if spec.check is None:
            return
        check = connector.catalog.handlers.find(spec.check)
        whole = connector.catalog.form(example.action).clean(example.inputs).values
        for key in whole:
            check({name: value for name, value in whole.items() if name != key}, {key})
            check({key: whole[key]}, {*whole} - {key})
        check({}, set(whole))

    def test_a_refused_connection_does_not_show_its_secrets(
        self, connector: Connector, action: str
    ) -> None:
        value = "a-secret-0123456789"
        for kind in connector.manifest.connections.values():
            given = {field.key: value for field in kind.fields if field.secret}
            connection = {"key": kind.key, "fields": {**given, "noSuchField": value}}
            result = connector.invoke(action, {"noSuchInput": 1}, connection)
            assert result.error is not None
            assert result.error.sent == "no"
            assert value not in json.dumps(result.to_dict())

    def test_without_a_connection_nothing_is_sent(
        self, connector: Connector, example: Example
    ) -> None:
        result = connector.invoke(example.action, example.inputs)
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("invalid_connection", "no")


def _out_of_bounds(schema: Mapping[str, Any]) -> Any:
    """Return a value that a schema refuses, ABSENT where it states no simple bound."""
    if "enum" in schema:
        return "none of these"
    if "maximum" in schema:
        return schema["maximum"] + 1
    if "maxLength" in schema:
        return "x" * (schema["maxLength"] + 1)
    return ABSENT
