"""Sums of probabilities become intervals: how many buyers may come, since chance, the product set and the month all have their say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, ndtri, stdtrit

from models.base import Floats

SHARE = 0.8
"""The share of intervals that hold what comes."""
USUAL_MONTH, USUAL_OWN = 0.2, 0.15
"""What a shop without closed windows is taken to have; ``PRIOR`` windows of it are mixed with what was seen."""
PRIOR = 2
UNSOLD_OWN = 1.0
"""What is taken for a set that nobody ever bought from: it may not even be on sale."""
FEWEST = 5.0
"""Sets with fewer expected buyers tell nothing but chance."""
WIDEST = 2.0

Window = tuple[Floats, NDArray[np.bool_]]
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far the buyers that come stray from those expected, beyond chance, as standard deviations relative to what was expected.

    ``month`` is common to all sets of one date (the whole shop has a good or a bad month), ``own`` is each set's; ``windows`` closed ones taught it.
    """

    month: float = USUAL_MONTH
    own: float = USUAL_OWN
    windows: int = 0

    @classmethod
    def learnt(cls, windows: Sequence[Window]) -> Self:
        """From probabilities (customers x sets) and outcomes of closed windows, each predicted by a fit that knew nothing of it.

        ``month`` is the root mean square of the logarithms of real over expected totals, ``PRIOR`` usual windows among them; ``own`` is such that,
        once a window's total is set right, ``SHARE`` of its sets lie within their intervals.
        """
        found = [(p.sum(axis=0, dtype=np.float64), (p * (1 - p)).sum(axis=0, dtype=np.float64), y.sum(axis=0)) for p, y in windows if y.any()]
        if not found:
            return cls()
        ratios = np.asarray([came.sum() / expected.sum() for expected, _, came in found])
        month = np.sqrt((np.square(np.log(ratios)).sum() + PRIOR * USUAL_MONTH**2) / (len(found) + PRIOR))
        expected, sampling, came = (np.concatenate([each[part] for each in found]) for part in range(3))
        rightly = np.repeat(ratios, [len(each[0]) for each in found])
        return cls(float(month), _own(expected * rightly, sampling * rightly, came), len(found))

    def of_sets(self, expected: ArrayLike, sampling: ArrayLike, *, sold: ArrayLike = True, share: float = SHARE) -> tuple[Counts, Counts]:
        """The lowest and highest number of buyers (both inclusive, whole) of product sets or parts of them.

        ``expected`` is the sum of the probabilities, ``sampling`` the sum of p (1 - p), ``sold`` whether anybody ever bought from the set. The count
        is taken as gamma distributed.
        """
        return _range(expected, sampling, np.hypot(self._month(share), self._own_of(sold)), share)

    def of_shop(self, expected: ArrayLike, alone: ArrayLike = 0.0, *, share: float = SHARE) -> tuple[Counts, Counts]:
        """The same for a total over many sets, whose own deviations even out; ``alone``, the sum of ``variance_alone``, is what is left of them."""
        return _range(expected, alone, np.asarray(self._month(share)), share)

    def variance_alone(self, expected: float, sampling: float, *, sold: bool = True) -> float:
        """How far a set strays by chance and by its own deviation, whatever the month does to all sets."""
        return sampling + float(self._own_of(sold) * expected) ** 2

    def _own_of(self, sold: ArrayLike) -> Counts:
        return np.where(sold, self.own, max(self.own, UNSOLD_OWN))

    def _month(self, share: float) -> float:
        """A standard deviation from few windows is itself unsure: Student's t instead of the normal distribution."""
        tail = (1 + share) / 2
        return float(self.month * stdtrit(self.windows + PRIOR, tail) / ndtri(tail))


def _range(expected: ArrayLike, sampling: ArrayLike, relative: ArrayLike, share: float) -> tuple[Counts, Counts]:
    mean = np.maximum(np.asarray(expected, np.float64), 1e-9)
    variance = np.maximum(np.asarray(sampling, np.float64) + np.square(relative * mean), 1e-12)
    low, high = (gammaincinv(np.square(mean) / variance, place) * variance / mean for place in ((1 - share) / 2, (1 + share) / 2))
    return np.round(low), np.round(high)


def _own(expected: Counts, sampling: Counts, came: Counts) -> float:
    known = expected >= FEWEST
    if known.sum() < PRIOR * FEWEST:
        return USUAL_OWN
    steps = np.linspace(0, WIDEST, 201)
    for step in steps:
        low, high = _range(expected[known], sampling[known], step, SHARE)
        if np.mean((came[known] >= low) & (came[known] <= high)) >= SHARE:
            return float(step)
    return WIDEST
