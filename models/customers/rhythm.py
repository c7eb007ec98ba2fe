"""Order days become every customer's rhythm, the date of the next order with an interval, and the stage of life (``models.customers.lifecycle``).

**Rhythm**: the days between two order days that are usual for the customer. It is made in three steps, all of it on logarithms of days:

1. The own median of the last ten gaps. The gap that is still open counts as one more that is longer than all of them, because long gaps are those
   that have not ended; so the rhythm changes with an order only, never by waiting.
2. What is usual for customers like them: the median gap after as many orders as theirs (1, 2, 3 to 4, 5 to 8, more), of those who ordered again,
   by Kaplan and Meier, so that gaps still open count; young records, which cannot show long gaps, are allowed for. For a customer with one order
   that is all: the shop's own return curve.
3. The own median is drawn toward it, the more the fewer gaps there are and the more they differ (empirical Bayes: Efron and Morris 1975), yet
   never by more than its own standard error (limited translation: Efron and Morris 1972): a yearly customer stays one among monthly ones.

**Next order**: how far a gap strays from the rhythm, in units of the customer's own spread, has a distribution that is learnt from what followed
each order of the shop, given only what was known then. It is taken given the silence so far and given that there will be an order.

``basis`` tells where the numbers come from: ``own`` (own gaps weigh two thirds or more), ``like them`` (less), ``shop`` (one order: the shop's return
curve), ``default`` (one order, and nobody of this shop ever came back: a rhythm of 90 days).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from features.dates import day_number, day_of
from features.errors import DataError
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.gaps import Counts, OrderDays, Values, times_of_return
from models.customers.lifecycle import STAGE_NAMES, Limits

DEFAULT_DAYS = 90.0
"""The rhythm where no customer ever ordered twice; a shop with few gaps is drawn toward it as if by ``PRIOR_SHOP`` of them."""
DEFAULT_SPREAD = 0.7
"""Standard deviation of the logarithm of gaps, of one customer and between customers, where nothing is known; weighs ``PRIOR_SPREAD`` gaps."""
PRIOR_SHOP, PRIOR_CLASS, PRIOR_SPREAD = 5, 20, 10
CLASSES = (1, 2, 4, 8)
"""The highest number of orders of each class of customers but the last."""
OWN_SHARE = 2 / 3
INTERVAL = (0.1, 0.5, 0.9)
"""The lower end of the interval, the date itself, the upper end: 8 of 10 next orders lie inside."""
LATEST = 3650
"""No date lies further ahead, in days."""
LEVELS = np.round(np.append(np.linspace(0.01, 0.95, 95), [0.96, 0.97, 0.98]), 2)
_HAZARD = -np.log1p(-LEVELS)
BASES = ("own", "like them", "shop", "default")
_ROWS = 500_000
"""Order days from which a shop's figures are learnt; further ones change nothing."""
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, eq=False)
class Habit:
    """What is usual for each buyer: ``usual`` is the logarithm of the rhythm, ``spread`` how far a single gap strays from it (the standard deviation
    of its logarithm), ``own`` the weight of the own gaps, 0 to 1."""

    usual: Values
    spread: Values
    own: Values


