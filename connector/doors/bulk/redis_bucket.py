"""A bucket in Redis, which all workers share."""

from __future__ import annotations

from typing import Any

from connector.doors.bulk.buckets import BURST_SECONDS

_SECONDS_KEPT = 86_400
_AWAY_SECONDS = 1.0

# The time is Redis's own, so that the clocks of the workers do not matter.
_SCRIPT = f"""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local free = tonumber(redis.call('GET', KEYS[1]) or now)
local kind, seconds = ARGV[1], tonumber(ARGV[2])
if kind == 'wait' then return tostring(free - now) end
if kind == 'take' then free = math.max(free, now - {BURST_SECONDS}) + seconds end
if kind == 'hold' then free = math.max(free, now + seconds) end
redis.call('SET', KEYS[1], string.format('%.6f', free), 'EX', {_SECONDS_KEPT})
return '0'
"""


class RedisBucket:
    """A bucket that all processes share which give the same name.

    `client` is redis-py's, `error` its exception. While Redis is away, nothing may pass.
    """

    def __init__(self, client: Any, name: str, error: type[Exception]) -> None:
        self._error = error
        self._script = client.register_script(_SCRIPT)
        self._name = f"connector:{name}"

    def wait(self, rate: float) -> float:
        return max(0.0, float(self._run("wait", 0)))

    def take(self, amount: float, rate: float) -> None:
        self._run("take", amount / rate)

    def hold(self, seconds: float) -> None:
        self._run("hold", seconds)

    def _run(self, kind: str, seconds: float) -> Any:
        try:
            return self._script(keys=[self._name], args=[kind, seconds])
        except self._error:
            return _AWAY_SECONDS
