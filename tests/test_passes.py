"""What a question costs is counted, not timed: how often the orders are looked at, and how many pairs the trees are asked about, each by itself."""

import re
import shutil
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from features.config import Config
from features.products import Catalogue
from features.sections import ScoreSection
from features.shop import Shop
from features.snapshot import Snapshot
from models.base import Floats
from models.bundle import Bundle
from models.pairs.interest import Interest
from models.pairs.training_sets import main_products
from serving.published import open_as_of
from serving.scores import score

AS_OF = date(2026, 7, 1)


class Queries:
    """Counts how often the query engine of a shop looks at a table while something is asked."""

    def __init__(self, shop: Shop) -> None:
        self.engine = shop.engine
        self.engine.raw_sql("CALL enable_logging('QueryLog')")

    def passes(self, table: str, ask: Callable[[], object]) -> int:
        self.engine.raw_sql("CALL truncate_duckdb_logs()")
        ask()
        found = self.engine.raw_sql("SELECT message FROM duckdb_logs WHERE type = 'QueryLog'").fetchall()
        return sum(len(re.findall(rf'main"?\."?{table}\b', message)) for (message,) in found)


@pytest.fixture
def shop(trained_shop: Path) -> Shop:
    return Shop.open(trained_shop)


@pytest.fixture
def bundle(trained_shop: Path) -> Bundle:
    return Bundle.load(next((trained_shop / "bundles").iterdir()))


@pytest.mark.parametrize(
    "ask, most",
    [
        (lambda snapshot: snapshot.customers(), 1),
        (lambda snapshot: snapshot.matrices("product", (30, 180, None)), 1),
        (lambda snapshot: snapshot.pairs(main_products(snapshot, limit=1)), 4),
        (lambda snapshot: snapshot.pairs(main_products(snapshot, limit=40)), 4),
    ],
    ids=["customers", "matrices of three half-lives", "one set", "forty sets"],
)
def test_lines_are_looked_at_as_often_for_many_as_for_one(ask: Callable[[Snapshot], object], most: int, shop: Shop) -> None:
    snapshot = Snapshot(shop, AS_OF)
    _ = snapshot.codes, snapshot.shop.days, main_products(snapshot, limit=1), shop.lines
    found = Queries(shop).passes("coded_lines", lambda: ask(snapshot))
    assert 0 < found <= most


def test_the_trees_are_asked_one_by_one_about_pairs_with_a_history_alone(shop: Shop, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, probability = [], Interest.probability

    def counted(model: Interest, columns: pd.DataFrame) -> Floats:
        asked.append(len(columns))
        return probability(model, columns)

    monkeypatch.setattr(Interest, "probability", counted)
    snapshot = Snapshot(shop, AS_OF, bundle.horizon)
    sets = main_products(snapshot, limit=40)
    pairs = snapshot.pairs(sets)
    with_history = len(pairs.acquainted(0, len(sets))[0])
    assert bundle.interest(snapshot, sets).shape == (len(snapshot.customer_ids), len(sets))
    assert sum(asked) == with_history < 0.5 * len(snapshot.customer_ids) * len(sets)


def test_what_was_scored_is_asked_of_the_lines_of_the_set_alone(trained_shop: Path, tmp_path: Path) -> None:
    """No facts, matrices or totals of all customers: what the scores keep is read."""
    folder = Path(shutil.copytree(trained_shop, tmp_path / "shop"))
    score(folder, config=Config(score=ScoreSection(product_sets=("category: Tents",))))
    counts = {}
    for anew in (True, False):
        bundle, snapshot = open_as_of(folder, None, bundle=None, memory_limit=None, threads=1, anew=anew)
        one = [Catalogue.of(snapshot.shop).keyword("ice axe")]
        _ = snapshot.shop.days, snapshot.shop.has_lines, snapshot.shop.has_events
        queries = Queries(snapshot.shop)
        ask = partial(bundle.interest, snapshot, one)
        counts[anew] = queries.passes("coded_lines", ask)
    assert counts[False] == 3 < counts[True]