@dataclass(frozen=True, eq=False)
class Rhythm:
    """What was learnt from a shop's gaps. ``usual`` (days, by class of orders), ``within`` and ``between`` (standard deviations of the logarithm of
    gaps, of one customer and between customers), ``curves`` (classes x ``LEVELS``: deviations by which so large a share of the next orders has come),
    ``gaps`` (how many taught it)."""

    usual: Values
    within: float
    between: float
    curves: Values
    gaps: int

    @classmethod
    def fit(cls, snapshot: Snapshot) -> Self:
        """Learn from everything before the snapshot's date."""
        return cls.of_days(order_days(snapshot)[0])

    @classmethod
    def of_days(cls, days: OrderDays) -> Self:
        """Learn from any buyers' order days."""
        sample = days.sample(_ROWS)
        lengths, ended = sample.gaps_after()
        number = class_of(sample.number)
        reach = _reach(days)
        usual = _usual(lengths, ended, number, reach=reach)
        within, between = _spreads(sample.gaps_before(sample.ends))
        fitted = cls(usual, within, between, np.zeros((len(CLASSES) + 1, len(LEVELS))), int(ended.sum()))
        habit = fitted.habit(sample.gaps_before(np.arange(len(sample.day))), np.log(usual[number]))
        deviation = (np.log(lengths) - habit.usual) / habit.spread
        curves = [_curve(deviation[number == each], ended[number == each], reach=reach) for each in range(len(CLASSES) + 1)]
        return cls(usual, within, between, np.asarray(curves), fitted.gaps)

    def habit(self, gaps: Values, like_them: Values) -> Habit:
        """What is usual for buyers with these logarithms of gaps (rows, unknown where there are fewer), drawn toward what is usual for their like.

        The variance of a buyer's gaps is that of all buyers' as if by one gap, and the own; a single gap weighs half at most.
        """
        count = (~np.isnan(gaps)).sum(axis=1)
        squares = np.nansum(np.square(gaps - _mean(gaps, count)[:, None]), axis=1)
        many = np.maximum(count, 1)
        variance = (self.within**2 + squares) / many
        doubt = np.where(count == 1, np.maximum(variance, self.between**2), variance)
        drawn, error = doubt / self.between**2, np.sqrt(doubt / many)
        own, weight = _upper_median(gaps, count), count / (count + drawn)
        usual = own + np.clip((1 - weight) * (like_them - own), -error, error)
        spread = np.where(count > 0, np.sqrt(variance * (1 + 1 / (count + drawn))), np.hypot(self.within, self.between))
        return Habit(np.where(count > 0, usual, like_them), spread, np.asarray(weight))

    def next_gap(self, habit: Habit, number: Counts, silence: Counts) -> tuple[Values, Values, Values]:
        """The next gap in days, given that it ends and has not ended after ``silence`` days: lower end, median, upper end (``INTERVAL``).

        ``number`` of order days so far. Beyond what the shop has seen, a silence goes on in proportion to its length (a Pareto tail).
        """
        now = (np.log(np.maximum(silence, 1) - 0.5) - habit.usual) / habit.spread
        found = np.empty((len(INTERVAL), len(now)))
        for each, curve in enumerate(self.curves):
            rows = np.flatnonzero(class_of(number) == each)
            found[:, rows] = _later(curve, now[rows])
        days = np.rint(np.exp(np.minimum(habit.usual + habit.spread * found, 20.0)))
        low, median, high = np.clip(days, silence, silence + LATEST)
        return low, median, high

    def predict(self, snapshot: Snapshot) -> pd.DataFrame:
        """Of every customer with an order before the snapshot's date (index customer_id, sorted): ``rhythm_days``, ``next_order_date``,
        ``next_order_low``, ``next_order_high`` (never before ``as_of``), ``lifecycle``, ``slipping_from``, ``lost_from`` (dates), ``basis``."""
        return self.predict_days(*order_days(snapshot))

    def predict_days(self, days: OrderDays, ids: NDArray[np.object_]) -> pd.DataFrame:
        """``predict`` of the customers with these ``ids`` as of the day until which their order days are known."""
        habit, number, last = self._habits(days), days.number[days.ends], days.day[days.ends]
        silence = days.until - last
        low, median, high = self.next_gap(habit, number, silence)
        rhythm = np.exp(habit.usual)
        limits = Limits.of(rhythm)
        cells = {
            "rhythm_days": rhythm,
            "next_order_date": date_of(last + median),
            "next_order_low": date_of(last + low),
            "next_order_high": date_of(last + high),
            "lifecycle": pd.Series(limits.stage(silence), dtype="str"),
            "slipping_from": date_of(last + limits.slipping),
            "lost_from": date_of(last + limits.lost),
            "basis": pd.Series(self._basis(habit, number), dtype="str"),
        }
        return pd.DataFrame(cells).set_index(pd.Index(ids, name="customer_id"))

    def stages(self, days: OrderDays) -> NDArray[np.object_]:
        """The stage of life of every buyer as of the day until which the order days are known."""
        return Limits.of(np.exp(self._habits(days).usual)).stage(days.until - days.day[days.ends])

    def _habits(self, days: OrderDays) -> Habit:
        return self.habit(days.gaps_before(days.ends), np.log(self.usual[class_of(days.number[days.ends])]))

    def _basis(self, habit: Habit, number: Counts) -> NDArray[np.object_]:
        of_shop = BASES.index("shop") if self.gaps else BASES.index("default")
        code = np.where(number == 1, of_shop, np.where(habit.own >= OWN_SHARE, BASES.index("own"), BASES.index("like them")))
        return np.asarray(BASES, dtype=object)[code]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {**vars(self), "usual": self.usual.tolist(), "curves": self.curves.tolist()}

    @classmethod
    def of_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(**{**content, "usual": np.asarray(content["usual"]), "curves": np.asarray(content["curves"])})


