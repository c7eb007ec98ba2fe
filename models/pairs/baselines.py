"""Rules that need no training, and two that are fitted, as scores beside our models': a model that does not beat them is not worth its keep.

Each takes a snapshot and its pairs and gives float32 scores, customers x sets, higher is likelier.
They hold whole matrices: for measuring, not for serving.
Customers who are equal to a rule are tied; "ties by" says what decides then.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from features.expressions import UNIT, decayed
from features.pairs import HISTORY_FEATURES, members, set_visits
from features.snapshot import Pairs, Snapshot
from models.base import Floats
from models.customers.volume import VolumeConfig, expected_products

Rule = Callable[[Snapshot, Pairs], Floats]
SEED = 1


@dataclass(frozen=True)
class Baseline:
    """One rule: what it is called in tables, and how it scores. ``learned`` marks those that are fitted."""

    meaning: str
    scores: Rule
    learned: bool = False


def pair_feature(pairs: Pairs, name: str, *, missing: float = 0.0) -> Floats:
    """One of ``HISTORY_FEATURES`` as a dense matrix customers x sets, ``missing`` where there is no history."""
    shape = (len(pairs.sets), len(pairs.snapshot.customer_ids))
    values = np.full(shape, missing, np.float32)
    column = [feature.name for feature in HISTORY_FEATURES].index(name)
    values.ravel()[pairs.keys] = pairs.values[:, column]
    return values.T


def customer_feature(pairs: Pairs, name: str) -> Floats:
    """One of ``CUSTOMER_FEATURES``, the same for every set: a read-only matrix customers x sets."""
    return _for_all_sets(pairs.snapshot.customers()[name].to_numpy(np.float32), pairs)


def with_ties_by(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    """Within every column the rank (0 = lowest) by ``first``, equals by ``second``, equals in both sharing a rank.

    >>> with_ties_by(np.array([[1.0], [2.0], [1.0], [2.0]]), np.array([[5.0], [0.0], [7.0], [0.0]])).T.tolist()
    [[0.0, 2.0, 1.0, 2.0]]
    """
    ranks = np.empty(first.shape, np.float32)
    for place in range(first.shape[1]):
        main, tie = first[:, place], second[:, place]
        order = np.lexsort((tie, main))
        main, tie = main[order], tie[order]
        rises = (main[1:] != main[:-1]) | (tie[1:] != tie[:-1])
        ranks[order, place] = np.concatenate([[0], np.cumsum(rises)])
    return ranks


def random(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Chance, the same at every call."""
    shape = (len(snapshot.customer_ids), len(pairs.sets))
    return np.random.default_rng(SEED).random(shape, dtype=np.float32)


