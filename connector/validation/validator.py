"""Validates a value against its JSON Schema and reports every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector.validation import compiler, messages, violations
from connector.validation.entries import Unsupported
from connector.validation.explainer import Explainer, TooManySteps
from connector.validation.keywords import KEYWORDS
from connector.validation.messages import Problem
from connector.validation.suggestions import suggester

_TOO_DEEP = Problem((), "is nested too deeply, or its schema leads back to itself")
_TOO_MANY_STEPS = Problem((), "takes too many steps to compare with its schema")
_TOO_MANY_DIGITS = Problem((), "has an integer of too many digits")


class Validator:
    """One schema, compiled once.

    The compiled function accepts most values, in microseconds. For the others the violations are
    searched; jsonschema does so only if the schema has a keyword that is not in the table.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._is_valid: compiler.Check | None = None
        self._used = False
        self._explainer: Explainer | None = None

    def problems(self, value: Any) -> list[Problem]:
        """Return every problem of `value`, an empty list if it is valid."""
        try:
            if self._is_valid is None:
                if not self._used:
                    # Most command line processes validate once, where compiling would cost more.
                    self._used = True
                    return self._find(value)
                self._is_valid = compiler.compile_schema(self.schema, KEYWORDS)
            return [] if self._is_valid(value) else self._find(value)
        except RecursionError:
            return [_TOO_DEEP]

    def explain(self, value: Any) -> list[Problem]:
        """Return every problem of `value` as jsonschema finds them."""
        if self._explainer is None:
            self._explainer = Explainer(self.schema)
        try:
            return _problems(self._explainer.errors(value))
        except TooManySteps:
            return [_TOO_MANY_STEPS]
        except RecursionError:
            return [_TOO_DEEP]
        except ValueError:
            # jsonschema formats the value for its own messages, and Python cannot format this one.
            return [_TOO_MANY_DIGITS]

    def _find(self, value: Any) -> list[Problem]:
        try:
            return _problems(violations.find(self.schema, value, KEYWORDS))
        except Unsupported:
            return self.explain(value)


def _problems(errors: Iterable[Any]) -> list[Problem]:
    suggest = suggester()
    found = list(errors)
    wrong_types = {tuple(error.absolute_path) for error in found if error.validator == "type"}
    return sorted(
        {
            problem
            for error in found
            # A value of the wrong type need not be told what an object must have.
            if error.validator != "not" or tuple(error.absolute_path) not in wrong_types
            for problem in _of(error, suggest)
        },
        key=_place,
    )


def _of(error: Any, suggest: messages.Suggest) -> Iterable[Problem]:
    if error.validator is None:
        return messages.not_allowed(error, suggest)
    keyword = KEYWORDS.get(error.validator)
    make = keyword.make_problems if keyword else None
    return (make or messages.one_problem(messages.broken))(error, suggest)


def _place(problem: Problem) -> tuple[list[tuple[int, str]], str]:
    path = [(part, "") if isinstance(part, int) else (-1, str(part)) for part in problem.path]
    return path, problem.message
