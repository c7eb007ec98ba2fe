"""Customers become cells: those with as many order days, the same active time and the same age are one row with a count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
WEEK = 7.0
"""Days of a week, the unit of time in which the models of this family are written down and their parameters are published."""
WIDTHS = (1, 7, 14, 28, 56, 112)
"""Days to which times are rounded for fitting."""
ENOUGH = 10_000
"""A fit looks at no more cells than this where one of the widths brings them down to it."""
FARTHEST = 9.0
"""Parameters stay between exp(-9) and exp(9): beyond, a customer never orders, never leaves, or all are alike."""
SPREAD = 2.0
"""The standard deviation of the logarithm of every parameter around its usual value, before a customer was seen."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Customers who are equal to a model: ``repeats`` (order days after the first), ``active`` (from the first order day to the last) and ``age``
    (from the first order day to the date), both in weeks, and how many customers they are (``counts``)."""

    repeats: Numbers
    active: Numbers
    age: Numbers
    counts: Numbers

    @classmethod
    def of(cls, order_days: ArrayLike, active_days: ArrayLike, age: ArrayLike, *, width: int = 1) -> tuple[Self, NDArray[np.intp]]:
        """The cells of customers, and the cell of every customer. Times are in days and are rounded to multiples of ``width``; 1 changes nothing.

        A customer has at least one order day, which is the first one; nobody is active for longer than since then.

        >>> cells, place = Cells.of([1, 3, 1], [0, 14, 0], [21, 28, 21])
        >>> cells.repeats.tolist(), cells.active.tolist(), cells.age.tolist(), cells.counts.tolist(), place.tolist()
        ([0.0, 2.0], [0.0, 2.0], [3.0, 4.0], [2.0, 1.0], [0, 1, 0])
        """
        repeats = np.maximum(np.asarray(order_days, np.float64).round().astype(np.int64) - 1, 0)
        ages, actives = (np.floor(np.maximum(np.asarray(days, np.float64), 0) / width + 0.5).astype(np.int64) for days in (age, active_days))
        ages = np.maximum(ages, actives)
        many, long = ages.max(initial=0) + 1, actives.max(initial=0) + 1
        keys, inverse, counts = np.unique((repeats * long + actives) * many + ages, return_inverse=True, return_counts=True)
        rest, of_age = np.divmod(keys, many)
        of_repeats, of_active = np.divmod(rest, long)
        weeks = width / WEEK
        return cls(of_repeats.astype(np.float64), of_active * weeks, of_age * weeks, counts.astype(np.float64)), inverse

    @classmethod
    def for_fit(cls, order_days: ArrayLike, active_days: ArrayLike, age: ArrayLike) -> Self:
        """The cells of customers in days, or as much coarser as it takes to have ``ENOUGH`` of them: a million customers are fitted in seconds."""
        for width in WIDTHS:
            cells, _ = cls.of(order_days, active_days, age, width=width)
            if len(cells.counts) <= ENOUGH:
                break
        return cells

    def with_return(self, count: float) -> Self:
        """The same, and so much of a customer of the mean age who came back once, half-way: nothing seen in few is not never."""
        if not count:
            return self
        age = float(self.counts @ self.age / max(self.customers, 1.0))
        more = ((self.repeats, 1.0), (self.active, age / 2), (self.age, age), (self.counts, count))
        return type(self)(*(np.append(values, value) for values, value in more))

    @property
    def customers(self) -> float:
        """How many customers there are."""
        return float(self.counts.sum())


def most_likely(log_likelihood: Callable[[Numbers], Numbers], counts: Numbers, usual: Numbers) -> Numbers:
    """The parameters, all above 0, under which what was seen is likeliest. ``log_likelihood`` gives a number per row, which stands for ``counts``.

    The logarithms of the parameters are drawn to those of the ``usual`` ones as if by a normal distribution (``SPREAD``). A few hundred customers
    outweigh that; a shop without a repeat order gets a finite answer by it. Searched by L-BFGS-B (Byrd and others 1995) from the usual ones.
    """
    centre, customers = np.log(usual), max(float(counts.sum()), 1.0)

    def loss(logarithms: Numbers) -> float:
        values = log_likelihood(np.exp(logarithms))
        return float((0.5 * np.square((logarithms - centre) / SPREAD).sum() - counts @ values) / customers)

    limits = [(-FARTHEST, FARTHEST)] * len(centre)
    from scipy.optimize import minimize

    found = minimize(loss, centre, method="L-BFGS-B", bounds=limits, options={"maxiter": 300, "ftol": 1e-12, "gtol": 1e-7})
    return np.asarray(np.exp(found.x), np.float64)
