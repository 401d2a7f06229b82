"""Decides whether and when a failed attempt is retried.

`backoff` only computes the delays, because its own loop would shorten them. Only this module uses
it.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from connector.errors import ConnectorError, Sent
from connector.policy.budget import Budget
from connector.policy.clock import Clock
from connector.policy.context import Context, worst_sent
from connector.policy.limits import Backoff
from connector.policy.pauses import Pause

T = TypeVar("T")

_NETWORK_FAILURES = frozenset(("connect_failed", "connection_lost", "protocol_error"))


class Rule(NamedTuple):
    """Which failures are retried, how often, and with what delays.

    `fixed_ms` is the delay before every retry; None means exponential delays.
    """

    backoff: Backoff
    covers: Callable[[ConnectorError], bool]
    fixed_ms: float | None = None


def for_actions(backoff: Backoff) -> Rule:
    """Return the rule of the named actions: everything that is retryable is retried."""
    # An engine may rerun an action that reached its deadline; the action itself has no time left.
    return Rule(backoff, lambda error: error.retryable and error.code != "deadline_exceeded")


def for_raw_request(
    backoff: Backoff, *, max_retries: int, all_errors: bool, delay_ms: float, exponential: bool
) -> Rule:
    """Return the rule that the inputs of a raw request describe."""

    def covers(error: ConnectorError) -> bool:
        if error.code in _NETWORK_FAILURES:
            return error.retryable
        status = error.http_status or 0
        if error.final:
            return False
        return status >= 500 or (all_errors and 300 <= status < 500)

    return Rule(
        backoff._replace(max_retries=max_retries), covers, None if exponential else delay_ms
    )


def run(attempt: Callable[[], T], rule: Rule, context: Context, budget: Budget, pause: Pause) -> T:
    """Return what `attempt` returns, retrying it as `rule` and `budget` allow.

    After a 429, `pause` holds back every other attempt.

    Raises the ConnectorError of the last attempt.
    """
    delays = _delays(rule, context.clock)
    delay = 0.0
    retries = 0
    sent: Sent = "no"
    while True:
        try:
            if retries:
                context.wait(delay)
            result = attempt()
        except ConnectorError as error:
            # A later attempt does not undo what an earlier one may have done.
            sent = error.sent = worst_sent(error.sent, sent)
            requested_ms = error.retry_after_ms or 0
            delay = requested_ms / 1000
            if rule.backoff.max_retries > 0:
                delay = max(next(delays), delay)
            tolerable = requested_ms <= context.policies.max_retry_after_ms
            # For all attempts, whether this one is retried or not. An error without a response
            # comes from an earlier pause, and does not extend it.
            if tolerable and error.code == "rate_limited" and error.http_status is not None:
                pause.begin(delay)
            if not (tolerable and rule.covers(error) and _has_time(context, delay)):
                raise
            if retries >= rule.backoff.max_retries or not _charge(error, context, budget):
                raise
            retries += 1
        else:
            budget.give(retried=retries > 0)
            return result


def _has_time(context: Context, delay: float) -> bool:
    """Whether the deadline leaves time for another attempt after `delay` seconds."""
    return delay < context.deadline.remaining() and not context.deadline.cancelled.is_set()


def _charge(error: ConnectorError, context: Context, budget: Budget) -> bool:
    """Charge the budget for a retry; return False if it is spent. Add the warning for either."""
    if not budget.take():
        context.warn("Not retried: the process has spent its retry budget for this host.")
        return False
    if error.sent == "unknown":
        context.warn(
            "An attempt broke off after it was sent and was retried: the provider may have "
            "billed the work twice."
        )
    return True


def _delays(rule: Rule, clock: Clock) -> Iterator[float]:
    """Yield the delay before each retry, in seconds, not counting what the provider asks for."""
    import backoff  # here: it imports asyncio, which is needed only after a failure

    if rule.fixed_ms is not None:
        yield from itertools.repeat(rule.fixed_ms / 1000)
    base, cap, jitter = rule.backoff.base_ms / 1000, rule.backoff.cap_ms / 1000, rule.backoff.jitter
    exponential = backoff.expo(base=2, factor=base, max_value=cap)
    next(exponential)  # backoff's generators yield None first
    for delay in exponential:
        if jitter is None:
            yield clock.random() * delay
        else:
            yield delay * (1 + jitter * clock.random())
