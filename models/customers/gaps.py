"""Order days become the gaps between them, those still open among them, and the share of gaps that have ended after so many days."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from ibis.expr.types import Table
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

GAPS = 10
"""Of every customer so many gaps are looked at, the latest: a rhythm may change."""
FEWEST = 20
"""Where fewer are still waiting, and fewer than one in so many, a curve is chance and ends."""


@dataclass(frozen=True, eq=False)
class OrderDays:
    """Days with an order, at most one entry a day, of one buyer (a customer, or a customer and a product set) after the other.

    ``buyer`` numbers from 0 without holes, ascending; ``day`` numbers, ascending within a buyer; ``until`` is the first day that is not known.
    """

    buyer: Counts
    day: Counts
    until: int

    @classmethod
    def of(cls, visits: Table, keys: tuple[str, ...], until: int) -> tuple[Self, dict[str, Counts]]:
        """From the rows before ``until`` of a table with the columns ``keys`` and ``day``; and the keys of every buyer, by name."""
        rows = visits.filter(visits.day < until).select(*keys, "day").to_pyarrow()
        columns = [rows[name].to_numpy().astype(np.int64) for name in (*keys, "day")]
        first = columns[-1].min(initial=until)
        columns[-1] -= first
        widths = [int(column.max(initial=0)) + 1 for column in columns]
        *found, day = np.unravel_index(np.unique(np.ravel_multi_index(columns, widths)), widths)
        new = np.any([np.diff(column, prepend=-1) != 0 for column in found], axis=0)
        return cls(np.cumsum(new) - 1, day + first, until), {name: column[new] for name, column in zip(keys, found, strict=True)}

    @cached_property
    def starts(self) -> Counts:
        """The position of every buyer's first day."""
        return np.flatnonzero(np.diff(self.buyer, prepend=-1))

    @cached_property
    def ends(self) -> Counts:
        """The position of every buyer's last day."""
        return np.append(self.starts[1:], len(self.day))[: len(self.starts)] - 1

    @cached_property
    def number(self) -> Counts:
        """Which of the buyer's days each is, from 1."""
        return np.arange(len(self.day)) - self.starts[self.buyer] + 1

    def before(self, until: int) -> tuple["OrderDays", Counts]:
        """What was known until an earlier day, and the buyers, by their number here, who had ordered by then."""
        kept = self.day < until
        buyers, place = np.unique(self.buyer[kept], return_inverse=True)
        return OrderDays(place, self.day[kept], until), buyers

    def sample(self, entries: int) -> "OrderDays":
        """Buyers evenly taken, so that about so many days remain; all of them when there are no more."""
        every = -(-len(self.day) // entries)
        if every <= 1:
            return self
        kept = self.buyer % every == 0
        return OrderDays(self.buyer[kept] // every, self.day[kept], self.until)

    def gaps_before(self, positions: Counts) -> Values:
        """The logarithms of the last ``GAPS`` gaps that ended on the days at these positions or earlier, a row each; unknown where there were fewer.

        >>> days = OrderDays(np.array([0, 0, 0, 1]), np.array([10, 40, 50, 7]), until=60)
        >>> np.exp(days.gaps_before(np.array([2, 3])))[:, :3].round().tolist()
        [[10.0, 30.0, nan], [nan, nan, nan]]
        """
        logs = np.full(len(self.day), np.nan)
        later = np.flatnonzero(self.number > 1)
        logs[later] = np.log(self.day[later] - self.day[later - 1])
        back = np.arange(GAPS)
        known = back < self.number[positions, None] - 1
        return np.where(known, logs[np.maximum(positions[:, None] - back, 0)], np.nan)

    def gaps_after(self) -> tuple[Values, NDArray[np.bool_]]:
        """Days from each day to the buyer's next, and whether it is known; one still open lasts until half a day before ``until``, on which an
        order may come."""
        ended = np.ones(len(self.day), dtype=bool)
        ended[self.ends] = False
        following = np.append(self.day[1:], self.until)
        return np.where(ended, following - self.day, self.until - self.day - 0.5).astype(np.float64), ended


def ended_by(times: ArrayLike, ended: ArrayLike) -> tuple[Values, Values]:
    """When waits end, and the share of all waits that have ended by then, at most 1; a wait that is still open counts until the time given for it.

    After the first end the curve stops where fewer than ``FEWEST``, and fewer than a twentieth of all, still wait. Source: Kaplan and Meier 1958.

    >>> moments, share = ended_by([1, 2, 2, 3], [True, True, False, True])
    >>> moments.tolist(), share.round(6).tolist()
    ([1.0, 2.0, 3.0], [0.25, 0.5, 1.0])
    """
    values, happened = np.asarray(times, np.float64), np.asarray(ended, np.float64)
    moments, place = np.unique(values, return_inverse=True)
    waiting = np.bincount(place, minlength=len(moments))[::-1].cumsum()[::-1]
    ends = np.bincount(place, weights=happened, minlength=len(moments))
    share = 1 - np.cumprod(1 - ends / np.maximum(waiting, 1))
    shown = (ends > 0) & (waiting >= min(FEWEST, len(values) / FEWEST))
    shown[np.flatnonzero(ends)[:1]] = True
    return moments[shown], share[shown]


def times_of_return(times: ArrayLike, ended: ArrayLike, levels: ArrayLike, *, reach: float = 1.0) -> Values:
    """By when these shares of those waits have ended that end at all; the others are taken out as never ending.

    ``reach`` is the share of the ends that the records are long enough to show; later ones are unknown. All is unknown when no wait ended.
    Source: the nonparametric estimate of those who are cured, Maller and Zhou 1992.
    """
    moments, share = ended_by(times, ended)
    wanted = np.asarray(levels, np.float64)
    if not len(share):
        return np.full(wanted.shape, np.nan)
    wanted = wanted * min(share[-1] / reach, 1.0)
    return np.where(wanted <= share[-1], np.interp(wanted, share, moments), np.nan)