def return_rates(shop: Shop, as_of: date, *, days: int) -> pd.DataFrame:
    """Of each stage of life as of a date: ``customers``, and ``returned``, the share of them that ordered in ``[as_of, as_of + days)``.

    Index lifecycle, all four stages in their order; the share is unknown where there are no customers. The rhythms are learnt before the date.
    """
    known, _ = OrderDays.of(shop.orders, ("customer",), day_number(as_of) + days)
    return returned_by_stage(known, days=days)


def returned_by_stage(known: OrderDays, *, days: int) -> pd.DataFrame:
    """``return_rates`` as of ``days`` before the day until which the order days are known. Raises DataError when nobody had ordered by then."""
    day = known.until - days
    before, buyers = known.before(day)
    if not len(buyers):
        raise DataError(f"nobody had ordered before {day_of(day)}")
    returned = np.bincount(known.buyer, known.day >= day)[buyers] > 0
    stage = pd.Series(Rhythm.of_days(before).stages(before), dtype="str")
    table = pd.Series(returned).groupby(stage).agg(customers="size", returned="mean").reindex(pd.Index(STAGE_NAMES, name="lifecycle"))
    cells = {"customers": table["customers"].fillna(0).astype(np.int64), "returned": table["returned"].astype(np.float64)}
    return pd.DataFrame(cells)


def date_of(numbers: Values | Counts) -> NDArray[np.datetime64]:
    """Day numbers as dates, datetime64 in seconds as pandas keeps them.

    >>> date_of(np.array([2]))
    array(['1970-01-03T00:00:00'], dtype='datetime64[s]')
    """
    return numbers.astype(np.int64).astype("datetime64[D]").astype("datetime64[s]")


def order_days(snapshot: Snapshot) -> tuple[OrderDays, NDArray[np.object_]]:
    """All customers' order days before the snapshot's date, and the customers' ids, sorted. Raises DataError when nobody had ordered."""
    days, keys = OrderDays.of(snapshot.shop.orders, ("customer",), snapshot.day)
    if not len(days.day):
        raise DataError(f"nobody had ordered before {snapshot.as_of}")
    return days, snapshot.shop.customer_ids[keys["customer"]]


def class_of(number: Counts) -> Counts:
    """The class of orders (``CLASSES``) of somebody with so many.

    >>> class_of(np.array([1, 2, 3, 4, 5, 200])).tolist()
    [0, 1, 2, 2, 3, 4]
    """
    return np.searchsorted(CLASSES, number)


def _reach(days: OrderDays) -> float:
    """The share of returns that records of this length show when gaps are as long as the default: two thirds after four months, 0.98 after a year."""
    return max(float(ndtr(np.log((days.until - days.day.min()) / DEFAULT_DAYS) / DEFAULT_SPREAD)), 0.5)


