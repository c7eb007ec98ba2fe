"""Who answers: the model, unless past dates say that a rule is better, or too little is known to say."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from features.config import Config
from features.made_up import made_up_shop
from features.products import Catalogue, ProductSet
from features.shop import Shop
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
