"""The connections that an operator has configured by name, so that keys do not travel with
payloads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector import jsontext
from connector.errors import ConnectorError, problem, refused
from connector.validation import nearest

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read(path: Path) -> dict[str, Any]:
    """Return the operator's connections by name: a YAML or JSON file whose values are
    connections as payloads hold them. Raises ConnectorError `invalid_connection`."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            found = jsontext.loads(text, unique=True)
        else:
            from connector import yamltext  # only who needs it pays for its import

            found = yamltext.loads(text)
    except OSError as error:
        raise _unusable(f"The connections file cannot be read: {error.strerror}.") from None
    except ValueError:
        # The parser's message may quote the file, and the file may hold keys.
        raise _unusable("The connections file is not valid YAML or JSON.") from None
    if not isinstance(found, dict):
        raise _unusable("The connections file must map names to connections.")
    return found


def _unusable(message: str) -> ConnectorError:
    return ConnectorError("invalid_connection", message)


def named(name: str, known: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Return the operator's connection of that name, its `${VARIABLES}` filled in."""
    if name not in known:
        hint = None
        if not known:
            hint = "Name a file with --connections or CONNECTOR_CONNECTIONS."
        row = problem(
            "/connection", f"no connection of this name is configured{nearest(name, known)}"
        )
        raise refused("invalid_connection", [row], hint=hint)
    return _filled(known[name], environment)


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environment) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environment:
            row = problem("/connection", f"the environment variable {match[1]} is not set")
            raise refused("invalid_connection", [row])
        return environment[match[1]]

    return _VARIABLE.sub(replace, value)
