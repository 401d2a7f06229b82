"""How a connection proves who it is: a key that stays, or a token that is fetched and expires."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from connector.errors import ConnectorError
from connector.http.messages import Credentials
from connector.policy.deadline import Deadline
from connector.runtime import threads
from connector.runtime.flag import Flag
from connector.text.secrets import Secret


class Authentication(Protocol):
    """What a connection kind returns beside its provider. Used by many threads at once."""

    @property
    def secret(self) -> Secret:
        """What masks every text of this connection that must not be shown, by now."""

    def credentials(self, deadline: Deadline) -> Credentials:
        """Return what the next request carries.

        Raises ConnectorError, `sent` "no", where none can be had before the deadline.
        """

    def renew(self, refused: Credentials) -> bool:
        """Whether, after a 401 to these credentials, another attempt with others may succeed."""


class ApiKey:
    """One key for ever: a 401 to it is final."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @property
    def secret(self) -> Secret:
        """The key."""
        return self._credentials.secret

    def credentials(self, deadline: Deadline) -> Credentials:
        """Return the key."""
        return self._credentials

    def renew(self, refused: Credentials) -> bool:
        """There is no other key."""
        return False


class Token(NamedTuple):
    """A token as it was fetched; `expires_in` is in seconds, None where that is not known."""

    value: str
    expires_in: float | None = None


class _Kept(NamedTuple):
    credentials: Credentials
    until: float


class _Fetch:
    """One fetch, for all threads that wait for it."""

    def __init__(self) -> None:
        self.done = Flag()
        self.kept: _Kept | None = None
        self.error: ConnectorError | None = None


_MARGIN = 0.1
"""The share of its life at the end of which a token is not used any more: a clock may be wrong,
and a request takes time."""

_LONGEST_MARGIN_SECONDS = 60.0
_MOST_REMEMBERED = 4
"""Tokens that are still masked once others have taken their place."""

_OF_ONE_CALL = ("cancelled", "deadline_exceeded")
"""Errors of the call that fetched: they say nothing of the others that wait."""


class TokenAuthentication:
    """A token that `fetch` gets, kept until it expires and replaced once after a 401.

    Threads that need a token at the same time share one fetch. `secrets` are further texts to
    mask, such as a client's secret. `monotonic` is in seconds.
    """

    def __init__(
        self,
        fetch: Callable[[Deadline], Token],
        *secrets: str,
        header: str = "Authorization",
        prefix: str = "Bearer ",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._secrets = secrets
        self._header = header
        self._prefix = prefix
        self._monotonic = monotonic
        self._kept: _Kept | None = None
        self._values: tuple[str, ...] = ()
        self._secret = Secret("", *secrets)
        self._fetches: dict[int, _Fetch] = {}

    @property
    def secret(self) -> Secret:
        """The latest tokens and the further secrets."""
        return self._secret

    def credentials(self, deadline: Deadline) -> Credentials:
        """Return the token, after a fetch where there is none or it has expired."""
        kept = self._kept
        if kept is not None and kept.until <= self._monotonic():
            kept = None
        while kept is None:  # a token just fetched is used, however short its life
            deadline.check("while a token was fetched")
            kept = self._fetched(deadline)
        return kept.credentials

    def renew(self, refused: Credentials) -> bool:
        """Forget the token that was refused, unless another one has taken its place."""
        kept = self._kept
        if kept is not None and kept.credentials is refused:
            self._kept = None
        return True

    def _fetched(self, deadline: Deadline) -> _Kept | None:
        """Return the token of a fetch, None where it was broken off with the call that began it."""
        # Without a lock, which an interrupt could leave held: the dictionary decides in one step
        # whose fetch it is. By process, because a fetch of a parent never ends in its child.
        mine, pid = _Fetch(), os.getpid()
        try:  # from before the fetch is entered: an interrupt must not leave it there
            fetch = self._fetches.setdefault(pid, mine)
            if fetch is mine:
                mine.kept = self._keep(self._fetch(deadline))
                return mine.kept
        except ConnectorError as error:
            mine.error = copy.copy(error)
            raise
        finally:
            if self._fetches.get(pid) is mine:
                del self._fetches[pid]
            mine.done.set()
        while not fetch.done.wait(threads.TURN_SECONDS) and self._fetches.get(pid) is fetch:
            deadline.check("while a token was fetched")
        if fetch.error is not None and fetch.error.code not in _OF_ONE_CALL:
            raise copy.copy(fetch.error)
        return fetch.kept

    def _keep(self, token: Token) -> _Kept:
        self._values = (token.value, *self._values)[:_MOST_REMEMBERED]
        self._secret = Secret(*self._values, *self._secrets)
        life = float("inf") if token.expires_in is None else token.expires_in
        until = self._monotonic() + life - min(life * _MARGIN, _LONGEST_MARGIN_SECONDS)
        kept = _Kept(Credentials(self._header, self._prefix, self._secret), until)
        self._kept = kept
        return kept
