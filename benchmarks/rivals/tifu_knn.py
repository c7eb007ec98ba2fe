"""TIFU-KNN: item frequencies with two decays, mixed with those of the nearest users (Hu, He, Gao, Zhang: Modeling Personalized Item Frequency
Information for Next-basket Recommendation, SIGIR 2020).

    python tifu_knn.py FOLDER products|sets

The items of the paper are products, whose scores are summed over a set, or the sets themselves.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from exchange import Past, Scores, baskets, best, of_sets, write
from scipy.sparse import csr_matrix

BLOCK = 1000


@dataclass(frozen=True)
class Setting:
    """Neighbours, groups, decay within a group, decay of groups, and the share of one's own frequencies."""

    neighbours: int
    groups: int
    within: float
    between: float
    own: float

    def __str__(self) -> str:
        return f"k {self.neighbours}, m {self.groups}, r_b {self.within:g}, r_g {self.between:g}, alpha {self.own:g}"


SETTINGS = [
    Setting(300, 7, 0.9, 0.7, 0.7),  # of the paper: Ta-Feng
    Setting(900, 3, 0.9, 0.6, 0.2),  # of the paper: Dunnhumby
    Setting(300, 7, 1.0, 0.6, 0.7),  # of the paper: ValuedShopper
    Setting(900, 3, 0.9, 0.7, 0.9),  # of the paper: Instacart
    Setting(300, 3, 1.0, 0.9, 0.5),
    Setting(300, 3, 1.0, 1.0, 0.7),
]


def user_vectors(past: Past, setting: Setting, *, over: str) -> csr_matrix:
    """Each user's baskets in up to m groups in time, decayed within a group and between groups, both averaged: customers x items."""
    orders, held = baskets(past, over=over)
    groups = np.minimum(orders["orders"], setting.groups)
    group = orders["number"] * groups // orders["orders"]
    inside = orders.groupby([orders["customer"], group])["number"]
    within = setting.within ** inside.cumcount(ascending=False) / inside.transform("size")
    weight = within * setting.between ** (groups - 1 - group) / groups
    by_user = csr_matrix((weight, (orders["customer"], orders.index)), shape=(len(past.customers), len(orders)))
    return csr_matrix(by_user @ held)


def neighbours(vectors: csr_matrix, count: int) -> csr_matrix:
    """The nearest other users by Euclidean distance, each with one over their number: customers x customers."""
    squares = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    users, count = len(squares), min(count, len(squares) - 1)
    nearest = []
    for first in range(0, users, BLOCK):
        rows = np.arange(first, min(first + BLOCK, users))
        distance = squares[None, :] - 2 * (vectors[rows] @ vectors.T).toarray()
        distance[np.arange(len(rows)), rows] = np.inf
        nearest.append(np.argpartition(distance, count - 1, axis=1)[:, :count])
    columns = np.vstack(nearest).ravel()
    return csr_matrix((np.full(len(columns), 1 / count), (np.repeat(np.arange(users), count), columns)), shape=(users, users))


def scores(past: Past, setting: Setting, *, over: str) -> Scores:
    """alpha times one's own vector plus the rest of the mean of the neighbours'; who never ordered has 0 and is nobody's neighbour."""
    known = np.flatnonzero(past.known())
    vectors = user_vectors(past, setting, over=over)[known]
    own = of_sets(past, vectors, over=over).toarray()
    found = np.zeros((len(past.customers), own.shape[1]))
    found[known] = setting.own * own + (1 - setting.own) * (neighbours(vectors, setting.neighbours) @ own)
    return found


def main(folder: Path, over: str) -> None:
    past = Past.read(folder)
    scores_over = partial(scores, over=over)
    chosen = best(SETTINGS, scores_over, past)
    write(folder, past, scores_over(past, chosen), settings=str(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
