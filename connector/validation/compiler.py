"""Compiles a JSON Schema into one Python function, the fast way to accept a value.

This is the machinery; what each keyword means is in `keywords`. As in `dataclasses` and
`namedtuple`, the function is generated: strings and numbers of the schema reach its code only as
named constants. If it returns True, the value is valid. False is not final, because the value may
be an instance of a subclass of `str`, or the schema may have a keyword that is not in the table.
Then `violations` and jsonschema decide. The tests check that they agree on JSON values.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from connector.validation.entries import (
    INCLUDED,
    TYPES,
    Keyword,
    Schema,
    Table,
    Unsupported,
    names,
)

Check = Callable[[Any], bool]

_MOST_REPEATS = 64
"""How often one value may be examined, because options and parts can be nested."""

_MOST_INLINED = 500
"""When this many schemas are written inline, the others become functions."""

_DEEPEST = 16
"""Columns of indentation after which a nested schema gets its own function, because Python cannot
nest more than 20 loops."""


def compile_schema(schema: Schema, keywords: Table) -> Check:
    """Return a function that says whether a value fits `schema`.

    The function always returns False if the schema has keywords that are not in `keywords`.
    """
    try:
        return Compiler(schema, keywords).compile()
    except Unsupported:
        return _never


def _never(value: Any) -> bool:
    return False


class Compiler:
    """Writes the functions for one schema; the keywords' `emit` functions call its methods."""

    def __init__(self, root: Schema, keywords: Table) -> None:
        self._root = root
        self._known = keywords.keys()
        self._keywords = [keyword for keyword in keywords.values() if keyword is not None]
        self._globals: dict[str, Any] = {"isfinite": math.isfinite}
        self._lines: list[str] = []
        self._pad = ""
        self._functions: dict[tuple[int, int], str] = {}
        self._inlined: set[int] = set()
        self._pending: list[tuple[str, Any, int]] = []
        self._count = 0
        self._written = 0
        self._repeats = 1

    def compile(self) -> Check:
        main = self.function(self._root)
        while self._pending:
            name, schema, self._repeats = self._pending.pop()
            start = len(self._lines)
            self._pad = " "
            self.value(schema, "x")
            # Constants as defaults: a local name is found faster than a global one.
            used = sorted(set(re.findall(r"\bc[0-9]+\b", "\n".join(self._lines[start:]))))
            defaults = "".join(f", {constant}={constant}" for constant in used)
            self._lines.insert(start, f"def {name}(x{defaults}):")
            self._lines.append(" return True")
        exec("\n".join(self._lines), self._globals)  # noqa: S102 - only names and numbers, see above
        check: Check = self._globals[main]
        return check

    # What the `emit` functions use

    def constant(self, value: Any) -> str:
        """Return the name that the code uses for `value`."""
        name = self._name("c")
        self._globals[name] = value
        return name

    def variable(self) -> str:
        """Return an unused name for a variable."""
        return self._name("v")

    def line(self, text: str) -> None:
        self._lines.append(f"{self._pad}{text}")

    def refuse(self, condition: str) -> None:
        """Emit code that refuses the value if `condition` is true."""
        self.line(f"if {condition}: return False")

    @contextlib.contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Emit `header`, such as an `if` or `for`, with what is emitted inside as its block."""
        self.line(header)
        before, start = self._pad, len(self._lines)
        self._pad += " "
        yield
        if len(self._lines) == start:
            self.line("pass")
        self._pad = before

    @contextlib.contextmanager
    def repeated(self, count: int) -> Iterator[None]:
        """Emit code that examines one value `count` times."""
        before = self._repeats
        self._repeats *= max(1, count)
        if self._repeats > _MOST_REPEATS:
            raise Unsupported
        yield
        self._repeats = before

    def function(self, schema: Any) -> str:
        """Return the name of the function that checks a value against `schema`."""
        key = id(schema), self._repeats
        if key not in self._functions:
            self._functions[key] = self._name("f")
            self._pending.append((self._functions[key], schema, self._repeats))
        return self._functions[key]

    def value(self, schema: Any, x: str, types: Sequence[str] = ()) -> None:
        """Emit the code that refuses `x` if it does not fit `schema`.

        `types` are the possible types of the value, empty if nothing is known.
        """
        if isinstance(schema, bool):
            if not schema:
                self.line("return False")
            return
        if not isinstance(schema, Mapping) or not self._known >= schema.keys():
            raise Unsupported
        if len(self._pad) > _DEEPEST:
            self.refuse(f"not {self.function(schema)}({x})")
            return
        self._written += 1
        types = names(schema.get("type", list(types)))
        present = [keyword for keyword in self._keywords if keyword.name in schema]
        for of, group in groupby(present, lambda keyword: keyword.of):
            if of is None or (types and INCLUDED[of].issuperset(types)):
                self._emit(group, schema, x, types)
            elif not types or not INCLUDED[of].isdisjoint(types):
                with self.block(f"if {TYPES[of].exact.format(x=x)}:"):
                    self._emit(group, schema, x, types)

    def reference(self, name: str, x: str) -> None:
        """Emit the check against the definition `name` of the root schema."""
        definitions = self._root.get("$defs", {})
        if name not in definitions:
            raise Unsupported
        schema = definitions[name]
        if self._written > _MOST_INLINED or id(schema) in self._inlined:
            self.refuse(f"not {self.function(schema)}({x})")
            return
        # Inline, because a call for each of hundreds of items would cost more than its checks.
        self._inlined.add(id(schema))
        self.value(schema, x)
        self._inlined.discard(id(schema))

    def _emit(self, group: Iterable[Keyword], schema: Schema, x: str, types: list[str]) -> None:
        for emit in dict.fromkeys(keyword.emit for keyword in group):
            emit(self, schema, x, types)

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"
