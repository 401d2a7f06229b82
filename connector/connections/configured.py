"""The connections that an operator configures by name, which keeps keys out of payloads."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from connector.errors import ConnectorError
from connector.files import resources
from connector.problems import error_of, problem
from connector.text import strict_json

VARIABLE = "CONNECTOR_CONNECTIONS"
"""The environment variable that names the file."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


_HINT = (
    "Name a file with --connections or CONNECTOR_CONNECTIONS, or make one with: "
    "connector connections add NAME"
)


_SHAPE = 'Write names and connections, such as {"office": {"fields": {...}}}.'


class NamedConnections(NamedTuple):
    """The operator's connections by name; `exposed`: other users may read the file they are in."""

    connections: Mapping[str, Any]
    exposed: bool = False


def read(path: Path) -> NamedConnections:
    """Read a YAML or JSON file that maps names to connections, in the form that payloads use.

    Raises ConnectorError `invalid_connection`, also for a file that other users may change, because
    they could send keys from the environment to their own host.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            _check_unchangeable(found)
            text = resources.read(file)
        if path.suffix == ".json":
            content = strict_json.loads(text, unique=True)
        else:
            from connector.text import safe_yaml  # here: a JSON file does not need it

            content = safe_yaml.loads(text)
    except OSError as error:
        raise _unusable(f"The connections file cannot be read: {error.strerror}.", _HINT) from None
    except ValueError as error:
        # The parser's message may quote the file, and the file may hold keys.
        line = re.search(r"\bline [0-9]{1,6}\b", str(error))
        where = f" ({line[0]})" if line else ""
        raise _unusable(f"The connections file is not valid YAML or JSON{where}.") from None
    if not isinstance(content, dict):
        raise _unusable("The connections file must map names to connections.", _SHAPE)
    return NamedConnections(content, _has_modes() and bool(found.st_mode & 0o044))


def _has_modes() -> bool:
    return hasattr(os, "geteuid")  # Windows uses access lists, which `stat` does not show


def _check_unchangeable(found: os.stat_result) -> None:
    if not _has_modes():
        return
    if found.st_mode & 0o022:
        raise _unusable(
            "The connections file may be changed by other users.",
            hint="Run chmod go-w on the connections file.",
        )
    if found.st_uid not in (0, os.geteuid()):
        raise _unusable(
            "The connections file belongs to another user.",
            hint="Give the connections file to root, or to the user that runs the connector.",
        )


def _unusable(message: str, hint: str | None = None) -> ConnectorError:
    return ConnectorError("invalid_connection", message, hint=hint)


def usual_path(key: str, environment: Mapping[str, str]) -> Path:
    """Return where the command line keeps the connections of the connector with this key."""
    if named := environment.get(VARIABLE):
        return Path(named)
    folder = environment.get("XDG_CONFIG_HOME") or environment.get("APPDATA")
    return Path(folder or os.path.expanduser("~/.config"), key, "connections.yaml")


def has_literal(connection: Any, secrets: Collection[str]) -> bool:
    """Whether one of the fields `secrets` of a configured connection holds a literal value, not a
    `${VARIABLE}`."""
    fields = connection.get("fields") if isinstance(connection, Mapping) else None
    values = [fields.get(name) for name in secrets] if isinstance(fields, Mapping) else []
    return any(value and not _VARIABLE.search(str(value)) for value in values)


def get(name: str, known: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Return the operator's connection of that name, with its `${VARIABLES}` replaced."""
    if name not in known:
        hint = None
        if not known:
            hint = _HINT
        # No suggestion: the author of a payload need not learn which names exist.
        row = problem("/connection", "no connection of this name is configured")
        raise error_of("invalid_connection", [row], hint=hint)
    return _substituted(known[name], environment)


def _substituted(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _substituted(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_substituted(item, environment) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environment:
            row = problem("/connection", f"the environment variable {match[1]} is not set")
            raise error_of("invalid_connection", [row])
        return environment[match[1]]

    return _VARIABLE.sub(replace, value)
