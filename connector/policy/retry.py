"""Whether and when an attempt is repeated. The only module that knows `backoff`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, TypeVar

from connector.errors import ConnectorError
from connector.policy.budget import Budget
from connector.policy.context import Context, worst_sent
from connector.policy.limits import Backoff
from connector.policy.pauses import Pause

T = TypeVar("T")

_TRANSPORT = frozenset(("connect_failed", "connection_lost", "protocol_error"))


class Rule(NamedTuple):
    """Which failures are repeated, how often, and how long to wait in between."""

    backoff: Backoff
    covers: Callable[[ConnectorError], bool]
    fixed_ms: float | None = None


def for_actions(backoff: Backoff) -> Rule:
    """Return the rule of the named actions: whatever may pass by itself."""
    # An engine may run an action again whose time is over; the action itself has none left.
    return Rule(backoff, lambda error: error.retryable and error.code != "deadline_exceeded")


def for_raw_request(
    backoff: Backoff, *, max_retries: int, all_errors: bool, delay_ms: float, exponential: bool
) -> Rule:
    """Return the rule that the inputs of a raw request spell out."""

    def covers(error: ConnectorError) -> bool:
        if error.code in _TRANSPORT:
            return error.retryable
        status = error.http_status or 0
        if error.final:
            return False
        return status >= 500 or (all_errors and 300 <= status < 500)

    return Rule(
        backoff._replace(max_retries=max_retries), covers, None if exponential else delay_ms
    )


def run(attempt: Callable[[], T], rule: Rule, call: Context, budget: Budget, pause: Pause) -> T:
    """Return what `attempt` returns, repeating it as `rule` and `budget` allow.

    Raises the ConnectorError of the last attempt.
    """
    try:
        result = attempt()
    except ConnectorError as error:
        failure = error
    else:
        budget.give(retried=False)
        return result
    if rule.backoff.max_retries < 1:
        raise failure
    repeat = _Repeat(rule, call, budget, pause)
    if repeat.gives_up(failure):
        raise failure
    return repeat.run(attempt, failure)


class _Repeat:
    """The attempts after the first."""

    def __init__(self, rule: Rule, call: Context, budget: Budget, pause: Pause) -> None:
        import backoff  # only a failure pays for this import: it takes asyncio with it

        self._backoff = backoff
        self._rule = rule
        self._call = call
        self._budget = budget
        self._pause = pause
        self._waits = self._plan()
        self._wait = 0.0

    def _plan(self) -> Iterator[float]:
        base, cap = self._rule.backoff.base_ms / 1000, self._rule.backoff.cap_ms / 1000
        waits = self._backoff.expo(base=2, factor=base, max_value=cap)
        next(waits)  # the generator's first yield is a handshake
        return waits

    def _own_wait(self) -> float:
        rule, chance = self._rule, self._call.clock.random
        if rule.fixed_ms is not None:
            return rule.fixed_ms / 1000
        wait = next(self._waits)
        jitter = rule.backoff.jitter
        return chance() * wait if jitter is None else wait * (1 + jitter * chance())

    def gives_up(self, error: ConnectorError) -> bool:
        """Decide on a failure; where it is repeated, the wait is set and paid for."""
        return self._hopeless(error) or not self._paid(error)

    def _hopeless(self, error: ConnectorError) -> bool:
        call, asked = self._call, (error.retry_after_ms or 0) / 1000
        self._wait = max(self._own_wait(), asked)
        bearable = asked * 1000 <= call.policies.max_retry_after_ms
        if error.code == "rate_limited" and bearable:
            self._pause.begin(
                self._wait
            )  # one 429 slows every worker, whether it is repeated or not
        if not bearable or not self._rule.covers(error):
            return True
        return self._wait >= call.deadline.remaining() or call.deadline.cancelled.is_set()

    def _paid(self, error: ConnectorError) -> bool:
        if not self._budget.take():
            self._call.warn("Not retried: the process has spent its retry budget for this host.")
            return False
        if error.sent == "unknown":
            self._call.warn(
                "An attempt broke off after it was sent and was repeated: the provider may have "
                "billed the work twice."
            )
        return True

    def run(self, attempt: Callable[[], T], failure: ConnectorError) -> T:
        sent = failure.sent

        def again() -> T:
            nonlocal sent
            try:
                self._call.wait(self._wait)
                return attempt()
            except ConnectorError as error:
                # What an earlier attempt may have done is not undone by a later one.
                sent = error.sent = worst_sent(error.sent, sent)
                raise

        loop: Any = self._backoff.on_exception(
            # The waiting is ours: backoff's own jitter and time limits would shorten what the
            # provider asked for.
            _nothing,
            ConnectorError,
            max_tries=self._rule.backoff.max_retries,
            giveup=self.gives_up_after,
            jitter=None,
            logger=None,
        )
        self._tries = 0
        result: T = loop(again)()
        self._budget.give(retried=True)
        return result

    def gives_up_after(self, error: Any) -> bool:
        self._tries += 1
        last = self._tries >= self._rule.backoff.max_retries
        # The last try is not followed by another: nothing is to be paid for it.
        return self._hopeless(error) or last or not self._paid(error)


def _nothing() -> Generator[float, None, None]:
    while True:
        yield 0
