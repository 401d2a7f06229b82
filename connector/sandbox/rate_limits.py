"""Limits of requests and tokens per minute that the sandbox enforces if it is told to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from connector.sandbox.responses import ErrorResponse, Response, Surface, surface_error


class RateLimits:
    """Lets so many requests and tokens pass per minute, as the services do.

    Each limit refills continuously, up to what one minute allows. A request passes if something is
    left of both; its tokens are those of the response's `usage`. None is no limit. `minute` is in
    seconds: a shorter one makes time pass faster. `clock` is in seconds.
    """

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        minute: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = {"requests": requests, "tokens": tokens}
        self._limits = {name: limit for name, limit in given.items() if limit is not None}
        self._level: dict[str, float] = dict(self._limits)
        self._minute = minute
        self._clock = clock
        self._time = clock()

    def check(self, surface: Surface) -> None:
        """Count a request. Raises the 429 that both services send if a limit is reached."""
        now = self._clock()
        for name, limit in self._limits.items():
            more = limit * (now - self._time) / self._minute
            self._level[name] = min(limit, self._level[name] + more)
        self._time = now
        for name, limit in self._limits.items():
            if self._level[name] < 1:
                raise self._error(surface, name, limit)
        if "requests" in self._level:
            self._level["requests"] -= 1

    def settle(self, response: Response) -> None:
        """Count the tokens of a response."""
        if "tokens" not in self._level or response.status != 200:
            return
        try:
            usage = json.loads(response.body).get("usage") or {}
        except ValueError:  # a stream, or a fault
            return
        self._level["tokens"] -= usage.get("total_tokens", 0)

    def headers(self) -> dict[str, str]:
        """Return the headers that say what is left."""
        headers = {}
        for name, limit in self._limits.items():
            level = self._level[name]
            headers[f"x-ratelimit-limit-{name}"] = str(limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(max(0, int(level)))
            reset = round((limit - level) * self._minute / limit * 1000)
            headers[f"x-ratelimit-reset-{name}"] = f"{reset}ms"
        return headers

    def _error(self, surface: Surface, name: str, limit: int) -> ErrorResponse:
        wait = max(1, round((1 - self._level[name]) * self._minute / limit * 1000))
        seconds = max(1, round(wait / 1000))
        return surface_error(
            surface,
            429,
            f"Rate limit reached for {name} per minute (sandbox): limit {limit}.",
            code="rate_limit_exceeded",
            kind=name,
            headers={"retry-after-ms": str(wait), "retry-after": str(seconds)},
        )
