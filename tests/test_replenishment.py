"""Replenishment: who buys what regularly, when the next purchase is due, and what is too little or too irregular to say so."""

from datetime import date, timedelta

import pandas as pd
import pytest

from features.made_up import END, made_up_shop
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.replenishment import COLUMNS, replenishment

AS_OF = date(2025, 7, 1)


def shop_of(bought: dict[tuple[str, str], list[int]]) -> Shop:
    """(customer, product) -> days ago on which it was bought; the products a and b are in Vitamins, c in Toys, d in no category."""
    rows = [(customer, product, AS_OF - timedelta(days=ago)) for (customer, product), agos in bought.items() for ago in agos]
    lines = pd.DataFrame(rows, columns=["customer_id", "product_id", "ordered_at"])
    lines["order_id"] = [str(number) for number in range(len(lines))]
    orders = lines[["order_id", "customer_id"]].assign(ordered_at=pd.to_datetime(lines["ordered_at"]), status="completed", revenue=10.0)
    products = pd.DataFrame({"product_id": list("abcd"), "category": ["Health > Vitamins", "Health > Vitamins", "Toys", None]})
    return Shop.of(
        {
            "orders": orders,
            "order_lines": lines[["order_id", "product_id"]].assign(line_no=0, quantity=1.0, price=10.0),
            "customers": pd.DataFrame({"customer_id": sorted({customer for customer, _ in bought})}),
            "products": products,
        }
    )


def test_vitamins_every_two_months() -> None:
    shop = shop_of({("ann", "a"): [20, 140, 200], ("ann", "b"): [80], ("ann", "c"): [5, 300], ("bob", "a"): [1]})
    (row,) = replenishment(Snapshot(shop, AS_OF)).to_dict("records")
    assert list(row) == list(COLUMNS)
    assert (row["customer_id"], row["product_set"]) == ("ann", "Health > Vitamins")
    assert 55 < row["rhythm_days"] < 70
    assert date(2025, 7, 20) < row["due"].date() < date(2025, 8, 25)
    assert pd.Timestamp(AS_OF) <= row["low"] < row["due"] < row["high"]


@pytest.mark.parametrize(
    "agos, regular",
    [([10, 70], False), ([10, 70, 130], True), ([10, 20, 130], False), ([10, 10, 70], False), ([400, 460, 520, 580], False), ([-1, 10, 70], False)],
    ids=["two days", "three days", "irregular", "twice on a day", "long ago", "later"],
)
def test_what_makes_a_rhythm(agos: list[int], regular: bool) -> None:
    found = replenishment(Snapshot(shop_of({("ann", "a"): agos}), AS_OF))
    assert len(found) == regular
    assert (found["due"] >= pd.Timestamp(AS_OF)).all()


def test_any_product_set_can_be_asked_about() -> None:
    shop = shop_of({("ann", "d"): [10, 40, 70], ("bob", "c"): [10, 40, 70]})
    sets = [ProductSet.of("odd things", ["d"]), ProductSet.of("all", "abcd")]
    found = replenishment(Snapshot(shop, AS_OF), sets)
    assert list(zip(found["customer_id"], found["product_set"], strict=True)) == [("ann", "all"), ("ann", "odd things"), ("bob", "all")]
    assert (found["rhythm_days"] - 30).abs().max() < 6


@pytest.mark.parametrize("sets", [[], [ProductSet.of("nothing", ["z"])], None])
def test_nothing_regular_is_an_empty_table(sets: list[ProductSet] | None) -> None:
    found = replenishment(Snapshot(shop_of({("ann", "d"): [10]}), AS_OF), sets)
    assert list(found) == list(COLUMNS)
    assert found.empty


def test_a_shop_with_one_product() -> None:
    shop = shop_of({(f"c{number}", "a"): [number % 29 + 30 * order for order in range(1, 5)] for number in range(50)})
    found = replenishment(Snapshot(shop, AS_OF))
    assert len(found) == 50
    assert found["rhythm_days"].between(27, 33).all()


def test_planted_replenishment_is_found() -> None:
    """Of customers who order often enough to keep to the cycle."""
    made = made_up_shop(scale=0.3, seed=2)
    shop, truth = Shop.of(made.tables), made.truth
    sets = [Catalogue.of(shop).category(path) for path in truth.replenished]
    found = replenishment(Snapshot(shop, END), sets)
    planted = found["product_set"].map(truth.replenished)
    often = found["customer_id"].map(truth.rhythms) <= 0.7 * planted
    errors = (found["rhythm_days"] / planted - 1).abs()[often]
    assert len(errors) > 30
    assert errors.median() <= 0.2
