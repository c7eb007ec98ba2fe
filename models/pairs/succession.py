"""What customers bought, and when, becomes what they buy next: a regression of the coming horizon's purchases on those before it.

It knows what follows what (a helmet after a bicycle), how soon, and how that fades, for every word, category and brand at once. Rolling windows that
had closed before the date are what it learns from. Like every affinity it is linear in the set.

Source: a ridge regression of many outcomes on common columns, cut to its strongest directions (reduced-rank regression, Izenman 1975).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, diags, hstack, vstack

from features.products import ProductSet
from features.snapshot import Snapshot
from models.base import Arrays, Floats, log2p

RECENCY = np.array([3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 540])
"""Days since the last order, inclusive upper ends of steps; the last step is open."""
FREQUENCY = np.array([2, 3, 4, 6, 10, 20, 50])
"""Orders, lower ends of steps."""
HABITS = ("orders_90", "lines_decayed_30", "lines_decayed_90", "basket", "monetary")
LOOKED_BACK = (30, 180, None)
"""Half-lives in days of the orders that are looked back on; without one, whether there was any."""
Orders = Sequence[tuple[csr_matrix, pd.Index]]


@dataclass(frozen=True)
class SuccessionConfig:
    """Settings: ``windows`` past horizons, each with at most ``customers`` of its customers; a window counts half as much as one that is
    ``half_life`` days later. The ``attributes`` that most customers bought are looked back on, the ``targets`` foreseen; ``rank`` directions
    are kept."""

    windows: int = 3
    customers: int = 50_000
    half_life: float = 90.0
    attributes: int = 400
    targets: int = 2000
    regularization: float = 300.0
    rank: int = 48


@dataclass(frozen=True, eq=False)
class Succession:
    """The fitted regression: ``inputs`` (columns x rank) times ``outputs`` (rank x targets).

    Columns are steps of recency and frequency, habits, and orders with each of the attributes ``seen`` (lately, over long, ever);
    ``targets`` are attributes, too: both are positions in the affinity's own list. Without a closed window both are empty and nothing is foreseen.
    """

    seen: NDArray[np.intp]
    targets: NDArray[np.intp]
    inputs: Floats
    outputs: Floats

    @classmethod
    def fit(cls, snapshot: Snapshot, attributes: csr_matrix, *, most_bought: NDArray[np.intp], config: SuccessionConfig, seed: int) -> Self:
        """Learn from the windows that closed by the snapshot's date.

        ``attributes`` are all products of the shop x attributes; ``most_bought`` attributes in order of their number of customers, most first.
        """
        seen, targets = np.sort(most_bought[: config.attributes]), np.sort(most_bought[: config.targets])
        past = _closed(snapshot, config.windows)
        if not past or not len(targets):
            return cls(seen, targets, np.zeros((columns_of(seen), 0), np.float32), np.zeros((0, len(targets)), np.float32))
        rng = np.random.default_rng([seed, snapshot.day, 11])
        rows, outcomes, weights = [], [], []
        for each in past:
            people = len(each.customer_ids)
            chosen = np.sort(rng.permutation(people)[: config.customers])
            rows.append(_columns(each, attributes, seen, each.matrices("product", LOOKED_BACK))[chosen])
            outcomes.append((_bought(each).astype(np.float32)[chosen] @ attributes)[:, targets])
            weights.append(np.full(len(chosen), 0.5 ** ((past[0].day - each.day) / config.half_life) * people / len(chosen), np.float32))
        inputs, outputs = _reduced(vstack(rows).toarray(), vstack(outcomes).tocsr(), np.concatenate(weights), config=config, seed=seed)
        return cls(seen, targets, inputs, outputs)

    def left(self, snapshot: Snapshot, attributes: csr_matrix, orders: Orders) -> Floats:
        """Where every customer of the snapshot is bound for: customers x rank; ``orders`` are its matrices by product, as ``LOOKED_BACK``."""
        return np.asarray(_columns(snapshot, attributes, self.seen, orders) @ self.inputs, np.float32)

    def right(self, kinds: csr_matrix) -> Floats:
        """The same of sets, from their attributes (attributes x sets): rank x sets."""
        return np.asarray((kinds[self.targets].T @ self.outputs.T).T, np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that is kept."""
        return {"next.seen": self.seen, "next.targets": self.targets, "next.inputs": self.inputs, "next.outputs": self.outputs}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """The inverse of ``arrays``."""
        seen, targets = (arrays[f"next.{name}"].astype(np.intp) for name in ("seen", "targets"))
        inputs, outputs = (arrays[f"next.{name}"].astype(np.float32) for name in ("inputs", "outputs"))
        return cls(seen, targets, inputs, outputs)


