"""argparse without quoted arguments: its messages, its help and the flags of an action."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from connector.doors.cli.inputs import Flag, add_flags, describe
from connector.manifest.model import Action
from connector.manifest.schemas import Schemas
from connector.validation.suggestions import nearest

SANDBOX_DEFAULT = "openai"


class Parser(argparse.ArgumentParser):
    """Imports what the help needs only for the help, and never quotes an argument.

    The width is fixed, because argparse makes a formatter for each argument and each one would ask
    the terminal for its width.
    """

    takes_connection = False
    action: Action | None = None
    flags: Sequence[Flag] = ()
    _add_option: Callable[..., argparse.Action] | None = None
    _schemas: Schemas

    def __init__(self, **settings: Any) -> None:
        # No abbreviations: a new option could make one ambiguous, and argparse quotes it then.
        super().__init__(
            formatter_class=partial(_Formatter, width=80),
            allow_abbrev=False,
            **settings,
        )

    def begin_options(self) -> None:
        """Let the options that are added from now on be listed here in the help."""
        self._add_option = self.add_argument_group("options").add_argument
        self.add_argument("-h", "--help", action="help", help="show this help and exit")

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Add an argument, an option to the group of options if it has begun."""
        if self._add_option is not None and names[0].startswith("-"):
            return self._add_option(*names, **settings)
        return super().add_argument(*names, **settings)

    def arguments(self) -> list[argparse.Action]:
        """Return the arguments that were added."""
        return list(self._actions)

    def take_inputs(self, action: Action, schemas: Schemas) -> None:
        """Add the inputs of `action` as flags."""
        self.action, self._schemas = action, schemas
        self.prog = f"{self.prog} {action.key}"
        self.usage = f"{self.prog} [--INPUT VALUE]... [OPTION]..."
        self.description = f"{action.label}. {action.description}."
        self.flags = add_flags(self, action)

    def error(self, message: str) -> NoReturn:
        # argparse quotes the argument at the end of its message.
        self.fail(re.split("['\"]", message)[0].rstrip(": "))

    def fail(self, reason: str) -> NoReturn:
        """End the process with exit code 2 and a message that quotes no argument."""
        super().error(f"{reason}; see: {self.prog} --help")

    def refuse(self, unknown: Sequence[str], words: Sequence[str]) -> NoReturn:
        """End the process because of arguments that are not known."""
        options = [word.partition("=")[0] for word in unknown if word.startswith("-")]
        if options:
            known = [name for action in self.arguments() for name in action.option_strings]
            close = nearest(options[0], known)
            if not close and self.action is not None:
                names = ", ".join(flag.name for flag in self.flags)
                close = f"; the inputs of {self.action.key} are {names}"
            self.fail(f"no such option{close}")
        is_kind = f"--sandbox={SANDBOX_DEFAULT}" in words
        kind = " (write the kind of sandbox after an equals sign: --sandbox=KIND)"
        self.fail("unexpected argument" + kind * is_kind)

    def format_help(self) -> str:
        from connector.providers.api_key import environment_help

        if self.action is not None:
            describe(self.flags, self._schemas)
        if self.takes_connection:
            self.epilog = (
                "Without a connection in the payload, these environment variables are used: "
                f"{environment_help()}. "
                f"A key cannot be given on the command line. {_kinds()}"
            )
        return _with_optional_kind(super().format_help())

    def format_usage(self) -> str:
        return _with_optional_kind(super().format_usage())


class _Formatter(argparse.HelpFormatter):
    """Keeps the line breaks of a help."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        lines = (super(_Formatter, self)._split_lines(line, width) for line in text.split("\n"))
        return [part for line in lines for part in line]


def _with_optional_kind(text: str) -> str:
    # argparse cannot show an optional value that must follow an equals sign.
    for shown in ("--sandbox KIND  ", "--sandbox KIND"):
        text = text.replace(shown, "--sandbox[=KIND]")
    return text


def _kinds() -> str:
    """Return a sentence about the kinds of sandbox, or about the extra that is missing."""
    try:
        from connector.sandbox import Sandbox
    except ImportError:
        return "--sandbox needs the extra 'sandbox': pip install aiohttp."
    return f"The kinds of --sandbox: {', '.join(Sandbox.kinds)}."
