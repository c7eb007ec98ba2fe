"""Days of the made-up shop, counted from START, become months, how busy they are, and sale periods."""

import numpy as np

from features.dates import day_number
from features.made_up.chance import Flags, Floats, Ints
from features.made_up.planted import DAYS, START

_BUSY = (0.9, 0.8, 0.9, 1.0, 1.15, 1.2, 1.1, 0.95, 0.9, 0.9, 1.25, 1.35)
_SALES = (((1, 2), (1, 25)), ((7, 1), (7, 20)), ((11, 20), (11, 30)))
"""January sale, summer sale, black week: first and last (month, day)."""


def _dates() -> tuple[Ints, Ints]:
    days = np.datetime64(START, "D") + np.arange(DAYS)
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    day = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    return month.astype(np.int32), day.astype(np.int32)


MONTH, _DAY_OF_MONTH = _dates()
"""The month of each day, January = 0."""
START_DAY = day_number(START)


def _on_sale() -> Flags:
    stamp = (MONTH + 1) * 100 + _DAY_OF_MONTH
    found: Flags = np.logical_or.reduce([(stamp >= a * 100 + b) & (stamp <= c * 100 + d) for (a, b), (c, d) in _SALES], axis=0)
    return found


ON_SALE: Flags = _on_sale()
"""Whether a day lies in a sale period."""
GIFT_SEASON: Flags = ((MONTH == 10) & (_DAY_OF_MONTH >= 10)) | ((MONTH == 11) & (_DAY_OF_MONTH <= 23))
"""Whether a day lies in the gift season, 10 November to 23 December."""


def _busy() -> Floats:
    weekday = (np.arange(DAYS) + START_DAY + 3) % 7
    weights = np.array(_BUSY)[MONTH] * np.where(ON_SALE, 1.35, 1.0) * np.where(weekday >= 5, 1.2, 1.0)
    return np.concatenate([[0.0], np.cumsum(weights / weights.mean())])


BUSY: Floats = _busy()
"""Busy time that has passed before each day: BUSY[DAYS] = DAYS, and a busy day counts for more than one."""


def busy_days(rng: np.random.Generator, first: Ints, last: Ints) -> Ints:
    """A day between ``first`` (inclusive) and ``last`` (exclusive) for each pair, busy days more often."""
    low, high = BUSY[first], BUSY[last]
    at = low + rng.random(len(first)) * (high - low)
    return np.clip(np.searchsorted(BUSY, at, side="right") - 1, first, np.maximum(last - 1, first)).astype(np.int32)


def next_sale_days(rng: np.random.Generator, day: Ints) -> Ints:
    """For each day a day in the next sale period (the day itself when it is on sale or none follows)."""
    days = np.flatnonzero(ON_SALE)
    at = np.searchsorted(days, day)
    none = at == len(days)
    at = np.minimum(at + rng.integers(0, 8, len(day)), len(days) - 1)
    return np.where(none | ON_SALE[day], day, days[at]).astype(np.int32)
