"""Who answers: the model, unless past dates say that a rule is better, or too little is known to say."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.config import Config
from features.made_up import made_up_shop
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from training.contest import ENOUGH, USUAL_RULE, Result, answering_rule
from training.fits import Fits
from training.train import fit_and_prove, recipe_of

OURS, NOTHING = "whobuys", float("nan")


@pytest.mark.parametrize(
    ("results", "buyers", "answers"),
    [
        ([], 0, USUAL_RULE),
        ([], ENOUGH, None),
        ([{OURS: (0, NOTHING), "recency": (0, NOTHING)}], 10, USUAL_RULE),
        ([{OURS: (10, 0.2), "recency": (10, 0.1)}], 10, None),
        ([{OURS: (10, 0.2), "recency": (10, 0.3)}], 10_000, "recency"),
        ([{OURS: (90, 0.2), "recency": (90, 0.1)}, {OURS: (10, 0.1), "recency": (10, 0.9)}], 10_000, None),
        ([{OURS: (2, 0.2), "recency": (2, 0.1)}], 10, USUAL_RULE),
        ([{OURS: (2, 0.1), "recency": (2, 0.2)}], ENOUGH, None),
        ([{OURS: (0, NOTHING), "recency": (0, NOTHING)}, {OURS: (5, 0.2), "recency": (5, 0.1)}], 10, None),
    ],
)
def test_a_rule_answers_unless_it_is_beaten(results: list[Result], buyers: int, answers: str | None) -> None:
    assert answering_rule(results, buyers=buyers) == answers


@pytest.fixture(scope="module")
def tiny() -> Shop:
    """A hundred customers and about three hundred orders, and a product that nobody bought."""
    tables = dict(made_up_shop(scale=0.05, seed=3).tables)
    orders = tables["orders"].to_pandas()
    chosen = orders["customer_id"].value_counts().sort_index().index[:100]
    orders = orders[orders["customer_id"].isin(chosen)]
    tables["orders"] = pa.Table.from_pandas(orders, schema=tables["orders"].schema, preserve_index=False)
    lines = tables["order_lines"].to_pandas()
    lines = lines[lines["order_id"].isin(orders["order_id"])]
    tables["order_lines"] = pa.Table.from_pandas(lines, schema=tables["order_lines"].schema, preserve_index=False)
    return Shop.of(tables)


def test_a_tiny_shop_gets_an_answer(tiny: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    as_of = date(2026, 7, 1)
    fits = Fits(tiny, recipe_of(Config(), threads=1), lambda text: None)
    bundle, _ = fit_and_prove(fits, as_of, origins=2)
    snapshot, catalogue = fits.snapshot(as_of), Catalogue.of(tiny)
    never = sorted(set(tiny.product_ids) - set(snapshot.matrix("product")[1]))[:1]
    sets = [ProductSet.of("never", never), catalogue.keyword("tent"), ProductSet.of("one", tiny.product_ids[:1])]
    given = bundle.interest(snapshot, sets)
    assert bundle.rule and given.shape == (len(snapshot.customer_ids), 3)
    assert np.isfinite(given).all() and (given >= 0).all() and (given <= 1).all()
    folder = tmp_path_factory.mktemp("tiny") / "bundle"
    bundle.save(folder)
    kept = Bundle.load(folder)
    assert kept.rule == bundle.rule
    np.testing.assert_array_equal(kept.interest(snapshot, sets), given)


def shop_of(orders: list[tuple[str, int, str]]) -> Shop:
    """A shop of (customer, day, product), one order a row; products are named after their category, and some were never sold."""
    rows = pd.DataFrame(orders, columns=["customer_id", "day", "product_id"])
    rows["order_id"] = [f"o{number}" for number in range(len(rows))]
    rows["ordered_at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rows["day"], unit="D")
    names = [f"{kind} {number}" for kind in ("tent", "boot") for number in range(4)]
    return Shop.of(
        {
            "orders": rows[["order_id", "customer_id", "ordered_at"]].assign(status="completed"),
            "order_lines": rows[["order_id", "product_id"]].assign(line_no=1, quantity=1.0, price=10.0),
            "products": pd.DataFrame({"product_id": names, "title": names, "category": [name[:4] for name in names]}),
            "customers": pd.DataFrame({"customer_id": sorted(rows["customer_id"].unique())}),
        }
    )


UNTAUGHT = {
    "ten days of orders": [(f"c{who:03}", who % 10, f"{('tent', 'boot')[who % 2]} {who % 3}") for who in range(100)],
    "a year in which nobody came back": [(f"c{who:03}", 3 * who, f"{('tent', 'boot')[who % 2]} {who % 3}") for who in range(120)],
}


@pytest.mark.parametrize("orders", UNTAUGHT.values(), ids=UNTAUGHT)
def test_a_shop_with_nothing_to_learn_from_is_answered_by_a_rule(orders: list[tuple[str, int, str]], tmp_path: Path) -> None:
    shop = shop_of(orders)
    said: list[str] = []
    bundle, _ = fit_and_prove(Fits(shop, recipe_of(Config(), threads=1), said.append), shop.default_as_of, origins=2)
    snapshot, catalogue = Snapshot(shop, shop.default_as_of), Catalogue.of(shop)
    assert bundle.rule and any("simple rules answer" in each for each in said)
    bundle.save(tmp_path / "bundle")
    given = Bundle.load(tmp_path / "bundle").interest(snapshot, [catalogue.category("tent"), ProductSet.of("new", ["tent 3"])])
    assert np.isfinite(given).all() and (given >= 0).all() and (given <= 1).all()
    campers = np.arange(len(given)) % 2 == 0
    for column in range(2):
        assert given[campers, column].min() > given[~campers, column].max()
    assert given[:, 1].sum() < given[:, 0].sum()
    assert len(bundle.customers(snapshot)) == len(given)
