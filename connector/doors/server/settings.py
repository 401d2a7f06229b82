"""What an operator may set for the HTTP door."""

import json
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """How the HTTP door serves. Holds no key and no token, so that it may go to worker processes.

    `connections` is the file of named connections; empty for the one that CONNECTOR_CONNECTIONS
    names. `inline` allows connections in payloads; they reach public hosts and those that `reach`
    lists. `hosts` are the names in the Host header that are accepted beside loopback; empty
    accepts any, which the door allows only with a token. `origins` are the web origins that may
    call it from a browser, beside its own pages. `concurrency` is the number of calls at a time,
    in each process. `body_bytes` limits a request's body, `body_seconds` the time in which nothing
    of it arrives. `sandbox` is the address of the offline provider behind the connection named
    `sandbox`; empty for none. `sandbox_kind` is its kind.
    """

    manifest: str = ""
    handlers: str = ""
    connections: str = ""
    inline: bool = False
    reach: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    concurrency: int = 256
    body_bytes: int = 64 << 20
    body_seconds: float = 30
    sandbox: str = ""
    sandbox_kind: str = ""

    def to_json(self) -> str:
        """Return the settings as a text for a worker process."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Return the settings of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)
