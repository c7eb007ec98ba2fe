"""Expected orders and products: totals that come true, what the model is where little is known, and that it is kept without a pickle."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.made_up import END, made_up_shop
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.customers.volume import PARTS, Volume, VolumeConfig, expected_products, usual_volume

AS_OF = date(2025, 3, 1)
CONFIG = VolumeConfig(threads=1)
ROWS = [
    # order, customer, day, product
    ("1", "ann", "2024-12-31", "a"),
    ("2", "ann", "2025-01-31", "a"),
    ("2", "ann", "2025-01-31", "b"),
    ("3", "bob", "2025-02-24", "a"),
    ("4", "ann", "2025-03-01", "a"),
    ("4", "ann", "2025-03-01", "b"),
    ("5", "ann", "2025-03-30", "a"),
    ("6", "ann", "2025-03-31", "c"),
    ("7", "cid", "2025-03-02", "c"),
    ("8", None, "2025-03-02", "c"),
]


def shop_of(rows: list[tuple[str, str | None, str, str]], *, with_lines: bool = True) -> Shop:
    lines = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "product_id"])
    orders = lines.groupby("order_id", as_index=False)[["customer_id", "ordered_at"]].first()
    tables = {
        "orders": orders.assign(ordered_at=pd.to_datetime(orders["ordered_at"]), status="completed", revenue=10.0),
        "customers": pd.DataFrame({"customer_id": ["ann", "bob", "cid"]}),
        "products": pd.DataFrame({"product_id": ["a", "b", "c"]}),
    }
    if with_lines:
        tables["order_lines"] = lines[["order_id", "product_id"]].assign(line_no=range(len(lines)), quantity=1.0, price=10.0)
    return Shop.of(tables)


@pytest.mark.parametrize(
    ("days", "with_lines", "ann"),
    [(30, True, [2, 2]), (31, True, [3, 3]), (1, True, [1, 2]), (31, False, [3, 0])],
)
def test_what_came_is_counted(days: int, with_lines: bool, ann: list[int]) -> None:
    came = Snapshot(shop_of(ROWS, with_lines=with_lines), AS_OF).volume(days=days)
    assert list(came) == list(PARTS)
    assert came.T.to_dict("list") == {"ann": ann, "bob": [0, 0]}


def test_the_usual_volume_is_the_mean_rate_since_the_first_order() -> None:
    """ann's first order is 60 days ago, two horizons; bob's five days, which count as one."""
    assert usual_volume(Snapshot(shop_of(ROWS), AS_OF)).T.to_dict("list") == {"ann": [1, 1.5], "bob": [1, 1]}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.of(made_up_shop(scale=0.1, seed=3).tables)


@pytest.fixture(scope="module")
def snapshots(shop: Shop) -> list[Snapshot]:
    return [Snapshot(shop, END - timedelta(days=30 * k)) for k in (2, 3, 4)]


@pytest.fixture(scope="module")
def volume(snapshots: list[Snapshot]) -> Volume:
    return Volume.fit(snapshots, config=CONFIG)


def test_totals_are_right_on_the_training_dates(volume: Volume, snapshots: list[Snapshot]) -> None:
    for name in PARTS:
        expected = sum(volume.predict(each)[f"expected_{name}_30"].sum() for each in snapshots)
        assert expected == pytest.approx(sum(each.volume()[name].sum() for each in snapshots), rel=1e-3)


@pytest.mark.parametrize("name", PARTS)
def test_it_is_nearer_to_what_came_than_the_usual_rate(name: str, volume: Volume, shop: Shop) -> None:
    snapshot = Snapshot(shop, END - timedelta(days=30))
    came, expected = snapshot.volume()[name], volume.predict(snapshot)[f"expected_{name}_30"]
    assert metrics.mae(expected, came) < 0.8 * metrics.mae(usual_volume(snapshot)[name], came)
    assert 0.6 < expected.sum() / came.sum() < 1.6
    assert (expected > 0).all()


def test_what_is_saved_is_what_was_fitted(volume: Volume, shop: Shop, tmp_path: Path) -> None:
    volume.save(tmp_path)
    snapshot = Snapshot(shop, END)
    pd.testing.assert_frame_equal(Volume.load(tmp_path).predict(snapshot), volume.predict(snapshot), rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.txt", "products.txt", "volume.json"]


@pytest.mark.parametrize("with_lines", [True, False])
def test_three_customers_are_enough(with_lines: bool) -> None:
    """As many orders as came on the date it learnt from; products are unknown without order lines."""
    snapshot = Snapshot(shop_of(ROWS, with_lines=with_lines), AS_OF)
    given = Volume.fit([snapshot], config=CONFIG).predict(snapshot)
    assert list(given) == ["expected_orders_30", "expected_products_30"]
    assert given["expected_orders_30"].sum() == pytest.approx(2)
    assert given["expected_products_30"].sum(min_count=1) == pytest.approx(2) if with_lines else given["expected_products_30"].isna().all()


def test_nothing_is_expected_of_what_never_came() -> None:
    early = Snapshot(shop_of(ROWS[:1]), AS_OF)
    assert Volume.fit([early], config=CONFIG).predict(early).isna().all().all()


@pytest.mark.parametrize(
    ("as_of", "learnt"), [(date(2025, 2, 26), False), (date(2025, 3, 1), True)], ids=["younger than two horizons", "one date to learn from"]
)
def test_expected_products_need_a_past(as_of: date, learnt: bool) -> None:
    snapshot = Snapshot(shop_of(ROWS), as_of)
    found = expected_products(snapshot, dates=6, config=CONFIG)
    assert found.dtype == np.float32
    assert np.allclose(found, usual_volume(snapshot)["products"]) == (not learnt)
