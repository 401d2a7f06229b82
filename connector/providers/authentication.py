"""How a connection authenticates: with a fixed key, or with a token that is fetched and expires."""

import copy
import math
import os
import re
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from connector.errors import ConnectorError
from connector.http.messages import Credentials
from connector.policy.deadline import Deadline
from connector.runtime import threads
from connector.runtime.flag import Flag
from connector.text.secrets import MASK, Secret


class Authentication(Protocol):
    """What a kind of connection returns besides its provider. Used by many threads at once."""

    @property
    def secret(self) -> Secret:
        """Masks every text of this connection that must not be shown. It changes with the token."""

    @property
    def identity(self) -> Secret:
        """Distinguishes these credentials from others. It never changes and contains no token."""

    def credentials(self, deadline: Deadline) -> Credentials:
        """Return the credentials of the next request.

        Raises ConnectorError, `sent` "no", if there are none before the deadline.
        """

    def renew(self, rejected: Credentials) -> bool:
        """Whether another attempt may succeed with other credentials, after a 401 to these."""

    def mask_also(self, *texts: str) -> None:
        """Let `secret` mask further texts, such as a proxy's login. Called before the first use."""


class ApiKey:
    """A fixed key. A 401 is final."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @property
    def secret(self) -> Secret:
        """The key."""
        return self._credentials.secret

    @property
    def identity(self) -> Secret:
        """The key."""
        return self._credentials.secret

    def credentials(self, deadline: Deadline) -> Credentials:
        """Return the key."""
        return self._credentials

    def renew(self, rejected: Credentials) -> bool:
        """Return False, because there is no other key."""
        return False

    def mask_also(self, *texts: str) -> None:
        """Mask further texts."""
        secret = self._credentials.secret.also(*texts)
        self._credentials = self._credentials._replace(secret=secret)


class Token(NamedTuple):
    """A token as its host returned it.

    `expires_in` is in seconds, a number or its text. Anything else means that it is not known.
    """

    value: str
    expires_in: float | str | None = None

    def __repr__(self) -> str:
        return f"Token({MASK}, expires_in={self.expires_in})"


class _Kept(NamedTuple):
    credentials: Credentials
    until: float


class _Fetch:
    """One fetch, shared by all threads that wait for it; `deadline` is that of its call."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self.done = Flag()
        self.kept: _Kept | None = None
        self.error: ConnectorError | None = None

    def is_abandoned(self) -> bool:
        """Whether its call has ended, perhaps without setting `done`."""
        return self._deadline.cancelled.is_set() or self._deadline.remaining() <= 0


_MARGIN = 0.1
"""The last part of a token's lifetime, in which it is not used: clocks may be wrong, and a request
takes time."""

_LONGEST_MARGIN_SECONDS = 60.0
_MOST_REMEMBERED = 4
"""The number of latest tokens that are masked."""

_USABLE = re.compile(r"[!-~]+\Z")
"""A token that can be sent in a header."""

_OF_ONE_CALL = ("cancelled", "deadline_exceeded")
"""Errors that concern only the call that fetched, not the other calls that wait."""


class TokenAuthentication:
    """A token that `fetch` returns. It is kept until it expires, and replaced after a 401.

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
        self._identity = Secret("\n".join(secrets))
        self._fetches: dict[int, _Fetch] = {}

    @property
    def secret(self) -> Secret:
        """The latest tokens and the further secrets."""
        return self._secret

    @property
    def identity(self) -> Secret:
        """The further secrets."""
        return self._identity

    def credentials(self, deadline: Deadline) -> Credentials:
        """Return the token; fetch one if there is none or it has expired."""
        kept = self._unexpired()
        while kept is None:
            deadline.check("while a token was fetched")
            # A token that was just fetched is used once, even if it has expired already.
            kept = self._fetched(deadline)
        return kept.credentials

    def _unexpired(self) -> _Kept | None:
        kept = self._kept
        return kept if kept is not None and self._monotonic() < kept.until else None

    def renew(self, rejected: Credentials) -> bool:
        """Forget the rejected token, unless it was already replaced. Return True."""
        kept = self._kept
        if kept is not None and kept.credentials is rejected:
            self._kept = None
        return True

    def mask_also(self, *texts: str) -> None:
        """Mask further texts."""
        self._secrets += texts
        self._secret = self._secret.also(*texts)

    def _fetched(self, deadline: Deadline) -> _Kept | None:
        """Return the token of a fetch, None if the call that fetched was ended."""
        # No lock, because an interrupt could leave it held. The dictionary decides atomically who
        # fetches, for each process, because a fetch of a parent never ends in its child.
        mine, pid = _Fetch(deadline), os.getpid()
        try:  # starts before the fetch is entered, so that an interrupt cannot leave it there
            fetch = self._fetches.setdefault(pid, mine)
            if fetch is mine:
                # Another fetch may have ended since this thread looked.
                mine.kept = self._unexpired() or self._keep(self._fetch(deadline))
                return mine.kept
        except ConnectorError as error:
            mine.error = copy.copy(error)
            raise
        finally:
            if self._fetches.get(pid) is mine:
                self._fetches.pop(pid, None)  # an abandoned one may be removed already
            mine.done.set()
        while not fetch.done.wait(threads.TURN_SECONDS) and self._fetches.get(pid) is fetch:
            deadline.check("while a token was fetched")
            if fetch.is_abandoned():
                if self._fetches.get(pid) is fetch:
                    self._fetches.pop(pid, None)
                return None
        if fetch.error is not None and fetch.error.code not in _OF_ONE_CALL:
            raise copy.copy(fetch.error)
        return fetch.kept

    def _keep(self, token: Token) -> _Kept:
        if not isinstance(token.value, str) or not _USABLE.match(token.value):
            raise ConnectorError(
                "invalid_response", "The token's host returned no token that can be sent."
            )
        self._values = (token.value, *self._values)[:_MOST_REMEMBERED]
        self._secret = Secret(*self._values, *self._secrets)
        life = _life(token.expires_in)
        until = self._monotonic() + life - min(life * _MARGIN, _LONGEST_MARGIN_SECONDS)
        kept = _Kept(Credentials(self._header, self._prefix, self._secret), until)
        self._kept = kept
        return kept


def _life(expires_in: float | str | None) -> float:
    """Return the lifetime of a token in seconds, infinity if it is not known."""
    try:
        life = math.inf if expires_in is None else float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return math.inf if math.isnan(life) else life
