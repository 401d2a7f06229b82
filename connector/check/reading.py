"""Finds inputs that no handler reads, from the source of the handler and of what it calls.

Where the source does not show which inputs are read, for example because all of them are passed on,
every input counts as read: a wrong alarm is worse than none.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

_DEPTH = 4
"""How deep a table of a module is searched for names."""


def unread(functions: Collection[Callable[..., Any]], keys: Collection[str]) -> list[str]:
    """Return those of `keys` that none of `functions` reads from its first argument."""
    reading = _Reading()
    for function in functions:
        home = str(getattr(function, "__module__", ""))
        reading.follow(function, home.rpartition(".")[0] or home, 0)
    return [key for key in keys if not reading.may_read(key)]


class _Reading:
    """What is known of the reads of some functions.

    `_all` means that an unknown part reads the inputs. `_names` are texts that may name an input;
    `_tables` are keys of dictionaries, which count only if a name is looked up in a variable.
    """

    def __init__(self) -> None:
        self._all = False
        self._by_variable = False
        self._names: set[str] = set()
        self._tables: set[str] = set()
        self._followed: set[tuple[int, int | str | None]] = set()

    def may_read(self, key: str) -> bool:
        return self._all or key in self._names or (self._by_variable and key in self._tables)

    def follow(self, function: Any, home: str, argument: int | str | None) -> None:
        """Add what a function or a class reads; `argument` is the one that holds the inputs, by
        position or name, None if there is none. What lies in the package `home` is followed."""
        function = inspect.unwrap(function)
        if (id(function), argument) in self._followed:
            return
        self._followed.add((id(function), argument))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
            parameters = list(inspect.signature(function).parameters)
        except (OSError, TypeError, ValueError, SyntaxError):
            self._all = True
            return
        named = parameters[argument] if isinstance(argument, int) and parameters else argument
        name = None if named is None else str(named)
        names = vars(inspect.getmodule(function) or object)
        source = _Source(tree, {**names, **_closure(function)})
        self._names |= {text for text, is_key in source.texts(name) if not is_key}
        self._tables |= {text for text, is_key in source.texts(name) if is_key}
        for found in source.globals():
            self._add(found, home, _DEPTH)
        if name is not None:
            self._uses(source, name, home)

    def _add(self, value: Any, home: str, depth: int) -> None:
        """Add a value that a function refers to: a text, a table of texts, a function to follow."""
        if isinstance(value, str):
            self._names.add(value)
        elif isinstance(value, FunctionType | type):
            if f"{value.__module__}.".startswith(f"{home}."):
                self.follow(value, home, None)
        elif isinstance(value, Mapping) and depth:
            for pair in value.items():
                self._add(pair, home, depth - 1)
        elif isinstance(value, list | tuple | set | frozenset) and depth:
            for item in value:
                self._add(item, home, depth - 1)

    def _uses(self, source: _Source, name: str, home: str) -> None:
        """Add each use of the variable `name`, which holds the inputs."""
        for node, parent, outer in source.uses(name):
            match parent, outer:
                case ast.Subscript(slice=ast.Constant()), _:
                    pass
                case ast.Subscript(value=value), _ if value is node:
                    self._by_variable = True
                case ast.Attribute(attr="get"), ast.Call(args=[ast.Constant(), *_]):
                    pass
                case ast.Attribute(attr="get"), ast.Call():
                    self._by_variable = True
                case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()]), _ if left is not node:
                    self._by_variable |= not isinstance(left, ast.Constant)
                case ast.Match(cases=cases), _:
                    self._match([case.pattern for case in cases])
                case ast.Call(func=func, args=args), _ if node in args:
                    self._pass(source.value(func), home, args.index(node))
                case ast.keyword(arg=str(keyword)), ast.Call(func=func):
                    self._pass(source.value(func), home, keyword)
                case _:
                    self._all = True

    def _match(self, patterns: Sequence[ast.pattern]) -> None:
        """Add the names in patterns that the inputs are compared with."""
        for node in [inner for pattern in patterns for inner in ast.walk(pattern)]:
            if isinstance(node, ast.MatchMapping):
                self._all |= node.rest is not None
                keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                self._names |= {key for key in keys if isinstance(key, str)}
            elif isinstance(node, ast.MatchAs):
                self._all |= node.name is not None and node in patterns

    def _pass(self, function: Any, home: str, argument: int | str) -> None:
        """Follow the inputs into a function that they are passed to."""
        own = f"{getattr(function, '__module__', '')}.".startswith(f"{home}.")
        if own and isinstance(function, FunctionType | type):
            self.follow(function, home, argument)
        else:
            self._all = True


class _Source:
    """The source of a function or a class, and the values of the names that it may use."""

    def __init__(self, tree: ast.Module, names: Mapping[str, Any]) -> None:
        self._tree = tree
        self._values = names
        self._parents = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }

    def texts(self, inputs: str | None) -> Iterator[tuple[str, bool]]:
        """Yield each text that may name an input, and whether it is a key of a dictionary.

        Names that are looked up elsewhere than in the variable `inputs` are left out.
        """
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            match self._parents[node]:
                case ast.Expr() | ast.JoinedStr() | ast.MatchValue() | ast.MatchMapping():
                    continue
                case ast.Subscript(value=ast.Name(id=name)) if name == inputs:
                    yield node.value, False
                case ast.Subscript():
                    continue
                case ast.Call(func=ast.Attribute(value=value, attr="get")) if (
                    not isinstance(value, ast.Name) or value.id != inputs
                ):
                    continue
                case ast.Dict(keys=keys) if node in keys:
                    yield node.value, True
                case _:
                    yield node.value, False

    def uses(self, name: str) -> Iterator[tuple[ast.Name, ast.AST, ast.AST | None]]:
        """Yield each use of a variable with the node around it and the one around that."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                parent = self._parents[node]
                yield node, parent, self._parents.get(parent)

    def globals(self) -> Iterator[Any]:
        """Yield the value of each global name, and of each attribute of a module, that is used."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name | ast.Attribute):
                found = self.value(node)
                if found is not None and not isinstance(found, ModuleType):
                    yield found

    def value(self, node: ast.expr) -> Any:
        """Return the value of a global name or of an attribute of a module, else None."""
        if isinstance(node, ast.Name):
            return self._values.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
        return None


def _closure(function: Any) -> Mapping[str, Any]:
    return inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
