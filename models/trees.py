"""Boosted trees: one place where their settings become LightGBM's."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Floats
from models.tree_tables import Trees

BIN_ROWS = 50_000
"""Rows from which the steps of each column are found: more take seconds and change no step by much."""


@dataclass(frozen=True)
class TreesConfig:
    """Settings of the trees (LightGBM's, under plain names); shares and the least rows of a leaf keep them from learning rows by heart.
    ``least_in_leaf`` falls to 1 % of the rows where these are few."""

    trees: int = 160
    leaves: int = 7
    learning_rate: float = 0.1
    least_in_leaf: int = 600
    column_share: float = 0.2
    row_share: float = 0.7
    ridge: float = 20.0


CUSTOMER_TREES = TreesConfig(trees=150, leaves=5, learning_rate=0.05, least_in_leaf=100, column_share=0.5, row_share=1.0)
"""What suits a row per customer: fewer rows, and fewer columns, than a row per pair."""


def boosted(
    columns: pd.DataFrame,
    outcome: NDArray[np.bool_] | Floats,
    weight: Floats | None,
    *,
    objective: Literal["binary", "poisson"],
    config: TreesConfig,
    seed: int,
    threads: int,
) -> Trees:
    """Trees that learnt from a row per case. The same seed gives the same trees, whatever the threads.

    Histograms are made column by column: where a tree sees a fifth of the columns, that takes half the time.
    Source: LightGBM (Ke and others 2017); for counts the deviance of a Poisson distribution.
    """
    import lightgbm as lgb

    settings = {
        "objective": objective,
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": min(config.least_in_leaf, max(5, len(columns) // 100)),
        "feature_fraction": config.column_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": int(config.row_share < 1),
        "lambda_l2": config.ridge,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "seed": seed,
        "bin_construct_sample_cnt": BIN_ROWS,
        "verbose": -1,
    }
    learnt = lgb.train(settings, lgb.Dataset(columns, np.asarray(outcome, np.float32), weight=weight), config.trees)
    return Trees(learnt.model_to_string())