def _usual(lengths: Values, ended: NDArray[np.bool_], number: Counts, *, reach: float) -> Values:
    """The median gap by class of orders, in days: each class drawn toward the whole shop, the shop toward the default."""
    shop = _drawn(lengths, ended, np.log(DEFAULT_DAYS), prior=PRIOR_SHOP, reach=reach)
    classes = [number == each for each in range(len(CLASSES) + 1)]
    medians = [_drawn(lengths[rows], ended[rows], shop, prior=PRIOR_CLASS, reach=reach) for rows in classes]
    return np.asarray(np.exp(medians))


def _drawn(lengths: Values, ended: NDArray[np.bool_], toward: float, *, prior: int, reach: float) -> float:
    count = int(ended.sum())
    median = np.log(times_of_return(lengths, ended, 0.5, reach=reach)) if count else toward
    return float((count * median + prior * toward) / (count + prior))


def _spreads(gaps: Values) -> tuple[float, float]:
    """Standard deviations within and between buyers by the method of moments, drawn toward the default."""
    count = (~np.isnan(gaps)).sum(axis=1)
    gaps, count = gaps[count >= 2], count[count >= 2]
    mean, prior = _mean(gaps, count), PRIOR_SPREAD * DEFAULT_SPREAD**2
    within = (np.nansum(np.square(gaps - mean[:, None])) + prior) / ((count - 1).sum() + PRIOR_SPREAD)
    apart = np.square(mean - mean.mean()) - within / count if len(mean) else mean
    between = (apart.sum() + prior) / (len(mean) + PRIOR_SPREAD)
    return max(float(np.sqrt(within)), _LEAST_SPREAD), max(float(np.sqrt(max(between, 0.0))), _LEAST_SPREAD)


def _mean(gaps: Values, count: Counts) -> Values:
    return np.asarray(np.nansum(gaps, axis=1) / np.maximum(count, 1))


def _upper_median(gaps: Values, count: Counts) -> Values:
    """The median of each row and one more value that is larger than all of them; that of a single value is itself, of none 0."""
    ordered = np.nan_to_num(np.sort(gaps, axis=1))
    place = np.minimum(count / 2, np.maximum(count - 1, 0))
    rows, below = np.arange(len(gaps)), np.floor(place).astype(np.int64)
    above = np.ceil(place).astype(np.int64)
    return np.asarray((ordered[rows, below] + ordered[rows, above]) / 2)


def _curve(deviation: Values, ended: NDArray[np.bool_], *, reach: float) -> Values:
    """Deviations by which the shares ``LEVELS`` of those gaps have ended that end, a few of a normal distribution among them for small shops."""
    usual = ndtri((np.arange(PRIOR_CLASS) + 0.5) / PRIOR_CLASS)
    times = times_of_return(np.append(deviation, usual), np.append(ended, np.ones(PRIOR_CLASS, dtype=bool)), LEVELS, reach=reach)
    known = int(np.isfinite(times).sum())
    times = np.maximum.accumulate(times[:known]) + 1e-6 * np.arange(known)
    further = (_HAZARD[known:] - _HAZARD[known - 1]) / _slope(times)
    return np.append(times, times[-1] + further)


def _slope(times: Values) -> float:
    """The rise of the hazard over the deviation at the end of a curve, from half of what is known of it on."""
    end, middle = len(times) - 1, len(times) // 2
    return float((_HAZARD[end] - _HAZARD[middle]) / max(times[end] - times[middle], 0.1))


def _later(curve: Values, now: Values) -> Values:
    """By which deviation the shares ``INTERVAL`` of those have ended that have not ended by ``now``: quantiles x buyers."""
    slope = _slope(curve)
    passed = np.interp(now, curve, _HAZARD, left=0.0) + slope * np.maximum(now - curve[-1], 0)
    wanted = passed - np.log1p(-np.asarray(INTERVAL))[:, None]
    return np.asarray(np.interp(wanted, _HAZARD, curve) + np.maximum(wanted - _HAZARD[-1], 0) / slope)
