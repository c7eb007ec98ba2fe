"""The fitted models: what they learn from, that they keep, and that they beat the rules on a shop whose right answers are known."""

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from features.config import Config
from features.errors import DataError
from features.products import Catalogue, ProductSet, membership
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics, set_metrics
from models.base import load_arrays, save_arrays
from models.blend import BlendConfig
from models.bundle import ORIGINS, Bundle
from models.pairs.affinity import _ease
from models.pairs.baselines import BASELINES
from models.pairs.interest import Interest, pair_sample
from models.pairs.training_sets import SetMixture, main_sets, training_sets
from training.fits import Fits
from training.train import recipe_of


@pytest.fixture(scope="module")
def bundle_folder(trained_shop: Path) -> Path:
    return next((trained_shop / "bundles").iterdir())


@pytest.fixture(scope="module")
def shop(trained_shop: Path) -> Shop:
    return Shop.open(trained_shop)


@pytest.fixture(scope="module")
def origin(bundle_folder: Path) -> Bundle:
    return Bundle.load(next((bundle_folder / ORIGINS).iterdir()))


@pytest.fixture(scope="module")
def fits(shop: Shop) -> Fits:
    recipe = recipe_of(Config(), threads=1)
    affinity = replace(recipe.interest.affinity, factors=8, iterations=2)
    interest = replace(recipe.interest, blend=BlendConfig(trees=20), pairs=10_000, affinity=affinity)
    return Fits(
        shop, replace(recipe, origins=2, interest=interest, likelihood=replace(recipe.likelihood, blend=BlendConfig(trees=10))), lambda text: None
    )


def test_sets_of_many_kinds_are_learnt_from(shop: Shop) -> None:
    snapshot, catalogue = Snapshot(shop, date(2025, 6, 1)), Catalogue.of(shop)
    sets = training_sets(snapshot, catalogue, mixture=SetMixture(named=30, products=5, random=4), seed=1)
    again = training_sets(snapshot, catalogue, mixture=SetMixture(named=30, products=5, random=4), seed=1)
    assert sets == again
    assert sum(one.kind == "product" for one in sets) == 5
    assert sum(one.label.startswith("random") for one in sets) == 4
    assert len({one.label for one in sets} & set(catalogue.categories)) >= 9


def test_main_sets_are_categories_and_brands_best_sold_first(shop: Shop) -> None:
    snapshot, catalogue = Snapshot(shop, date(2025, 6, 1)), Catalogue.of(shop)
    sets = main_sets(snapshot, catalogue, limit=10)
    assert len(sets) == 10
    assert {one.kind for one in sets} <= {"category", "brand"}
    assert main_sets(snapshot, catalogue, limit=3) == sets[:3]


def test_the_weights_of_a_sample_restore_the_base_rate(fits: Fits, shop: Shop) -> None:
    as_of = date(2025, 6, 1)
    config = replace(fits.recipe.interest, pairs=40_000)
    snapshot = Snapshot(shop, as_of)
    sample = pair_sample(snapshot, Catalogue.of(shop), fits.affinity(as_of), config=config)
    sets = training_sets(snapshot, Catalogue.of(shop), mixture=config.mixture, seed=config.seed)
    pairs, buyers = len(snapshot.customer_ids) * len(sets), snapshot.outcome(sets).nnz
    assert len(sample.bought) < pairs
    assert sample.weight.sum() == pytest.approx(pairs, rel=0.03)
    assert (sample.weight * sample.bought).sum() == pytest.approx(buyers, rel=0.03)


@pytest.mark.parametrize(
    ("young", "message"),
    [
        (
            date(2023, 8, 1),
            r"the orders go back 3\d days; a horizon of 30 days needs at least 60: import older orders, or train with --horizon 1\d or less",
        ),
        (date(2023, 6, 1), "the orders go back 0 days"),
    ],
)
def test_a_shop_younger_than_two_horizons_is_told_so(fits: Fits, young: date, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fits.training_dates(young)


def test_training_dates_have_closed_and_have_a_past(fits: Fits) -> None:
    as_of = date(2025, 6, 1)
    assert fits.training_dates(as_of) == [as_of - timedelta(days=30), as_of - timedelta(days=60)]


def test_the_same_orders_give_the_same_models(fits: Fits, shop: Shop) -> None:
    as_of, catalogue = date(2025, 6, 1), Catalogue.of(shop)
    other = Fits(shop, fits.recipe, lambda text: None)
    sets = main_sets(Snapshot(shop, as_of), catalogue, limit=5)
    first, second = (each.bundle(as_of, name="x") for each in (fits, other))
    np.testing.assert_array_equal(first.interest(Snapshot(shop, as_of), sets), second.interest(Snapshot(shop, as_of), sets))
    pd.testing.assert_frame_equal(first.customers(Snapshot(shop, as_of)), second.customers(Snapshot(shop, as_of)))


def test_products_that_are_only_ids_are_enough(fits: Fits, shop: Shop) -> None:
    tables = {name: shop.tables[name].to_pandas() for name in ("customers", "products", "orders", "order_lines")}
    tables["products"] = tables["products"][["product_id"]]
    bare = Shop.of(tables)
    snapshot = Snapshot(bare, date(2025, 6, 1))
    sets = main_sets(snapshot, Catalogue.of(bare), limit=5)
    assert [one.kind for one in sets] == ["product"] * 5
    given = Fits(bare, fits.recipe, lambda text: None).bundle(snapshot.as_of, name="x").interest(snapshot, sets)
    assert given.shape == (len(snapshot.customer_ids), 5)
    assert ((given > 0) & (given < 1)).all()


def test_what_is_saved_is_what_was_fitted(fits: Fits, shop: Shop, tmp_path: Path) -> None:
    as_of, catalogue = date(2025, 6, 1), Catalogue.of(shop)
    fitted = fits.bundle(as_of, name="x")
    fitted.save(tmp_path / "x")
    loaded = Bundle.load(tmp_path / "x")
    snapshot = Snapshot(shop, as_of)
    sets = main_sets(snapshot, catalogue, limit=5)
    np.testing.assert_allclose(loaded.interest(snapshot, sets), fitted.interest(snapshot, sets), rtol=1e-5)
    pd.testing.assert_frame_equal(loaded.customers(snapshot), fitted.customers(snapshot), rtol=1e-5)
    kept = {path.suffix for path in (tmp_path / "x").rglob("*") if path.is_file()}
    assert kept == {".txt", ".npz", ".json"}


def test_a_bundle_that_was_changed_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle_folder, copy)
    model = copy / "interest" / "trees.txt"
    model.write_text(model.read_text() + "\n")
    with pytest.raises(DataError, match=r"trees.txt: its sha256 does not fit the manifest"):
        Bundle.load(copy)


