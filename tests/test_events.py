"""Visits, carts and mails as of a date, on literal rows, and what models make of them: better where they are known, no worse where they are not."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.events import EVENT_NAMES, SET_EVENT_NAMES
from features.made_up import END, made_up_shop
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.bundle import Bundle
from models.customers.likelihood import Likelihood, LikelihoodConfig
from models.pairs.training_sets import main_sets
from models.unknown import by_name

AS_OF = date(2025, 6, 1)
ORDERS = [("1", "ann", "2025-03-01"), ("2", "ann", "2025-05-20"), ("3", "bob", "2025-05-10"), ("4", "cid", "2025-01-05")]
EVENTS = [
    ("2025-01-01 10:00", "dot", "viewed"),  # never ordered
    ("2025-02-01 10:00", "cid", "viewed"),
    ("2025-03-02 10:00", "ann", "viewed"),
    ("2025-03-03 10:00", "ann", "viewed"),
    ("2025-03-03 11:00", "ann", "viewed"),
    ("2025-05-20 09:00", "ann", "added_to_cart"),  # on the day of the order
    ("2025-05-28 09:00", "ann", "added_to_cart"),
    ("2025-05-28 09:10", "ann", "started_checkout"),
    ("2025-05-31 23:59", "ann", "viewed"),
    ("2025-05-01 09:00", "bob", "opened_email"),
    ("2025-05-02 09:00", "bob", "clicked_email"),
    ("2025-05-02 09:00", "bob", "unsubscribed"),
    ("2025-05-03 09:00", "bob", "signed_up"),
    ("2025-06-01 00:00", "bob", "viewed"),  # on the date itself
    ("2025-06-02 09:00", "cid", "added_to_cart"),
    ("2025-05-30 09:00", None, "viewed"),
]


SHELF = {"2025-03-02 10:00": "t1", "2025-03-03 10:00": "t2", "2025-03-03 11:00": "t1", "2025-05-28 09:00": "t2", "2025-05-31 23:59": "b1"}
"""What was looked at or put into the cart."""
SETS = [ProductSet.of("tents", ["t1", "t2"]), ProductSet.of("boots", ["b1"])]


def shop_of(events: list[tuple[str, str | None, str]]) -> Shop:
    orders = pd.DataFrame(ORDERS, columns=["order_id", "customer_id", "ordered_at"])
    rows = pd.DataFrame(events, columns=["occurred_at", "customer_id", "event"])
    return Shop.of(
        {
            "orders": orders.assign(ordered_at=pd.to_datetime(orders["ordered_at"]), status="completed", revenue=10.0),
            "customers": pd.DataFrame({"customer_id": ["ann", "bob", "cid", "dot"]}),
            "products": pd.DataFrame({"product_id": ["b1", "t1", "t2"]}),
            "events": rows.assign(occurred_at=pd.to_datetime(rows["occurred_at"]), product_id=rows["occurred_at"].map(SHELF)),
        }
    )


@pytest.mark.parametrize(
    ("feature", "ann", "bob", "cid"),
    [
        ("visits_7", 1, 0, 0),
        ("visits_30", 1, 0, 0),
        ("visits_90", 2, 0, 0),
        ("carts_7", 1, 0, 0),
        ("carts_30", 2, 0, 0),
        ("opened_90", 0, 1, 0),
        ("clicked_90", 0, 1, 0),
        ("visit_recency", 1, np.nan, 120),
        ("cart_recency", 4, np.nan, np.nan),
        ("event_recency", 1, 29, 120),
        ("carts_since", 1, 0, np.nan),
        ("unsubscribed", 0, 1, 0),
    ],
)
def test_events_are_counted_by_days(feature: str, ann: float, bob: float, cid: float) -> None:
    """Events begin on 1 February, 120 days before: after cid's last order, so that a cart of cid's may have gone unseen."""
    facts = Snapshot(shop_of(EVENTS), AS_OF).customers()[feature]
    assert list(facts.index) == ["ann", "bob", "cid"]
    np.testing.assert_array_equal(facts.to_numpy(), [ann, bob, cid])


@pytest.mark.parametrize(
    ("as_of", "tents", "boots", "none"),
    [
        (AS_OF, [0, 1, 4], [1, 0, 1], [0, 0, np.nan]),
        (date(2025, 5, 31), [0, 1, 3], [0, 0, np.nan], [0, 0, np.nan]),
        (date(2025, 3, 4), [2, 0, 1], [0, 0, np.nan], [0, 0, np.nan]),
        (date(2025, 3, 2), [np.nan] * 3, [np.nan] * 3, [np.nan] * 3),
        (date(2025, 4, 4), [np.nan] * 3, [np.nan] * 3, [np.nan] * 3),
    ],
    ids=["the day after", "a day before", "two days of tents", "stopped in February", "stopped in March"],
)
def test_events_about_a_set(as_of: date, tents: list[float], boots: list[float], none: list[float]) -> None:
    """ann's with tents and boots, then cid's, who never looked at a product that is known."""
    snapshot = Snapshot(shop_of(EVENTS), as_of)
    ann, cid = (list(snapshot.customer_ids).index(name) for name in ("ann", "cid"))
    seen = snapshot.pairs(SETS).seen(np.array([ann, ann, cid]), np.array([0, 1, 0]))
    assert list(seen) == list(SET_EVENT_NAMES)
    np.testing.assert_array_equal(np.column_stack(list(seen.values())), [tents, boots, none])


@pytest.mark.parametrize(
    ("as_of", "known"),
    [
        (date(2025, 2, 1), []),
        (date(2025, 2, 8), ["visits_7", "carts_7", "visit_recency", "event_recency", "unsubscribed"]),
        (date(2025, 3, 10), ["visits_7", "visits_30", "carts_7", "carts_30", "visit_recency", "event_recency", "carts_since", "unsubscribed"]),
        (date(2025, 3, 11), []),
        (date(2025, 6, 9), [*EVENT_NAMES]),
        (date(2025, 6, 10), []),
    ],
)
def test_before_events_begin_and_after_they_stop_nothing_is_known(as_of: date, known: list[str]) -> None:
    facts = Snapshot(shop_of(EVENTS), as_of).customers()[list(EVENT_NAMES)]
    assert [name for name in EVENT_NAMES if facts[name].notna().any()] == known


@pytest.mark.parametrize("events", [[], [("2025-05-30 09:00", None, "viewed")]], ids=["none", "of nobody known"])
def test_a_shop_without_events_has_none_of_the_columns(events: list[tuple[str, str | None, str]]) -> None:
    snapshot = Snapshot(shop_of(events), AS_OF)
    assert not set(EVENT_NAMES) & set(snapshot.customers())
    assert snapshot.pairs(SETS).seen(np.array([0]), np.array([0])) == {}


def test_only_columns_of_events_may_be_missing() -> None:
    columns = pd.DataFrame({"recency": [1.0], "age": [2.0]})
    assert list(by_name(columns, ["visits_7", "recency"])) == ["visits_7", "recency"]
    with pytest.raises(KeyError, match="frequency"):
        by_name(columns, ["frequency"])


@pytest.fixture(scope="module")
def made() -> tuple[Shop, Shop]:
    """A made-up shop, with its events and without; visits and carts run ahead of its orders."""
    tables = made_up_shop(scale=0.1, seed=3).tables
    return Shop.of(tables), Shop.of({name: table for name, table in tables.items() if name != "events"})


def test_events_tell_who_orders_and_are_not_needed(made: tuple[Shop, Shop]) -> None:
    """A model that knows events is better; asked where there are none it is as good as one that never knew any, and its total about the same."""
    config = LikelihoodConfig(threads=1, blend=replace(LikelihoodConfig().blend, trees=60))
    as_of = END - timedelta(days=30)
    knowing, plain = (Likelihood.fit([Snapshot(shop, as_of - timedelta(days=30 * k)) for k in (1, 2, 3)], config=config) for shop in made)
    asked, bare = (Snapshot(shop, as_of) for shop in made)
    ordered = asked.ordered()

    def auc(model: Likelihood, snapshot: Snapshot) -> float:
        return metrics.auc(model.predict(snapshot).iloc[:, 0].to_numpy(), ordered)

    assert auc(knowing, asked) > auc(plain, bare) + 0.003
    assert auc(knowing, bare) == pytest.approx(auc(plain, bare), abs=0.005)
    assert auc(plain, asked) == auc(plain, bare)
    assert knowing.predict(bare).sum().item() == pytest.approx(plain.predict(bare).sum().item(), rel=0.25)


def test_a_bundle_answers_without_the_events_that_it_learnt_from(trained_shop: Path) -> None:
    """All models of a bundle, asked of the same orders once the events are gone; nobody is unknown, and totals stay near."""
    shop, bundle = Shop.open(trained_shop), Bundle.load(next((trained_shop / "bundles").iterdir()))
    bare = Shop.of({name: table.to_pandas() for name, table in shop.tables.items() if name != "events"})
    snapshots = [Snapshot(each, bundle.as_of) for each in (shop, bare)]
    sets = main_sets(snapshots[0], Catalogue.of(shop), limit=20)
    answers = [
        (bundle.interest(each, sets), bundle.customers(each).drop(columns=["basis", "basis_by_horizon"]).to_numpy(np.float64)) for each in snapshots
    ]
    for knowing, without in zip(*answers, strict=True):
        assert np.isfinite(without).all() and (without > 0).all()
        assert not np.array_equal(knowing, without)
        assert without.sum() == pytest.approx(knowing.sum(), rel=0.5)
