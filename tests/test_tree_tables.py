"""Looking trees up says what LightGBM says: on the limits themselves, for what is unknown, for trees with few splits and with many."""

from typing import Literal

import numpy as np
import pandas as pd
import pytest

from models import tree_tables
from models.base import Floats
from models.tree_tables import Trees
from models.trees import TreesConfig, boosted

ROWS, WIDTH = 3000, 6
BELOW = np.nextafter(np.finfo(np.float32).max, np.float32(0))


@pytest.fixture(autouse=True)
def tables_for_any_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_tables, "FEW_ROWS", 0)
    monkeypatch.setattr(tree_tables, "ROWS", 700)


def learnt(objective: Literal["binary", "poisson"] = "binary", *, leaves: int = 5) -> tuple[Trees, Floats]:
    """Trees, and rows to ask about: unknown values also where the trees learnt from none, the limits of the trees, and the next number above each."""
    rng = np.random.default_rng(1)
    columns = rng.gamma(0.5, 20, (ROWS, WIDTH)).astype(np.float32) * (rng.random((ROWS, WIDTH)) > 0.3) - np.float32(3)
    columns[rng.random(ROWS) < 0.2, :3] = np.nan
    rate = np.exp(-np.nan_to_num(columns[:, 0]) / 9 + np.isnan(columns[:, 1]) + np.cos(columns[:, 4]))
    came = rng.poisson(rate).astype(np.float32)
    config = TreesConfig(trees=40, leaves=leaves, least_in_leaf=20, column_share=0.7, row_share=1.0)
    frame = pd.DataFrame(columns, columns=[f"c{place}" for place in range(WIDTH)])
    trees = boosted(frame, came > 0 if objective == "binary" else came, None, objective=objective, config=config, seed=1, threads=1)
    columns[rng.random(columns.shape) < 0.1] = np.nan
    for at, split in enumerate([split for tree in trees.tables or [] for split in tree.splits]):
        columns[at % ROWS, split.column], columns[-at % ROWS, split.column] = split.limit, np.nextafter(min(split.limit, BELOW), np.float32(np.inf))
    return trees, columns


@pytest.mark.parametrize("objective", ["binary", "poisson"])
@pytest.mark.parametrize("leaves", [2, 5, 9, 31])
def test_scores_are_those_of_lightgbm(objective: Literal["binary", "poisson"], leaves: int) -> None:
    trees, columns = learnt(objective, leaves=leaves)
    assert (trees.tables is None) == (leaves > 9)
    np.testing.assert_array_equal(trees.raw_scores(columns, threads=2), trees.booster.predict(columns, raw_score=True))


@pytest.mark.parametrize("leaves", [2, 5, 7, 31])
def test_contributions_are_those_of_lightgbm(leaves: int) -> None:
    trees, columns = learnt(leaves=leaves)
    together = np.asarray([[1, 0], [1, 0], [0, 1], [0, 0], [0, 1], [1, 0]], np.float32)
    theirs = np.asarray(trees.booster.predict(columns, pred_contrib=True), np.float64)[:, :-1]
    np.testing.assert_allclose(trees.contributions(columns, np.eye(WIDTH), threads=2), theirs, atol=1e-12)
    np.testing.assert_allclose(trees.contributions(columns, together, threads=1), theirs @ together, atol=1e-12)


def test_contributions_of_few_rows_are_asked_of_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    trees, columns = learnt()
    monkeypatch.setattr(tree_tables, "FEW_ROWS", ROWS + 1)
    monkeypatch.setattr(tree_tables, "_summed", None)
    assert trees.contributions(columns[:1], np.eye(WIDTH), threads=1).shape == (1, WIDTH)


def test_trees_that_are_begun_say_the_same() -> None:
    trees, columns = learnt(leaves=7)
    columns[:, 2:4] = columns[7, 2:4]
    named = {f"c{place}": columns[:, place] for place in range(WIDTH)}
    begun = trees.begun({name: named[name] for name in ("c0", "c5")})
    said = begun.raw_scores({name: np.asarray(named[name][0]) for name in ("c2", "c3")}, {name: named[name] for name in ("c1", "c4")}, threads=2)
    np.testing.assert_array_equal(said, trees.raw_scores(columns, threads=2))
