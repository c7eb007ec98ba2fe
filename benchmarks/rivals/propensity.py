"""The usual propensity template: recency, frequency, money and counts by category, one model per category, learnt on the window before.

    python propensity.py FOLDER trees|regression

It has to know the sets: they are its categories. A set that nobody (or everybody) bought from in that window is ranked by orders from it.
"""

import sys
from functools import partial
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from exchange import Past, Scores, baskets, best, write
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

TREES = {"objective": "binary", "num_leaves": 7, "learning_rate": 0.05, "feature_fraction": 0.5, "num_threads": 1, "verbosity": -1}
ROUNDS = 60


def rfm(past: Past) -> pd.DataFrame:
    """Recency, frequency and money, age, and both counts of the last 90 days: a row per customer, 0 orders for who never came."""
    orders = past.lines.groupby(["customer", "order"]).agg(ago=("ago", "max"), amount=("amount", "sum")).reset_index()
    late = orders[orders["ago"] <= 90].groupby("customer")["amount"].agg(["size", "sum"])
    found = orders.groupby("customer").agg(
        recency=("ago", "min"), age=("ago", "max"), frequency=("ago", "size"), money=("amount", "sum"), basket=("amount", "mean")
    )
    found[["orders_90", "money_90"]] = late.reindex(found.index).fillna(0.0)
    return found.reindex(range(len(past.customers))).fillna({"recency": past.horizon * 100}).fillna(0.0)


def orders_by_set(past: Past) -> NDArray[np.float64]:
    """Orders from each set: customers x sets."""
    orders, held = baskets(past, over="sets")
    by_user = csr_matrix((np.ones(len(orders)), (orders["customer"], orders.index)), shape=(len(past.customers), len(orders)))
    return np.asarray((by_user @ held).toarray())


def columns(past: Past) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the models read, and the counts among it."""
    by_set = orders_by_set(past)
    return np.hstack([np.log1p(np.maximum(rfm(past).to_numpy(), 0)), np.log1p(by_set)]), by_set


def with_trees(known: NDArray[np.float64], bought: NDArray[np.bool_], asked: NDArray[np.float64], *, leaf: int, seed: int) -> Scores:
    """The probabilities of LightGBM, set by set; ``leaf`` is the fewest customers in a leaf."""
    settings = TREES | {"seed": seed, "min_data_in_leaf": leaf}
    table = lightgbm.Dataset(known, label=bought[:, 0], free_raw_data=False, params=settings).construct()
    models = (lightgbm.train(settings, table.set_label(column), ROUNDS) for column in bought.T)
    return np.column_stack([np.asarray(model.predict(asked)) for model in models])


def with_regression(known: NDArray[np.float64], bought: NDArray[np.bool_], asked: NDArray[np.float64], *, penalty: float, seed: int) -> Scores:
    """The probabilities of a logistic regression, set by set; ``penalty`` is scikit-learn's C: more is freer."""
    scale = StandardScaler().fit(known)
    before, now = scale.transform(known), scale.transform(asked)
    models = (LogisticRegression(C=penalty, max_iter=200, random_state=seed).fit(before, column) for column in bought.T)
    return np.column_stack([model.predict_proba(now)[:, 1] for model in models])


LEARNERS = {
    "trees": {f"{ROUNDS} trees of 7 leaves, at least 100 in a leaf": partial(with_trees, leaf=100)},
    "regression": {f"C {penalty:g}": partial(with_regression, penalty=penalty) for penalty in (0.0003, 0.001, 0.01, 0.1)},
}


def scores(past: Past, setting: str, *, learner: str) -> Scores:
    """Learnt on the horizon before the date, customers x sets."""
    earlier, bought = past.earlier(), past.outcome()
    known = earlier.known()
    (before, _), (now, found) = columns(earlier), columns(past)
    learnable = bought[known].any(axis=0) & ~bought[known].all(axis=0)
    found[:, learnable] = LEARNERS[learner][setting](before[known], bought[known][:, learnable], now, seed=past.seed)
    return found


def main(folder: Path, learner: str) -> None:
    past = Past.read(folder)
    scores_of = partial(scores, learner=learner)
    chosen = best(LEARNERS[learner], scores_of, past)
    write(folder, past, scores_of(past, chosen), settings=chosen)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