def recency(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Who ordered last."""
    return -customer_feature(pairs, "recency")


def orders(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Who ordered most often."""
    return customer_feature(pairs, "frequency")


def recency_in_set(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Who ordered from the set last, ties by the last order of anything."""
    return with_ties_by(-pair_feature(pairs, "set_recency", missing=np.inf), recency(snapshot, pairs))


def orders_from_set(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Who ordered from the set most often."""
    return pair_feature(pairs, "set_orders")


def orders_from_set_then_orders(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set, ties by the number of orders."""
    return with_ties_by(orders_from_set(snapshot, pairs), orders(snapshot, pairs))


def orders_from_set_then_sets(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set, ties by the number of different sets (of those asked about) ever bought from."""
    sets = np.asarray(pairs.bought().sum(axis=1), np.float32).ravel()
    return with_ties_by(orders_from_set(snapshot, pairs), _for_all_sets(sets, pairs))


def orders_from_set_then_products(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set, ties by the number of different products ever bought."""
    return with_ties_by(orders_from_set(snapshot, pairs), customer_feature(pairs, "products"))


def decayed_orders_60(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set, each worth half after 60 days."""
    visits = set_visits(snapshot.shop, members(snapshot.shop, pairs.membership), snapshot.day)
    known = visits.filter(visits.customer.notnull())
    found = known.group_by("customer", "set").agg(weight=decayed(known.ago, 60).sum() / UNIT).to_pyarrow()
    scores = np.zeros((len(snapshot.codes), len(pairs.sets)), np.float32)
    scores[np.searchsorted(snapshot.codes, found["customer"].to_numpy()), found["set"].to_numpy()] = found["weight"].to_numpy()
    return scores


def orders_times_lines_90(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set x the customer's product lines, each worth half after 90 days; ties by the latter."""
    lines = customer_feature(pairs, "lines_decayed_90")
    return with_ties_by(orders_from_set(snapshot, pairs) * lines, lines)


def decayed_orders_120_times_lines_90(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set, each worth half after 120 days, x the customer's product lines, worth half after 90; ties by the latter."""
    lines = customer_feature(pairs, "lines_decayed_90")
    return with_ties_by(pair_feature(pairs, "set_decayed_120") * lines, lines)


def decayed_orders_120_times_expected_products(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders from the set, each worth half after 120 days, x the products expected of the customer by a model of volume that is fitted on the six
    dates before; ties by the latter."""
    expected = _for_all_sets(expected_products(snapshot, dates=6, config=VolumeConfig(seed=SEED, threads=1)), pairs)
    return with_ties_by(pair_feature(pairs, "set_decayed_120") * expected, expected)


def shrunk_rate(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """Orders per day, shrunk by 100 days, x the share of them with the set, shrunk to the set's own share as if .3 orders with it were seen.

    Both are means of a gamma-Poisson (and a beta-binomial) with a prior of fixed weight.
    """
    count, all_orders = orders_from_set(snapshot, pairs), orders(snapshot, pairs)
    usual = count.sum(axis=0) / all_orders.sum(axis=0)
    share = (count + 0.3) / (all_orders + 0.3 / np.maximum(usual, 1e-9))
    return np.asarray(share * all_orders / (customer_feature(pairs, "age") + 100), np.float32)


def als(snapshot: Snapshot, pairs: Pairs) -> Floats:
    """ALS alone (Hu, Koren, Volinsky 2008): 64 factors, alpha 10, log counts of orders by product, summed over the products of a set."""
    bought, names = snapshot.matrix("product")
    counts = csr_matrix((np.log1p(bought.data), bought.indices, bought.indptr), shape=bought.shape)
    with threadpool_limits(1, "blas"):  # the constructor, too: it warns of several threads
        model = AlternatingLeastSquares(factors=64, alpha=10.0, iterations=15, random_state=SEED, num_threads=1)
        model.fit(counts, show_progress=False)
    sets = pairs.membership[pd.Index(snapshot.shop.product_ids).get_indexer(names)]
    return np.asarray(model.user_factors @ (sets.T @ model.item_factors).T, np.float32)


def _for_all_sets(values: NDArray[np.float32], pairs: Pairs) -> Floats:
    return np.broadcast_to(values[:, None], (len(values), len(pairs.sets)))


BASELINES: dict[str, Baseline] = {
    "random": Baseline("random", random),
    "recency": Baseline("recency of the last order", recency),
    "orders": Baseline("number of orders", orders),
    "recency_in_set": Baseline("recency in the set, ties by recency of the last order", recency_in_set),
    "orders_from_set": Baseline("orders from the set", orders_from_set),
    "orders_from_set_then_orders": Baseline("orders from the set, ties by number of orders", orders_from_set_then_orders),
    "orders_from_set_then_sets": Baseline("orders from the set, ties by number of distinct sets", orders_from_set_then_sets),
    "orders_from_set_then_products": Baseline("orders from the set, ties by number of distinct products", orders_from_set_then_products),
    "decayed_orders_60": Baseline("decayed orders from the set (60 days)", decayed_orders_60),
    "orders_times_lines_90": Baseline("orders from the set x decayed lines (90 days), ties by the latter", orders_times_lines_90),
    "decayed_orders_120_times_lines_90": Baseline(
        "decayed orders from the set (120 days) x decayed lines (90 days), ties by the latter", decayed_orders_120_times_lines_90
    ),
    "shrunk_rate": Baseline("shrunk purchase rate", shrunk_rate),
    "decayed_orders_120_times_expected_products": Baseline(
        "decayed orders from the set (120 days) x products expected of the customer, ties by the latter",
        decayed_orders_120_times_expected_products,
        learned=True,
    ),
    "als": Baseline("ALS alone (64 factors, alpha 10, log counts)", als, learned=True),
}
"""All of them, weakest first."""
