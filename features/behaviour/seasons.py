"""The shop's calendar becomes its seasons: which stretches of the year stand out, and which of a customer's orders fall into them."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
from ibis.expr.types import Table
from numpy.typing import NDArray

from features.dates import day_number
from features.expressions import before
from features.shop import Shop
from features.snapshot import Snapshot

YEAR = 365
LIFT = 1.2
"""A week (or month) with at least so many times the orders that the trend expects begins a season ..."""
SURE = 3.0
"""... when it is also so many standard errors above, and above in more than half of the years. Of one whole year it is only seen once."""
SHOULDER_LIFT, SHOULDER_SURE = 1.1, 1.0
"""its neighbours belong to the season down to these."""
WEEKS = np.minimum(np.arange(YEAR) // 7, 51)
MONTHS = np.repeat(np.arange(12), (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))
"""The bucket of each day of a year without 29 February."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Season(NamedTuple):
    """A stretch of the year: ``first`` and ``last`` day ("MM-DD", both inclusive, over New Year when first is later), and how many times the
    orders of an average day it has."""

    first: str
    last: str
    lift: float


def high_seasons(snapshot: Snapshot) -> tuple[Season, ...] | None:
    """The stretches of the year in which the shop sells clearly more than its trend, in the order of the year; None with less than a year of orders.

    The last whole years before the date are laid over one another, each against its own level or growth. Weeks that stand out make the
    seasons; where none does, as in a small shop, months. Of one whole year, they were seen once, and may have been chance or growth.
    """
    counts = orders_a_day(snapshot.shop, snapshot.day)
    years = whole_years(counts)
    if not years:
        return None
    recent = counts[len(counts) - years * YEAR :].reshape(years, YEAR)
    return standing_out(recent, trend(recent), places(snapshot.day, days=years * YEAR).reshape(years, YEAR))


def whole_years(counts: Whole) -> int:
    """How many whole years the shop's seasons are made of."""
    return len(counts) // YEAR


def orders_a_day(shop: Shop, day: int) -> Whole:
    """How many orders each day had, from the first with an order to the day before ``day``."""
    orders = before(shop.orders, day)
    found = orders.group_by("ago").agg(orders=orders.count()).to_pyarrow()
    ago = found["ago"].to_numpy().astype(np.int64)
    counts = np.zeros(int(ago.max(initial=0)), np.int64)
    counts[len(counts) - ago] = found["orders"].to_numpy()
    return counts


def trend(counts: Whole) -> Floats:
    """What each day (years x 365) would have had without seasons: each year's total spread evenly, or along the growth from and to its
    neighbours, whichever is nearer to what came."""
    totals = np.maximum(counts.sum(axis=1), 1).astype(np.float64)
    steps = np.diff(np.log(totals))
    growth = np.zeros(len(totals)) if not len(steps) else (np.append(steps, steps[-1]) + np.insert(steps, 0, steps[0])) / 2
    tilt = np.exp(growth[:, None] * (np.arange(YEAR) / YEAR))
    level = np.repeat(totals[:, None] / YEAR, YEAR, axis=1)
    grown = totals[:, None] * tilt / tilt.sum(axis=1, keepdims=True)
    return min(level, grown, key=lambda expected: float(((counts - expected) ** 2 / expected).sum()))


def places(day: int, *, days: int) -> Whole:
    """Where each of the ``days`` days before ``day`` stands in a year, from 0; 29 February stands with the 28th."""
    dates = (np.datetime64("1970-01-01", "D") + np.arange(day - days, day)).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    starts = np.concatenate([[0], np.cumsum(np.bincount(MONTHS))])
    month = months.astype(np.int64) % 12
    found: Whole = np.minimum(starts[month] + (dates - months).astype(np.int64), starts[month + 1] - 1)
    return found


def standing_out(counts: Whole, expected: Floats, place: Whole, *, lift: float = LIFT) -> tuple[Season, ...]:
    """The seasons of counts (years x 365) against what is expected of each day, by weeks, else by months."""
    for buckets in (WEEKS, MONTHS):
        bucket = buckets[place]
        size = int(buckets.max()) + 1
        found, usual = (_sums(bucket, each, size) for each in (counts, expected))
        ratio = found / np.maximum(usual, 1e-9)
        sure = (found - usual) / np.sqrt(np.maximum(usual, 1e-9))
        yearly = [_sums(b, c, size) > _sums(b, e, size) for b, c, e in zip(bucket, counts, expected, strict=True)]
        often = np.mean(yearly, axis=0) > 0.5
        core = (ratio >= lift) & (sure >= SURE) & often
        if core.any():
            return _seasons(core, core | ((ratio >= SHOULDER_LIFT) & (sure >= SHOULDER_SURE)), buckets, (found, usual))
    return ()


def _sums(bucket: Whole, values: NDArray[np.generic], size: int) -> Floats:
    return np.bincount(bucket.ravel(), weights=values.astype(np.float64).ravel(), minlength=size).astype(np.float64)


def _seasons(core: Flags, within: Flags, buckets: Whole, sums: tuple[Floats, Floats]) -> tuple[Season, ...]:
    """Runs of buckets with at least one of the core; a run over New Year is one."""
    size, found, usual = len(core), *sums
    turn = int(np.flatnonzero(~within)[0]) if not within.all() else 0
    around = np.roll(np.arange(size), -turn)
    starts = np.flatnonzero(within[around] & ~np.append(False, within[around][:-1]))
    ends = np.flatnonzero(within[around] & ~np.append(within[around][1:], False))
    runs = [around[start : end + 1] for start, end in zip(starts, ends, strict=True)]
    seasons = [
        Season(_month_day(buckets, run[0], -1), _month_day(buckets, run[-1], 1), float(found[run].sum() / usual[run].sum()))
        for run in runs
        if core[run].any()
    ]
    return tuple(sorted(seasons))


def _month_day(buckets: Whole, bucket: int, end: int) -> str:
    """The first (``end`` -1) or last (1) day of a bucket."""
    days = np.flatnonzero(buckets == bucket)
    return (date(2001, 1, 1) + timedelta(days=int(days[0] if end < 0 else days[-1]))).strftime("%m-%d")


def in_seasons(place: Whole, seasons: Sequence[Season]) -> Flags:
    """Whether each place in the year lies in one of the seasons."""
    found = np.zeros(len(place), dtype=bool)
    for season in seasons:
        first, last = (_place_of(each) for each in (season.first, season.last))
        inside = (place >= first) & (place <= last) if first <= last else (place >= first) | (place <= last)
        found |= inside
    return found


def _place_of(month_day: str) -> int:
    month, day = month_day.split("-")
    return int(places(day_number(date(2001, int(month), int(day))) + 1, days=1)[0])


def calendar(snapshot: Snapshot, **seasons: Sequence[Season]) -> Table:
    """A row per day before the date back to the first order: ``day``, and for each name whether the day lies in one of its seasons."""
    days = len(orders_a_day(snapshot.shop, snapshot.day))
    place = places(snapshot.day, days=days)
    columns = {name: in_seasons(place, each) for name, each in seasons.items()}
    return ibis.memtable(pa.table({"day": pa.array(np.arange(snapshot.day - days, snapshot.day), pa.int32()), **columns}))
