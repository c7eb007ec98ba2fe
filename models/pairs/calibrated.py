"""Scores of any rule become probabilities: how often a set is bought at all, times how many times more often at this place of the ranking."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.snapshot import Pairs
from models.base import Floats

Numbers = NDArray[np.float64]
Window = tuple[NDArray[np.floating], NDArray[np.bool_], NDArray[np.floating]]
BINS = 200
EDGES = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, BINS)[:-1]])
"""Where the bins of the rank share begin: finest at the top of the ranking, where the lift changes most."""
MOST = 0.98
"""No rule is surer than this: the lift is learnt over all sets, and would pass 1 at the top of those that everybody buys."""


@dataclass(frozen=True, eq=False)
class LiftCurve:
    """``p(customer, set) = usual(set) * lift(rank share)``: the same curve for every set, falling from the best customers to the others.

    ``shares`` (ascending, 0 = best, 1 = last) and ``lifts`` (never rising) are its corners; between them it is a straight line.
    """

    shares: Numbers
    lifts: Numbers

    @classmethod
    def fit(cls, windows: Sequence[Window]) -> Self:
        """Learn from closed windows: (scores N x S, outcome N x S, usual S) each; N and S may differ from window to window.

        ``usual`` is the share of customers that bought from each set in an earlier stretch (``usual_shares``). As many buyers as came are
        expected on those windows together. Isotonic regression (Barlow and others 1972) on bins of the rank share.
        Raises ValueError without a pair whose set has a usual share.
        """
        return cls.of_tallies(tally(*window) for window in windows)

    @classmethod
    def of_tallies(cls, tallies: Iterable[Numbers]) -> Self:
        """The same from the ``tally`` of each window, which is all that must be kept of it."""
        from sklearn.isotonic import IsotonicRegression

        bought, usual, weighted_share = sum(tallies, np.zeros((3, BINS)))
        seen = usual > 0
        if not seen.any():
            raise ValueError("there is no pair to learn a lift from")
        lifts = IsotonicRegression(increasing=False).fit_transform(EDGES[seen], bought[seen] / usual[seen], sample_weight=usual[seen])
        return cls(weighted_share[seen] / usual[seen], np.asarray(lifts, np.float64))

    def probability(self, scores: NDArray[np.floating], usual: NDArray[np.floating]) -> Floats:
        """Float32 N x S from ``scores`` N x S and the ``usual`` shares S, from 0 to ``MOST``.

        Within a set never higher for a lower score, and the same for equal ones; customers whose probabilities are equal rank by their score.
        """
        return np.minimum(np.interp(rank_shares(scores), self.shares, self.lifts) * usual, MOST).astype(np.float32)

    def as_dict(self) -> dict[str, list[float]]:
        """For JSON."""
        return {"shares": self.shares.tolist(), "lifts": self.lifts.tolist()}

    @classmethod
    def of_dict(cls, content: Mapping[str, Sequence[float]]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(np.asarray(content["shares"], np.float64), np.asarray(content["lifts"], np.float64))


def rank_shares(scores: NDArray[np.floating]) -> Numbers:
    """The place of every customer (row) within each set (column) as a share of all: near 0 the best, near 1 the last; equals share their mean place.

    >>> rank_shares(np.array([[3.0], [1.0], [1.0], [2.0]])).ravel().tolist()
    [0.125, 0.75, 0.75, 0.375]
    """
    return (len(scores) + 0.5 - pd.DataFrame(scores).rank().to_numpy()) / len(scores)


def tally(scores: NDArray[np.floating], outcome: NDArray[np.bool_], usual: NDArray[np.floating]) -> Numbers:
    """What a window says of the curve, 3 x ``BINS``: buyers, the sum of the pairs' usual shares, and of rank share times usual share, by bin."""
    shares = rank_shares(scores)
    places = np.searchsorted(EDGES, shares.ravel(), side="right") - 1
    weights = np.broadcast_to(usual, shares.shape)
    return np.stack([np.bincount(places, values.ravel(), BINS) for values in (outcome, weights, weights * shares)])


def usual_shares(pairs: Pairs) -> Numbers:
    """The share of a snapshot's customers that bought from each set in the last horizon before it; half a buyer is added, so that none is 0."""
    horizon = pairs.snapshot.horizon
    customers, sets = pairs.with_history()
    recent = pairs.history(customers, sets)["set_recency"] <= horizon
    return np.asarray((np.bincount(sets[recent], minlength=len(pairs.sets)) + 0.5) / (len(pairs.snapshot.customer_ids) + 1.0), np.float64)
