"""A part of the customers, told what is true of all, says of its own what the whole shop says; Spark that is missing is refused in words."""

from dataclasses import replace
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from features import engines
from features.errors import DataError
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from features.told import Told
from models.customers.replenishment import replenishment
from serving.customers import Customers
from serving.published import load_bundle

PARTS = 3


def _part(whole: Shop, number: int, told: Told) -> Shop:
    ids = pd.Series(whole.customer_ids)
    own = pd.DataFrame({"customer_id": ids[ids.index * PARTS // len(ids) == number]})
    kept = engines.kept(whole.engine, f"ids_{number}", ibis.memtable(own))
    tables = {name: table.semi_join(kept, "customer_id") if "customer_id" in table.columns else table for name, table in whole.tables.items()}
    tables["order_lines"] = whole.tables["order_lines"].semi_join(tables["orders"], "order_id")
    engine = engines.duckdb()
    return Shop(engine, {name: engines.kept(engine, name, table.to_pyarrow()) for name, table in tables.items()}, told=told)


def test_parts_say_what_the_whole_says(trained_shop: Path) -> None:
    bundle, told = load_bundle(trained_shop), Told()
    shop = replace(Shop.open(trained_shop), told=told, coded=None)
    whole = Snapshot(shop, shop.default_as_of, bundle.horizon)
    catalogue = Catalogue.of(shop)
    sets = [catalogue.category("Tents"), catalogue.brand("Nordvind")]
    customers, interest, due = Customers.of(bundle, whole).table, bundle.interest(whole, sets), replenishment(whole)
    parts = [Snapshot(_part(shop, number, Told(told.facts, gathering=False)), whole.as_of, bundle.horizon) for number in range(PARTS)]
    found = pd.concat([Customers.of(bundle, each).table for each in parts])
    pd.testing.assert_frame_equal(found.loc[customers.index], customers, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.vstack([bundle.interest(each, [sets[1], sets[0]]) for each in parts])[:, ::-1], interest, rtol=1e-6, atol=1e-6)
    pd.testing.assert_frame_equal(pd.concat([replenishment(each) for each in parts], ignore_index=True), due, rtol=1e-6)


def test_what_was_not_told_is_missed() -> None:
    told = Told()
    assert told.fact("days", lambda: 3) == told.fact("days", lambda: 4) == 3
    rows = told.rows("size", ["a", "b"], lambda: np.array([[1.0], [2.0]]))
    told = Told(told.facts, gathering=False)
    assert rows.tolist() == [[1.0], [2.0]] and told.rows("size", ["b"], lambda: rows).tolist() == [[2.0]]
    with pytest.raises(ValueError, match="months was not told"):
        told.fact("months", lambda: 1)
    with pytest.raises(ValueError, match="size was not told"):
        told.rows("size", ["a", "c"], lambda: rows)


def test_spark_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match=r'engine = "spark" needs (PySpark|Java 17).*(pip install|openjdk-17)'):
        engines.spark()
