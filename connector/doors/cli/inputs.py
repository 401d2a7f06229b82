"""An action's inputs as flags of `connector invoke`, and their help. `values` reads what is given.

Inputs that are marked secret are no flags: other processes can see a command line.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from connector.manifest.model import ABSENT, Action, Input
from connector.manifest.schemas import Schemas

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_LONGEST = 100
"""Characters of a default or an example."""
_VALUES = "@FILE reads a value from a file, @- from standard input; @@ stands for @."

_METAVARS = {
    "string": "TEXT",
    "number": "NUMBER",
    "integer": "INTEGER",
    "boolean": "true|false",
    "array": "JSON",
    "object": "JSON",
}


class Flag(NamedTuple):
    """A flag, the input that it sets, and the argument of the parser."""

    name: str
    item: Input
    argument: argparse.Action


def flag_of(key: str) -> str:
    """Return the flag of an input: its key in lower case, with a hyphen between words."""
    return f"--{_WORDS.sub('-', key).lower()}"


def add_flags(parser: argparse.ArgumentParser, action: Action) -> list[Flag]:
    """Add a flag for each input of `action`, basic ones first, and return them."""
    flags: list[Flag] = []
    for title, text, advanced in (("inputs", _VALUES, False), ("advanced inputs", None, True)):
        group = parser.add_argument_group(title, text)
        for item in action.inputs:
            name = flag_of(item.key)
            if item.advanced is advanced and not item.secret:
                argument = group.add_argument(
                    name,
                    dest="input",
                    action="append",
                    type=partial(_pair, item.key),
                    default=argparse.SUPPRESS,
                    help=item.label.replace("%", "%%"),
                )
                flags.append(Flag(name, item, argument))
    return flags


def _pair(key: str, text: str) -> tuple[str, str]:
    return key, decoded(text)


def decoded(text: str) -> str:
    """Return an argument whose bytes are UTF-8, whatever the locale."""
    return os.fsencode(text).decode(errors="surrogateescape")


def is_switch(item: Input) -> bool:
    """Whether the flag may stand alone, for true."""
    return item.schema.get("type") == "boolean"


def with_values(words: Iterable[str], flags: Iterable[Flag]) -> Iterator[str]:
    """Yield `words`, with `=true` after each switch that has no value."""
    switches = {flag.name for flag in flags if is_switch(flag.item)}
    rest = [*words, ""]
    for word, following in pairwise(rest):
        has_value = following.lower() in ("true", "false") or following.startswith("@")
        yield f"{word}=true" if word in switches and not has_value else word


def choices(item: Input) -> list[str]:
    """Return the values that an input can have, empty where there are others."""
    if is_switch(item):
        return ["true", "false"]
    return [str(choice) for choice in item.schema.get("enum", ())]


def describe(flags: Iterable[Flag], schemas: Schemas) -> None:
    """Give each flag its full help, for which schema files may have to be read."""
    for flag in flags:
        schema = resolved(flag.item.schema, schemas)
        types = schema.get("type", "string")
        names = [types] if isinstance(types, str) else types
        metavar = "|".join(dict.fromkeys(_METAVARS.get(name, "TEXT") for name in names))
        flag.argument.metavar = "CHOICE" if "enum" in schema else metavar
        lines = (f"{flag.item.label}. {_plain(flag.item.comments)}", _facts(flag.item, schema))
        flag.argument.help = "\n".join(filter(None, lines)).replace("%", "%%")


def resolved(schema: Any, schemas: Schemas) -> Mapping[str, Any]:
    """Return a schema of the manifest, or the file of `schemas/` that it refers to."""
    found = schemas(schema["$ref"]) if "$ref" in schema else schema
    return found if isinstance(found, Mapping) else {}


def _plain(markdown: str) -> str:
    return _LINK.sub(r"\1", markdown).replace("`", "")


def _facts(item: Input, schema: Mapping[str, Any]) -> str:
    from connector.doors.page.shapes import limits

    facts = []
    if item.required and item.default is ABSENT:
        facts.append("required")
    allowed = _plain(limits({k: v for k, v in schema.items() if k != "x-form"}))
    if allowed:
        facts.append(f"one of {allowed}" if "enum" in schema else allowed)
    if "x-form" in schema:
        facts.append(schema["x-form"])
    if item.default is not ABSENT:
        facts.append(f"default: {_shown(item.default)}")
    if item.example is not ABSENT and item.example != item.default:
        facts.append(f"for example {_shown(item.example)}")
    if item.data_source is not None:
        facts.append(f"list: connector options {item.data_source}")
    return f"[{'; '.join(facts)}]" if facts else ""


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def pair(text: str) -> tuple[str, str]:
    """Return the key and the value of an argument `KEY=VALUE`."""
    key, mark, value = decoded(text).partition("=")
    if not mark or not key:
        raise argparse.ArgumentTypeError("KEY=VALUE needs an equals sign, and a key before it")
    return named_connection(value) if key == "connection" else (key, value)


def named_connection(text: str) -> tuple[str, str]:
    """Return the input that names a configured connection."""
    if text.lstrip().startswith("{"):
        raise argparse.ArgumentTypeError(
            "connection takes the name of a configured connection, never a key"
        )
    return "connection", decoded(text)