def test_arrays_of_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds objects"):
        save_arrays(tmp_path / "a.npz", {"a": np.array([{}], dtype=object)})
    np.savez(tmp_path / "b.npz", b=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        load_arrays(tmp_path / "b.npz")


def test_a_product_that_the_shop_has_no_longer_is_no_other_one(fits: Fits, shop: Shop) -> None:
    snapshot, catalogue = Snapshot(shop, date(2026, 6, 1)), Catalogue.of(shop)
    model = fits.bundle(date(2026, 6, 1), name="x").pair_model
    assert isinstance(model, Interest)
    affinity = model.affinity
    last = affinity.product_ids.get_loc(shop.product_ids[-1])
    gone = [f"gone-{each}" if place < 3 else each for place, each in enumerate(affinity.product_ids)]
    leanings = replace(affinity, product_ids=pd.Index(gone)).of(snapshot, catalogue)
    found = leanings.scores(membership(shop, [ProductSet.of("the last", [shop.product_ids[-1]])]))["als"][:, 0]
    np.testing.assert_allclose(found, np.maximum(leanings.factors @ affinity.item_factors[last], 0), rtol=1e-5, atol=1e-6)


def test_a_bundle_is_not_asked_about_what_it_has_seen(bundle_folder: Path, shop: Shop) -> None:
    bundle = Bundle.load(bundle_folder)
    with pytest.raises(DataError, match="which it has seen; choose a later date, or train with --as-of 2026-06-01"):
        bundle.customers(Snapshot(shop, date(2026, 6, 1)))


def test_the_interest_model_beats_the_rules_where_the_right_answers_are_known(origin: Bundle, shop: Shop) -> None:
    """On the made-up shop, with a fit that knew nothing of the month in question; the floors hold for the few trees of the tests."""
    snapshot = Snapshot(shop, origin.as_of)
    sets = main_sets(snapshot, Catalogue.of(shop), limit=60)
    pairs = snapshot.pairs(sets)
    outcome, bought = snapshot.outcome(sets), pairs.bought()
    given = origin.interest(snapshot, sets)
    ours = set_metrics.summary(set_metrics.by_set(given, outcome, bought, min_buyers=5, min_new=3))
    for name in ("random", "recency", "orders_from_set_then_orders", "als"):
        rule = set_metrics.summary(set_metrics.by_set(BASELINES[name].scores(snapshot, pairs), outcome, bought, min_buyers=5, min_new=3))
        assert ours["ap"] > rule["ap"], name
    assert 0.6 < given.sum() / outcome.sum() < 1.6


def test_the_likelihood_tells_who_orders_again(origin: Bundle, shop: Shop) -> None:
    snapshot = Snapshot(shop, origin.as_of)
    given, ordered = origin.customers(snapshot).iloc[:, 0].to_numpy(), snapshot.ordered()
    assert metrics.auc(given, ordered) > metrics.auc(-snapshot.customers()["recency"].to_numpy(), ordered)


def test_planted_rhythms_are_found() -> None:
    from features.made_up import made_up_shop

    made = made_up_shop(scale=0.1, seed=2)
    found = Snapshot(Shop.of(made.tables), date(2026, 7, 1)).customers()["rhythm"]
    planted = made.truth.rhythms
    errors = (found.reindex(planted.index) / planted - 1).abs().dropna()
    assert len(errors) > 0.8 * len(planted)
    assert errors.median() <= 0.2


@pytest.mark.parametrize("times", [1, 64, 4096])
def test_what_goes_together_is_learnt_however_many_customers_there_are(times: int) -> None:
    """Columns that nearly repeat each other, and many customers: single precision cannot invert their matrix."""
    rng = np.random.default_rng(1)
    drawn = (np.float32(times) * rng.random((2000, 30)) * (rng.random((2000, 30)) < 0.3)).astype(np.float32)
    bought = csr_matrix(np.hstack([drawn, drawn, 0.5 * drawn[:, :10] + 0.5 * drawn[:, 10:20]]))
    learnt = bought @ _ease(bought, limit=70, regularization=10.0, kept=70)
    assert np.corrcoef(learnt.toarray().ravel(), bought.toarray().ravel())[0, 1] > 0.99
