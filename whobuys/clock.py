"""The one place that reads the clock: to refuse orders from the future and to warn about stale answers, never to compute any."""

import os
from datetime import UTC, date, datetime, timedelta

from features.dates import parse_day
from features.errors import UsageError

STALE_DAYS = 7


def today() -> date:
    """The date of the clock, or of the environment variable WHOBUYS_TODAY (YYYY-MM-DD), which repeats a run of another day."""
    told = os.environ.get("WHOBUYS_TODAY")
    if not told:
        return date.today()
    try:
        return parse_day(told)
    except ValueError as error:
        raise UsageError(f"WHOBUYS_TODAY: {error}") from None


def now() -> datetime:
    """The time of the clock, in UTC: when a run began and ended."""
    return datetime.now(UTC)


def stale(as_of: date, *, horizon: int, today: date) -> str | None:
    """A warning when an answer as of a date is old, or None.

    >>> stale(date(2026, 7, 1), horizon=30, today=date(2026, 7, 8)) is None
    True
    >>> stale(date(2026, 7, 1), horizon=30, today=date(2026, 7, 21))
    'this is 20 days old (as of 2026-07-01); import newer orders'
    >>> stale(date(2026, 7, 1), horizon=30, today=date(2026, 9, 1))
    'this is about days that are over (2026-07-01 to 2026-07-30); import newer orders'
    """
    age = (today - as_of).days
    if age <= STALE_DAYS:
        return None
    if age >= horizon:
        return f"this is about days that are over ({as_of} to {as_of + timedelta(days=horizon - 1)}); import newer orders"
    return f"this is {age} days old (as of {as_of}); import newer orders"
