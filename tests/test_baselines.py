"""Every rule ranks a shop of four customers as its sentence says, knows nothing of later orders, and has the form that measuring needs."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Pairs, Snapshot
from models.pairs.baselines import BASELINES, customer_feature, pair_feature, with_ties_by

AS_OF = date(2025, 3, 1)
SETS = (ProductSet.of("tents", ["t1", "t2"]), ProductSet.of("boots", ["b1"]), ProductSet.of("nothing", []))
ORDERS = [
    # order, customer, day, products
    ("1", "ann", "2025-02-01", "t1 b1"),
    ("2", "ann", "2025-02-10", "t2"),
    ("3", "bob", "2025-02-27", "t1"),
    ("4", "cid", "2024-09-01", "b1"),
    ("5", "cid", "2024-10-01", "x1 x2 x3"),
    ("6", "cid", "2024-11-01", "x1"),
    ("7", "dan", "2024-12-01", "x1"),
]
LATER = [("8", "dan", "2025-03-01", "t1 b1 x1 x2"), ("9", "eve", "2025-03-02", "t1")]


def shop_of(orders: list[tuple[str, str, str, str]]) -> Shop:
    lines = [(order, number, product) for order, _, _, products in orders for number, product in enumerate(products.split(), 1)]
    product_ids = sorted({product for _, _, product in lines} | {"t1", "t2", "b1", "x1", "x2", "x3"})
    return Shop.of(
        {
            "orders": pd.DataFrame(
                {
                    "order_id": [row[0] for row in orders],
                    "customer_id": [row[1] for row in orders],
                    "ordered_at": pd.to_datetime([row[2] for row in orders]),
                    "status": "completed",
                }
            ),
            "order_lines": pd.DataFrame(lines, columns=["order_id", "line_no", "product_id"]).assign(quantity=1.0, price=10.0),
            "products": pd.DataFrame({"product_id": product_ids}),
            "customers": pd.DataFrame({"customer_id": sorted({row[1] for row in orders})}),
        }
    )


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return Snapshot(shop_of(ORDERS), AS_OF).pairs(SETS)


@pytest.fixture(scope="module")
def later() -> Pairs:
    """The same day in a shop that went on."""
    return Snapshot(shop_of(ORDERS + LATER), AS_OF).pairs(SETS)


def order_of(scores: np.ndarray, customers: np.ndarray) -> str:
    """Customers from the highest score to the lowest; those who are tied together, in brackets."""
    groups = pd.Series(customers).groupby(-scores).agg(lambda tied: " ".join(sorted(tied)))
    return " ".join(f"({tied})" if " " in tied else tied for tied in groups)


@pytest.mark.parametrize(
    "rule, tents",
    [
        ("recency", "bob ann dan cid"),
        ("orders", "cid ann (bob dan)"),
        ("recency_in_set", "bob ann dan cid"),
        ("orders_from_set", "ann bob (cid dan)"),
        ("orders_from_set_then_orders", "ann bob cid dan"),
        ("orders_from_set_then_sets", "ann bob cid dan"),
        ("orders_from_set_then_products", "ann bob cid dan"),
        ("decayed_orders_60", "ann bob (cid dan)"),
        ("orders_times_lines_90", "ann bob cid dan"),
        ("decayed_orders_120_times_lines_90", "ann bob cid dan"),
        ("decayed_orders_120_times_expected_products", "ann bob (cid dan)"),
        ("shrunk_rate", "ann bob dan cid"),
    ],
)
def test_a_rule_ranks_as_its_sentence_says(rule: str, tents: str, pairs: Pairs) -> None:
    scores = BASELINES[rule].scores(pairs.snapshot, pairs)
    assert order_of(scores[:, 0], pairs.snapshot.customer_ids) == tents


@pytest.mark.parametrize("rule", BASELINES)
def test_scores_are_numbers_for_every_customer_and_set_and_the_same_again(rule: str, pairs: Pairs) -> None:
    scores = BASELINES[rule].scores(pairs.snapshot, pairs)
    assert scores.dtype == np.float32 and scores.shape == (4, 3)
    assert np.isfinite(scores).all()
    assert np.array_equal(scores, BASELINES[rule].scores(pairs.snapshot, pairs))


@pytest.mark.parametrize("rule", [name for name in BASELINES if name != "als"])
def test_later_orders_change_nothing(rule: str, pairs: Pairs, later: Pairs) -> None:
    now, then = (BASELINES[rule].scores(known.snapshot, known) for known in (pairs, later))
    assert np.array_equal(now, then)


def test_als_recommends_what_like_customers_bought() -> None:
    """Two tastes; one customer of the first has not bought its last product yet."""
    orders = [
        (f"{kind}{customer}", f"{kind}{customer:02d}", "2025-02-01", " ".join(f"{kind}{product}" for product in range(6)))
        for kind in "pq"
        for customer in range(12)
    ]
    orders[0] = (*orders[0][:3], " ".join(f"p{product}" for product in range(5)))
    snapshot = Snapshot(shop_of(orders), AS_OF)
    scores = BASELINES["als"].scores(snapshot, snapshot.pairs([ProductSet.of("last", ["p5"])]))[:, 0]
    assert scores[0] > 100 * np.abs(scores[12:]).max()


def test_features_become_matrices(pairs: Pairs) -> None:
    assert pair_feature(pairs, "set_orders").tolist() == [[2, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert pair_feature(pairs, "set_recency", missing=-1)[:, 0].tolist() == [19, 2, -1, -1]
    assert customer_feature(pairs, "frequency").tolist() == [[2] * 3, [1] * 3, [3] * 3, [1] * 3]


def test_ties_are_decided_by_the_second_and_endless_values_are_equal() -> None:
    first = np.array([[-np.inf], [1.0], [-np.inf], [-np.inf], [1.0]])
    second = np.array([[3.0], [0.0], [4.0], [3.0], [0.5]])
    assert with_ties_by(first, second).ravel().tolist() == [0, 2, 1, 0, 3]
