"""Probabilities and customer facts -> ranks that can be stored: the best customers of each set, the best sets of each customer, RFM quintiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from features.products import ProductSet
from serving.who import Floats, best_first

INTEREST_COLUMNS = {
    "product_set_kind": "str",
    "product_set": "str",
    "customer_id": "str",
    "probability": "float32",
    "rank": "int32",
    "is_new": "bool",
}
_ROWS = 50_000


def no_interests() -> pd.DataFrame:
    """An empty table of interests."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in INTEREST_COLUMNS.items()})


def quintiles(values: pd.Series, *, low_is_best: bool = False, counted: bool = False) -> list[float]:
    """The values at which the scores 2, 3, 4 and 5 (best) begin; unknown where a score is nobody's.

    A value's score is the fifth in which the middle one of its equals stands, counted from the worst: 3 where all are equal. Of what is ``counted``,
    so that one stands for little however many have it, it is that of the first of its equals, unless all are equal.

    >>> values = pd.Series([1.0, 1.0, 1.0, 2.0, 9.0])
    >>> scores_by(values, quintiles(values)).tolist(), scores_by(values, quintiles(values, counted=True)).tolist()
    ([2, 2, 2, 4, 5], [1, 1, 1, 4, 5])
    >>> scores_by(pd.Series([7.0, 7.0]), quintiles(pd.Series([7.0, 7.0]), counted=True)).tolist()
    [3, 3]
    """
    known = values.dropna()
    ranked = -known if low_is_best else known
    place = ranked.rank(method="min") - 1 if counted and known.nunique() > 1 else ranked.rank(method="average") - 0.5
    scores = place * 5 // max(len(known), 1) + 1
    return [float(known[scores >= score].agg("max" if low_is_best else "min")) for score in (2, 3, 4, 5)]


def scores_by(values: pd.Series, begins: Sequence[float], *, low_is_best: bool = False) -> pd.Series:
    """Scores 1 to 5 (best) by where they begin (``quintiles``), equal for equal values, unknown for unknown ones."""
    passed = [values <= begin if low_is_best else values >= begin for begin in begins]
    scores = pd.Series(1 + np.sum(passed, axis=0), index=values.index, name=values.name, dtype="Int8")
    return scores.where(values.notna())


@dataclass
class BestCustomers:
    """Collects the best customers of each set, block by block."""

    customer_ids: NDArray[np.object_]
    ever: csc_matrix
    count: int
    parts: list[pd.DataFrame] = field(default_factory=list)

    def add(self, product_set: ProductSet, position: int, probability: Floats) -> None:
        """Take in the probabilities of one set, the ``position``-th column of ``ever``."""
        order = best_first(probability, self.count)
        buyers = self.ever.indices[self.ever.indptr[position] : self.ever.indptr[position + 1]]
        cells = {
            "product_set_kind": product_set.kind,
            "product_set": product_set.label,
            "customer_id": self.customer_ids[order],
            "probability": probability[order],
            "rank": np.arange(1, len(order) + 1),
            "is_new": ~np.isin(order, buyers),
        }
        self.parts.append(pd.DataFrame(cells).astype(INTEREST_COLUMNS))

    def table(self) -> pd.DataFrame:
        """All of them, sorted by kind, set and rank."""
        if not self.parts:
            return no_interests()
        return pd.concat(self.parts).sort_values(["product_set_kind", "product_set", "rank"], ignore_index=True)


@dataclass
class BestSets:
    """Collects the best sets of each customer, block by block: only ``count`` a customer are ever held."""

    customers: int
    count: int

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.probability = np.full((self.customers, self.count), -1, np.float32)
        self.position = np.full((self.customers, self.count), -1, np.int32)

    def add(self, positions: NDArray[np.int32], block: Floats) -> None:
        """Take in the probabilities (customers x sets) of the sets with these positions; on a tie the set taken in first stays first."""
        for start in range(0, self.customers, _ROWS):
            rows = slice(start, start + _ROWS)
            values = np.hstack([self.probability[rows], block[rows]])
            order = np.argsort(-values, axis=1, kind="stable")[:, : self.count]
            of_block = np.broadcast_to(positions, (len(values), len(positions)))
            self.position[rows] = np.take_along_axis(np.hstack([self.position[rows], of_block]), order, axis=1)
            self.probability[rows] = np.take_along_axis(values, order, axis=1)

    def table(self, customer_ids: NDArray[np.object_], sets: list[ProductSet], ever: csc_matrix) -> pd.DataFrame:
        """The best sets of every customer, sorted by customer and rank; ``rank`` is the set's among the customer's."""
        row, rank = np.nonzero(self.position >= 0)
        if not len(row):
            return no_interests()
        column = self.position[row, rank]
        bought = np.asarray(ever.tocsr()[row, column]).ravel() > 0
        cells = {
            "product_set_kind": np.array([each.kind for each in sets], dtype=object)[column],
            "product_set": np.array([each.label for each in sets], dtype=object)[column],
            "customer_id": customer_ids[row],
            "probability": self.probability[row, rank],
            "rank": rank + 1,
            "is_new": ~bought,
        }
        return pd.DataFrame(cells).astype(INTEREST_COLUMNS)
