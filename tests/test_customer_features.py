"""What a buy-till-you-die model says of customers as of each date: shops of any size have it, and it is what the model says."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.btyd import fitted, said_by
from models.customers.customer_features import MODEL, STEADY_FEATURES, customer_columns

AS_OF = date(2025, 3, 1)
NAMES = [feature.name for feature in STEADY_FEATURES]


def shop_of(*orders: tuple[str, str]) -> Shop:
    """A shop of orders (customer, day) without lines."""
    table = pd.DataFrame(orders, columns=["customer_id", "ordered_at"])
    table = table.assign(order_id=table.index.astype(str), ordered_at=pd.to_datetime(table["ordered_at"]), status="completed", revenue=10.0)
    return Shop.of({"orders": table, "customers": table[["customer_id"]].drop_duplicates()})


def test_the_columns_are_what_the_model_says() -> None:
    shop = shop_of(("ann", "2024-10-01"), ("ann", "2024-12-01"), ("ann", "2025-02-01"), ("bob", "2024-10-01"), ("cid", "2025-03-02"))
    snapshot = Snapshot(shop, AS_OF, 60)
    found = customer_columns(snapshot)
    assert found.index.tolist() == ["ann", "bob"] and set(found.dtypes) == {np.dtype("float32")}
    assert list(found) == [*snapshot.customers(), *NAMES]
    said = said_by(fitted(MODEL, snapshot), snapshot, 60)
    np.testing.assert_allclose(found[NAMES], said[[name.removeprefix("mbg_") for name in NAMES]], rtol=1e-6)
    assert (found.loc["ann", NAMES] > found.loc["bob", NAMES]).all()
    assert found["mbg_expected_orders"].lt(customer_columns(Snapshot(shop, AS_OF, 90))["mbg_expected_orders"]).all()


@pytest.mark.parametrize(
    "orders",
    [[("ann", "2025-02-28")], [("ann", "2001-01-01")], [(str(number), "2025-02-01") for number in range(50)], [("ann", "2025-01-01")] * 300],
    ids=["one order yesterday", "one order long ago", "a single day of sales", "300 orders on a day"],
)
def test_small_and_strange_shops_have_them(orders: list[tuple[str, str]]) -> None:
    found = customer_columns(Snapshot(shop_of(*orders), AS_OF))[NAMES]
    assert np.isfinite(found).all(axis=None)
    assert found["mbg_p_alive"].between(0, 1).all() and found["mbg_p_order"].between(0, 1).all() and (found >= 0).all(axis=None)
