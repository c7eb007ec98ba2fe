"""Suggestions: learned pairs and long-tail products are those that were planted, not what is popular, replaceable or bought together by chance."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.conditions import Floats
from features.config import Config
from features.errors import DataError
from features.made_up import END, MadeUpShop, made_up_shop
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from serving.suggestions import CrossSell, cross_sell, long_tail
from training.fits import Fits
from training.train import recipe_of

PROVEN = [(0.3, seed) for seed in range(3, 13)] + [(1.0, 1), (1.0, 2), (1.5, 1)]


@cache
def made(scale: float, seed: int) -> tuple[MadeUpShop, Snapshot]:
    shop = made_up_shop(scale=scale, seed=seed)
    return shop, Snapshot(Shop.of(shop.tables), END)


def planted(shop: MadeUpShop, pairs: Sequence[CrossSell]) -> list[bool]:
    truth = {(pair.first, pair.then) for pair in shop.truth.cross_sell}
    return [(pair.first, pair.then) in truth for pair in pairs]


# learned pairs


@pytest.mark.parametrize(
    "scale, seed", [(0.1, 1), (0.1, 2), (0.1, 3), (0.3, 1), (0.3, 2), *(pytest.param(*case, marks=pytest.mark.proof) for case in PROVEN)]
)
def test_the_strongest_pairs_are_planted_ones(scale: float, seed: int) -> None:
    shop, snapshot = made(scale, seed)
    found = cross_sell(snapshot, top=None)
    assert all(planted(shop, found[:10]))
    assert sum(planted(shop, found[:20])) >= (18 if scale >= 0.3 else 15)
    told = {(pair.first, pair.then) for pair in found}
    for one, other in (*shop.truth.decoys, *shop.truth.substitutes):
        assert not told & {(one, other), (other, one)}


def test_pairs_come_with_true_figures() -> None:
    shop, snapshot = made(0.3, 1)
    truth = {(pair.first, pair.then): pair for pair in shop.truth.cross_sell}
    found = [pair for pair in cross_sell(snapshot) if (pair.first, pair.then) in truth]
    assert len(found) >= 18
    for pair in found:
        true = truth[pair.first, pair.then]
        assert true.days - 7 <= pair.usual_days <= true.days + 15, pair
        assert 0.2 < pair.rate < true.share + 0.15, pair
        assert 1.5 < pair.lift_low < pair.lift < pair.lift_high, pair
        assert pair.together >= pair.same_basket and pair.in_gap > 0, pair
        assert (pair.same_basket > pair.together / 2) == (true.days == 0), pair
    assert [pair.strength for pair in found] == sorted((pair.strength for pair in found), reverse=True)


def test_the_gap_is_those_who_lack_the_second(made_shop: tuple[pd.DataFrame, Snapshot]) -> None:
    bought, snapshot = made_shop
    for pair in cross_sell(snapshot, top=3):
        recent = set(bought.customer[(bought.category == pair.first) & (bought.day >= pd.Timestamp(END) - pd.Timedelta(days=365))])
        assert pair.in_gap == len(recent - set(bought.customer[bought.category == pair.then])), pair


@pytest.fixture(scope="module")
def made_shop() -> tuple[pd.DataFrame, Snapshot]:
    shop, snapshot = made(0.1, 1)
    tables = {name: shop.tables[name].to_pandas() for name in ("orders", "order_lines", "products")}
    lines = tables["order_lines"].merge(tables["orders"], on="order_id").merge(tables["products"], on="product_id")
    kept = lines[(lines.status == "completed") & (lines.quantity > 0) & lines.customer_id.notna()]
    return pd.DataFrame({"customer": kept.customer_id, "category": kept.category.astype(str), "day": kept.ordered_at.dt.normalize()}), snapshot


def test_pairs_know_nothing_of_what_comes_later() -> None:
    shop, snapshot = made(0.1, 1)
    as_of = END - timedelta(days=200)
    late = shop.tables["orders"].filter(pd.Series(shop.tables["orders"]["ordered_at"].to_pandas() < pd.Timestamp(as_of)).to_numpy())
    without = Shop.of({**shop.tables, "orders": late})
    assert cross_sell(Snapshot(snapshot.shop, as_of)) == cross_sell(Snapshot(without, as_of)) != []


def test_the_same_orders_give_the_same_pairs_whatever_their_order() -> None:
    shop, snapshot = made(0.1, 2)
    mixed = {name: table.take(np.random.default_rng(1).permutation(table.num_rows)) for name, table in shop.tables.items()}
    assert cross_sell(Snapshot(Shop.of(mixed), END)) == cross_sell(snapshot)


def test_without_categories_there_are_no_pairs() -> None:
    shop, _ = made(0.1, 1)
    products = shop.tables["products"].drop_columns(["category"])
    with pytest.raises(DataError, match="products have no category"):
        cross_sell(Snapshot(Shop.of({**shop.tables, "products": products}), END))


# the long tail


def blocks_of(probability: dict[str, Floats], snapshot: Snapshot) -> "Blocks":
    """A stand-in for the bundle: given probabilities for the named sets, and for others one in a thousand for everybody, a little up and down."""
    return Blocks(probability, len(snapshot.customer_ids), seed=1)


class Blocks:
    def __init__(self, probability: dict[str, Floats], customers: int, seed: int) -> None:
        self.probability, self.customers, self.rng = probability, customers, np.random.default_rng(seed)
        self.asked: list[str] = []

    def __call__(self, sets: Sequence[ProductSet]) -> Iterator[tuple[int, int, Floats]]:
        self.asked += [one.label for one in sets]
        for at, one in enumerate(sets):
            flat = (0.001 * self.rng.uniform(0.9, 1.1, self.customers)).astype(np.float32)
            yield at, at + 1, self.probability.get(one.label, flat)[:, None]


@pytest.fixture(scope="module")
def lovers() -> tuple[MadeUpShop, Snapshot, dict[str, Floats]]:
    """Probabilities of someone who knows the truth: lovers of a long-tail category buy it with 5 %, others hardly ever."""
    shop, snapshot = made(0.3, 1)
    ids = snapshot.customer_ids.astype(str)
    return shop, snapshot, {path: np.where(np.isin(ids, loving), 0.05, 1e-4).astype(np.float32) for path, loving in shop.truth.long_tail.items()}


def test_what_is_wanted_more_than_it_sells_comes_first(lovers: tuple[MadeUpShop, Snapshot, dict[str, Floats]]) -> None:
    shop, snapshot, probability = lovers
    blocks = blocks_of(probability, snapshot)
    found = long_tail(snapshot, Catalogue.of(snapshot.shop), blocks)
    assert 5 <= len(found) <= 10
    assert {each.products.label for each in found[:5]} == set(shop.truth.long_tail)
    for each in found[:5]:
        assert each.demand > each.sales and each.likely_new > 0 and 0 < each.new_demand < each.demand
        assert each.demand == pytest.approx(probability[each.products.label].sum(dtype=np.float64))


def test_the_head_is_not_asked_for(lovers: tuple[MadeUpShop, Snapshot, dict[str, Floats]]) -> None:
    shop, snapshot, probability = lovers
    blocks = blocks_of(probability, snapshot)
    long_tail(snapshot, Catalogue.of(snapshot.shop), blocks)
    popular = {path for pair in shop.truth.decoys for path in pair}
    assert not popular & set(blocks.asked)
    assert set(shop.truth.long_tail) <= set(blocks.asked)


def test_sales_are_buyers_in_as_many_days(lovers: tuple[MadeUpShop, Snapshot, dict[str, Floats]]) -> None:
    _, snapshot, probability = lovers
    found = long_tail(snapshot, Catalogue.of(snapshot.shop), blocks_of(probability, snapshot))
    for each in found[:5]:
        bought = sum(_buyers(snapshot.shop, each.products, END - timedelta(days=30 * k)) for k in (1, 2, 3))
        assert each.sales == pytest.approx(bought / 3)


def _buyers(shop: Shop, products: ProductSet, since: object) -> int:
    lines = shop.lines.to_pandas()
    first = (pd.Timestamp(str(since)) - pd.Timestamp("1970-01-01")).days
    inside = lines[(lines.day >= first) & (lines.day < first + 30) & lines.customer.notna()]
    return int(inside.customer[inside["product"].isin(np.searchsorted(shop.product_ids, products.product_ids))].nunique())


def test_suggestions_are_distinct() -> None:
    _, snapshot = made(0.3, 1)
    catalogue = Catalogue.of(snapshot.shop)
    same = np.linspace(0, 0.1, len(snapshot.customer_ids), dtype=np.float32)
    found = long_tail(snapshot, catalogue, blocks_of(dict.fromkeys(catalogue.categories, same), snapshot))
    assert len(found) == 5
    assert len({product_id for each in found for product_id in each.products.product_ids}) == sum(len(each.products) for each in found)


def test_suggestions_are_for_different_customers_where_there_are_enough() -> None:
    """Two groups of categories, each wanted by the same customers: one of each comes, then what else there is."""
    _, snapshot = made(0.3, 1)
    catalogue = Catalogue.of(snapshot.shop)
    rising = np.linspace(0, 0.1, len(snapshot.customer_ids), dtype=np.float32)
    wanted = {
        path: rising * scale if number % 2 else rising[::-1] * scale
        for number, (path, scale) in enumerate(zip(catalogue.categories, np.linspace(1, 0.5, 500), strict=False))
    }
    found = long_tail(snapshot, catalogue, blocks_of(wanted, snapshot))
    assert [bool(list(catalogue.categories).index(each.products.label) % 2) for each in found[:2]] in ([True, False], [False, True])


def test_products_are_looked_at_where_categories_are_few() -> None:
    shop, _ = made(0.1, 1)
    snapshot = Snapshot(Shop.of({**shop.tables, "products": shop.tables["products"].drop_columns(["category"])}), END)
    found = long_tail(snapshot, Catalogue.of(snapshot.shop), blocks_of({}, snapshot))
    assert found and {each.products.kind for each in found} == {"product"}


def test_what_is_out_of_stock_is_not_suggested() -> None:
    shop, _ = made(0.1, 1)
    products = shop.tables["products"].to_pandas().assign(in_stock=False)
    snapshot = Snapshot(Shop.of({**shop.tables, "products": products}), END)
    with pytest.raises(DataError, match="outside the best-selling half"):
        long_tail(snapshot, Catalogue.of(snapshot.shop), blocks_of({}, snapshot))


@pytest.mark.proof
@pytest.mark.parametrize("scale, seed", [(0.2, 5)])
def test_lovers_of_the_long_tail_are_told_from_others(scale: float, seed: int) -> None:
    """By probability among those who ordered within 180 days; among all, where lapsed lovers rightly have little, by probability given an order."""
    shop, snapshot = made(scale, seed)
    bundle = Fits(snapshot.shop, recipe_of(Config(), threads=1), lambda _: None).bundle(END, name="proof")
    sets = [Catalogue.of(snapshot.shop).category(path) for path in shop.truth.long_tail]
    interest = bundle.interest(snapshot, sets)
    given_an_order = interest / bundle.customers(snapshot)[["likelihood_30"]].to_numpy()
    active = snapshot.customers()["recency"].to_numpy() <= 180
    had = snapshot.pairs(sets).bought().toarray()
    for at, (path, loving) in enumerate(shop.truth.long_tail.items()):
        loves, new = np.isin(snapshot.customer_ids.astype(str), loving), ~had[:, at]
        assert roc_auc_score(loves[active], interest[active, at]) > 0.8, path
        assert roc_auc_score(loves, given_an_order[:, at]) > 0.85, path
        assert roc_auc_score(loves[new], given_an_order[new, at]) > 0.8, path
