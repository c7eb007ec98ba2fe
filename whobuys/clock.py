"""The one place that reads the clock: to refuse orders from the future and to warn about stale answers, never to compute any."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from features.config import load_config
from features.dates import parse_day
from features.errors import UsageError
from features.files import MANIFEST, read_current, read_json


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


def stale(as_of: date, *, horizon: int, today: date, days: int = 7) -> str | None:
    """A warning when an answer as of a date is older than so many days, or None.

    >>> stale(date(2026, 7, 1), horizon=30, today=date(2026, 7, 8)) is None
    True
    >>> stale(date(2026, 7, 1), horizon=30, today=date(2026, 7, 21))
    'this is 20 days old (as of 2026-07-01); import newer orders'
    >>> stale(date(2026, 7, 1), horizon=30, today=date(2026, 9, 1))
    'this is about days that are over (2026-07-01 to 2026-07-30); import newer orders'
    """
    age = (today - as_of).days
    if age >= horizon:
        return f"this is about days that are over ({as_of} to {as_of + timedelta(days=horizon - 1)}); import newer orders"
    return f"this is {age} days old (as of {as_of}); import newer orders" if age > days else None


def stale_bundle(trained: date, *, as_of: date, days: int) -> str | None:
    """A warning when the bundle in use knows nothing of so many days before an answer's date, or None.

    >>> stale_bundle(date(2026, 7, 1), as_of=date(2026, 8, 1), days=60) is None
    True
    >>> stale_bundle(date(2026, 7, 1), as_of=date(2026, 9, 1), days=60)
    'the bundle in use learnt from orders before 2026-07-01, 62 days less than there are; train anew: whobuys weekly, or whobuys train --promote'
    """
    age = (as_of - trained).days
    if age <= days:
        return None
    unknown = f"learnt from orders before {trained}, {age} days less than there are"
    return f"the bundle in use {unknown}; train anew: whobuys weekly, or whobuys train --promote"


def stale_in(shop: Path, as_of: date, *, horizon: int) -> list[str]:
    """What is old in a shop, in sentences, by the clock and ``[weekly]`` of its whobuys.toml: an answer as of a date, and the bundle in use."""
    settings = load_config(shop).weekly
    said = [stale(as_of, horizon=horizon, today=today(), days=settings.stale_days)]
    if bundle := read_current(shop).get("bundle"):
        trained = parse_day(str(read_json(shop / bundle / MANIFEST)["as_of"]))
        said.append(stale_bundle(trained, as_of=as_of, days=settings.stale_bundle_days))
    return [each for each in said if each]
