"""The features, written a second time in pandas by other hands' means, come to the same numbers."""

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from features.customers import CUSTOMER_FEATURES
from features.dates import day_number
from features.events import EVENT_NAMES, SET_EVENT_NAMES
from features.files import read_current
from features.pairs import HISTORY_FEATURES, SET_FEATURES
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot

RIVALS = Path(__file__).resolve().parent.parent / "benchmarks" / "rivals"
HORIZON = 30


@pytest.fixture
def in_pandas(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(RIVALS))
    return import_module("pandas_tables"), import_module("pandas_facts")


def same(theirs: pd.DataFrame, ours: pd.DataFrame, *, weight: pd.Series | float = 1.0) -> None:
    """Every column to a millionth; decayed sums, which whobuys rounds to 2**-20 a row, to a millionth of as many rows as there are."""
    for name in ours:
        left, right = theirs[name].to_numpy(np.float64), ours[name].to_numpy(np.float64)
        assert (np.isnan(left) == np.isnan(right)).all(), name
        slack = np.maximum(np.abs(right), weight if "decayed" in str(name) else 1.0)
        worst = np.nanmax(np.abs(left - right) / slack, initial=0.0)
        assert worst <= 1e-6, f"{name}: {worst}"


@pytest.mark.parametrize("back", [0, 900])
def test_both_come_to_the_same_facts(in_pandas: tuple[ModuleType, ModuleType], trained_shop: Path, back: int) -> None:
    tables, facts = in_pandas
    shop = Shop.open(trained_shop)
    as_of = shop.default_as_of - timedelta(days=back)
    snapshot, sets = Snapshot(shop, as_of, HORIZON), some_sets(shop)
    known = tables.purchases_of(trained_shop / read_current(trained_shop)["tables"]).before(day_number(as_of), horizon=HORIZON)
    people, expected = facts.customer_facts(known), snapshot.customers()
    assert (shop.customer_ids[known.people] == snapshot.customer_ids).all()
    same(people, expected[[each.name for each in CUSTOMER_FEATURES]], weight=expected["lines"])
    same(facts.event_facts(known, people), expected[list(EVENT_NAMES)])

    pairs, asked = snapshot.pairs(sets), known_members(shop, sets)
    of_pairs, of_sets = facts.pair_facts(known, asked)
    assert (of_pairs.index.to_numpy() == pairs.keys).all()
    history = pd.DataFrame(pairs.values.astype(np.float64), columns=[each.name for each in HISTORY_FEATURES])
    same(of_pairs, history, weight=history["set_lines"])
    same(of_sets, pairs.set_facts[[each.name for each in SET_FEATURES]])
    seen = facts.set_event_facts(known, asked)
    assert pairs.events is not None
    assert (seen.index.to_numpy() == pairs.events.keys).all()
    same(seen, pd.DataFrame(pairs.events.values, columns=list(SET_EVENT_NAMES)))


def some_sets(shop: Shop) -> list[ProductSet]:
    """Categories, brands, a product, and one set that was never sold."""
    catalogue = Catalogue.of(shop)
    names = [*list(catalogue.categories)[:20], *list(catalogue.brands)[:5]]
    return [*(catalogue.named(name) for name in names), ProductSet(shop.product_ids[7], (shop.product_ids[7],), "product")]


def known_members(shop: Shop, sets: list[ProductSet]) -> pd.DataFrame:
    codes = pd.Index(shop.product_ids)
    rows = [(codes.get_loc(product), place) for place, each in enumerate(sets) for product in each.product_ids]
    return pd.DataFrame(rows, columns=["product", "set"])