def columns_of(seen: Sequence[int] | NDArray[np.intp]) -> int:
    """How many columns are read of a customer when so many attributes are ``seen``."""
    return len(RECENCY) + 1 + len(FREQUENCY) + 1 + len(HABITS) + 3 * len(seen)


def _closed(snapshot: Snapshot, windows: int) -> list[Snapshot]:
    """The dates whose horizon ended by the snapshot's, newest first, with at least a horizon of orders before them."""
    horizon, first = snapshot.horizon, snapshot.shop.days[0]
    days = [timedelta(days=horizon * (k + 1)) for k in range(windows)]
    return [snapshot.at(snapshot.as_of - back) for back in days if snapshot.day - back.days - first >= horizon]


def _bought(snapshot: Snapshot) -> csr_matrix:
    """Who bought which product of the shop in the horizon."""
    return snapshot.outcome([ProductSet(product, (product,), "product") for product in snapshot.shop.product_ids])


def _columns(snapshot: Snapshot, attributes: csr_matrix, seen: NDArray[np.intp], orders: Orders) -> csr_matrix:
    facts = snapshot.customers()
    steps = [
        _steps(np.searchsorted(RECENCY, facts["recency"]), len(RECENCY) + 1),
        _steps(np.searchsorted(FREQUENCY, facts["frequency"], side="right"), len(FREQUENCY) + 1),
    ]
    habits = csr_matrix(np.log1p(facts[list(HABITS)].fillna(0).clip(lower=0).to_numpy()))
    chosen = attributes[:, seen]
    places = pd.Index(snapshot.shop.product_ids)
    looked_back = [
        ((matrix if half_life else matrix.astype(bool)) @ chosen[places.get_indexer(names)]).tocsr()
        for half_life, (matrix, names) in zip(LOOKED_BACK, orders, strict=True)
    ]
    joined: csr_matrix = hstack([*steps, habits, *map(log2p, looked_back)], format="csr", dtype=np.float32)
    return joined


def _steps(step: NDArray[np.intp], count: int) -> csr_matrix:
    return csr_matrix((np.ones(len(step), np.float32), (np.arange(len(step)), step)), shape=(len(step), count))


def _reduced(rows: Floats, outcomes: csr_matrix, weight: Floats, *, config: SuccessionConfig, seed: int) -> tuple[Floats, Floats]:
    """The ridge regression cut to the directions in which its predictions vary most; ``rows`` are overwritten."""
    from sklearn.utils.extmath import randomized_svd

    root = np.sqrt(weight)
    rows *= root[:, None]
    gram = (rows.T @ rows).astype(np.float64)  # of one matrix with itself: half the work
    size = np.sqrt(np.diag(gram)) + 1e-6
    gram[np.diag_indices_from(gram)] += config.regularization
    solved = cho_solve(cho_factor(gram), np.asarray(((diags(root) @ outcomes).T @ rows).T, np.float64))
    left, strength, right = randomized_svd(size[:, None] * solved, min(config.rank, *solved.shape), random_state=seed)
    return (left * strength / size[:, None]).astype(np.float32), right.astype(np.float32)
