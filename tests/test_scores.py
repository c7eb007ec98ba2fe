"""A scoring run: what it holds, that it says the same as an answer asked for directly, and that it is published whole or not at all."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.behaviour import BEHAVIOUR
from features.config import Config
from features.errors import DataError, Refused, UsageError
from features.files import locked, read_current
from features.imports import import_files
from features.products import Catalogue, ProductSet
from features.sections import CustomersSection, ScoreSection
from features.shop import Shop
from features.snapshot import Snapshot
from models.customers.replenishment import COLUMNS, replenishment
from models.pairs.intervals import Spread
from models.pairs.training_sets import main_products
from serving.customers import LIVED, PLAIN, PREDICTED, WHOSE, WHY, Customers
from serving.published import check_interest, load_bundle, open_as_of
from serving.ranks import BestSets, quintiles, scores_by
from serving.scored_sets import is_narrow, named_sets
from serving.scores import Scores, score
from serving.who import EVERYBODY, Answer, Expected, Tally, answers, best_first, known_sets, long_table

ROOT = Path(__file__).resolve().parent.parent
CONFIG = Config(score=ScoreSection(top_per_set=50, top_per_customer=3, product_sets=("category: Tents", "brand: Nordvind", "keyword: ice axe")))


@pytest.fixture(scope="module")
def scored(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Scores:
    folder = tmp_path_factory.mktemp("scored") / "shop"
    shutil.copytree(trained_shop, folder)
    return score(folder, config=CONFIG)


def test_every_customer_has_a_row(scored: Scores) -> None:
    everybody = scored.customers
    customers = everybody[everybody["frequency"] > 0]
    assert customers.index.tolist() == list(scored.snapshot.customer_ids) == everybody.index[: len(customers)].tolist()
    named = [each.name for each in (*WHOSE, *PREDICTED, *LIVED, *PLAIN, *BEHAVIOUR, *WHY)]
    assert sorted({re.sub(r"^(likelihood|expected_[a-z]+)_\d+$", r"\1_H", name) for name in map(str, everybody)}) == sorted(
        set(named) - {"customer_id"}
    )
    assert customers["likelihood_30"].between(0, 1).all()
    for name in ("likelihood", "expected_orders", "expected_revenue"):
        steps = customers[[f"{name}_{days}" for days in (30, 60, 90, 180, 365)]].to_numpy()
        assert np.isfinite(steps).all() and (np.diff(steps, axis=1) >= 0).all()
    assert (customers["expected_orders_30"] > 0).all() and (customers["expected_products_30"] > 0).all()
    assert customers["expected_orders_30"].corr(customers["likelihood_30"], method="spearman") > 0.8
    assert set(customers["basis_by_horizon"]) == {"30, 60, 90, 180, 365 days learnt"}
    assert set(customers["basis"]) == {"model"} and customers["reasons"].str.startswith(("for: ", "against: ", "as usual")).all()
    assert set(customers["lifecycle"]) <= {"just ordered", "active", "slipping away", "lost"}
    assert set(customers["importance"]) == {"one-time", "VIP", "exclusive", "frequent", "loyal"}
    signed_up = everybody[everybody["frequency"] == 0]
    assert len(signed_up) and (signed_up["lifecycle"] == "signed up").all() and signed_up["likelihood_365"].between(0, 1).all()
    known = signed_up.notna().any()
    assert (
        known[["country", "engagement", "has_open_cart", "visits_90", "expected_order_value"]].all()
        and not known[["p_alive", "lifetime_value"]].any()
    )
    assert (signed_up["expected_orders_365"] > signed_up["expected_orders_30"]).all() and signed_up["expected_order_value"].nunique() == 1
    np.testing.assert_allclose(signed_up["expected_revenue_90"], signed_up["likelihood_90"] * signed_up["expected_order_value"], rtol=1e-4)
    assert customers["discount_share"].between(0, 1).all() and 0 < customers["discount_share"].mean() < 1
    for name, best in (("recency", "min"), ("frequency", "max"), ("monetary", "max")):
        scores = customers[f"rfm_{name}"]
        assert scores.between(1, 5).all()
        assert scores[getattr(customers[name], f"idx{best}")()] == 5
        assert customers.groupby(name)[f"rfm_{name}"].nunique().max() == 1
    facts = scored.facts
    limits = facts["limits"]
    assert isinstance(limits, dict) and limits["horizons"]["365"] == "learnt" and limits["return_rates"]["lost"]["customers"] > 0
    assert {"rfm_recency", "rfm_frequency", "rfm_monetary", "importance"} <= set(limits)
    assert (facts["as_of"], facts["horizon"], facts["customers"]) == ("2026-07-01", 30, len(customers))
    assert scored.folder.name == f"2026-07-01-{facts['bundle']}"
    assert read_current(scored.shop_folder).get("scores") == f"scores/{scored.folder.name}"


def test_days_are_dates_in_the_file_and_days_when_read(scored: Scores) -> None:
    days = ["next_order_date", "next_order_low", "next_order_high", "slipping_from", "lost_from"]
    schema = pq.read_schema(scored.folder / "customers.parquet")
    assert {schema.field(name).type for name in days} == {pa.date32()}
    assert not [field.name for field in schema if pa.types.is_timestamp(field.type)]
    table = scored.customers[days]
    assert {kind.kind for kind in table.dtypes} == {"M"} and (table["slipping_from"] < table["lost_from"]).any()


def test_the_lifetime_value_is_as_the_config_has_it_now_and_missing_horizons_are_told(shop: Path) -> None:
    told: list[str] = []
    customers = CustomersSection(margin=0.25, horizons=(30, 273))
    whole, part = (
        score(shop, config=CONFIG).customers,
        score(shop, config=CONFIG.model_copy(update={"customers": customers}), say=told.append).customers,
    )
    np.testing.assert_allclose(part["lifetime_value"], whole["lifetime_value"] / 4, rtol=1e-5)
    assert "note: [customers] horizons has 273, the bundle has 30, 60, 90, 180, 365 days; run: whobuys train --promote" in told
    assert any(text.startswith("came back within 30 days, by the stage of life before: ") for text in told)
    assert any(text.startswith("RFM, where 2, 3, 4 and 5 begin: recency ") for text in told)
    (shop / "whobuys.toml").write_text("[customers]\nlifetime_days = 365\n", encoding="utf-8")
    shorter = Customers.of(*open_as_of(shop, None, bundle=None, memory_limit=None, threads=1)).table
    assert shorter["lifetime_value"].sum() < whole["lifetime_value"].sum()


def test_replenishment_is_stored_for_every_category(scored: Scores) -> None:
    table = scored.replenishment
    assert list(table) == list(COLUMNS) and len(table) > 0
    assert not table.duplicated(["customer_id", "product_set"]).any() and table["customer_id"].isin(scored.customers.index).all()
    assert set(table["product_set"]) <= set(Catalogue.of(scored.shop).categories)
    assert {pq.read_schema(scored.folder / "replenishment.parquet").field(name).type for name in ("due", "low", "high")} == {pa.date32()}
    pd.testing.assert_frame_equal(table, replenishment(scored.snapshot), check_dtype=False)


def test_what_is_stored_is_what_is_answered(scored: Scores) -> None:
    tents = Catalogue.of(scored.shop).category("Tents")
    stored = scored.interests.query("product_set == @tents.label")
    probabilities = scored.interest(tents)
    assert stored["rank"].tolist() == list(range(1, 51))
    assert stored["customer_id"].tolist() == probabilities.sort_values(ascending=False, kind="stable").index[:50].tolist()
    np.testing.assert_allclose(stored["probability"], probabilities[stored["customer_id"]], rtol=1e-5)
    (answer,) = answers(scored.bundle, scored.snapshot, [tents], top=50)
    assert answer.rows["customer_id"].tolist() == stored["customer_id"].tolist()
    assert answer.rows["is_new"].tolist() == stored["is_new"].tolist()
    expected = scored.product_sets.set_index("product_set")["expected_buyers"]
    assert expected[tents.label] == pytest.approx(answer.expected_buyers) == pytest.approx(float(probabilities.sum()))


def test_new_means_never_bought_from_the_set(scored: Scores) -> None:
    tents = Catalogue.of(scored.shop).category("Tents")
    lines = scored.shop.tables["order_lines"].to_pandas().merge(scored.shop.tables["orders"].to_pandas(), on="order_id")
    buyers = set(lines.query("product_id in @tents.product_ids and status == 'completed' and quantity > 0")["customer_id"])
    (answer,) = answers(scored.bundle, scored.snapshot, [tents], top=None)
    assert set(answer.rows.query("not is_new")["customer_id"]) == buyers & set(scored.snapshot.customer_ids)


def test_the_best_sets_of_each_customer(scored: Scores) -> None:
    bests = scored.bests
    assert set(bests["customer_id"]) == set(scored.snapshot.customer_ids)
    of_sets, of_products = bests[bests["product_set_kind"] != "product"], bests[bests["product_set_kind"] == "product"]
    for part in (of_sets, of_products):
        assert part.groupby("customer_id")["rank"].agg(list).map(lambda ranks: ranks == [1, 2, 3]).all()
        assert part.groupby("customer_id")["probability"].agg(lambda values: values.is_monotonic_decreasing).all()
    first = of_products.iloc[0]
    again = scored.interest(ProductSet.of("", [first["product_set"]]))
    assert again[first["customer_id"]] == pytest.approx(first["probability"], rel=1e-5)


def test_the_same_again_is_the_same_bytes_beside_the_published_ones(shop: Path) -> None:
    first, again = (score(shop, config=CONFIG) for _ in range(2))
    assert again.folder.name == f"{first.folder.name}-2"
    assert (first.folder / "manifest.json").read_bytes() == (again.folder / "manifest.json").read_bytes()
    assert score(shop, config=CONFIG).folder == first.folder


@pytest.mark.parametrize("keep, older", [(1, []), (3, ["later"]), (9, ["earlier", "later"])])
def test_only_the_latest_scores_are_kept(keep: int, older: list[str], shop: Path) -> None:
    first = score(shop, config=CONFIG)
    for name, made in (("later", 2), ("earlier", 1)):
        os.utime(shutil.copytree(first.folder, first.folder.with_name(name)), (made, made))
    last = score(shop, config=CONFIG.model_copy(update={"score": CONFIG.score.model_copy(update={"keep": keep})}))
    kept = sorted([*older, last.folder.name, *([first.folder.name] if keep > 1 else [])])
    assert sorted(each.name for each in (shop / "scores").iterdir()) == kept
    assert Scores.open(shop).folder == last.folder


def test_a_broken_off_run_leaves_the_published_scores(shop: Path) -> None:
    before = score(shop, config=CONFIG)

    def full(text: str) -> None:
        if text == "writing":
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        score(shop, config=CONFIG, as_of=date(2026, 7, 1), say=full)
    assert [each.name for each in (shop / "scores").iterdir()] == [before.folder.name]
    pd.testing.assert_frame_equal(Scores.open(shop).interests, before.interests)


def run(shop: Path, *words: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from whobuys.cli import app; app()", *words, "--shop", str(shop)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before)


def test_a_kill_leaves_the_published_scores(shop: Path) -> None:
    before = score(shop, config=CONFIG)
    running = run(shop, "score")
    while running.poll() is None and not list((shop / "scores").glob(".*.part/customers.parquet")):
        pass
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert Scores.open(shop).folder == before.folder
    after = score(shop, config=CONFIG)
    assert sorted(each.name for each in (shop / "scores").iterdir()) == sorted([before.folder.name, after.folder.name])


def small_files_only() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))


def test_a_file_that_cannot_be_written_is_one_message(shop: Path) -> None:
    before = score(shop, config=CONFIG)
    running = run(shop, "score", before=small_files_only)
    _, told = running.communicate()
    assert running.returncode == 1
    assert "Traceback" not in told and "still whole" in told
    assert Scores.open(shop).folder == before.folder


def test_only_one_run_writes(shop: Path) -> None:
    with locked(shop), pytest.raises(Refused, match="another whobuys run"):
        score(shop, config=CONFIG)


def test_a_changed_file_is_noticed(shop: Path) -> None:
    scores = score(shop, config=CONFIG)
    (scores.folder / "interests.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"interests\.parquet: its sha256 does not fit"):
        Scores.open(shop)
    bundle = shop / str(read_current(shop).get("bundle"))
    (bundle / "interest" / "trees.txt").write_text("tree", encoding="utf-8")
    with pytest.raises(DataError, match=r"trees\.txt: its sha256 does not fit"):
        load_bundle(shop)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda shop: Scores.open(shop, "2026-07-02-x"), "there are no scores '2026-07-02-x'"),
        (lambda shop: load_bundle(shop, "nope"), "there is no bundle 'nope'"),
        (lambda shop: score(shop, config=Config(score=ScoreSection(product_sets=("category: Tnts",)))), "no category 'Tnts', did you mean 'Tents'"),
    ],
)
def test_unknown_names_are_told(ask: Callable[[Path], object], message: str, trained_shop: Path, shop: Path) -> None:
    with pytest.raises(DataError, match=message):
        ask(shop)


def test_before_anything_was_trained_or_scored(tmp_path: Path, trained_shop: Path) -> None:
    shutil.copytree(trained_shop / "tables", tmp_path / "tables")
    tables = {"tables": read_current(trained_shop).get("tables")}
    (tmp_path / "current.json").write_text(json.dumps(tables), encoding="utf-8")
    with pytest.raises(DataError, match="nothing was trained here yet; run: whobuys train"):
        score(tmp_path, config=CONFIG)
    with pytest.raises(DataError, match="nothing was scored here yet; run: whobuys score"):
        Scores.open(tmp_path)


def test_orders_alone_give_customers_and_say_that_interests_are_empty(shop: Path) -> None:
    import_files(shop, [shop / "exports-in" / "orders.csv"], config=Config())
    told: list[str] = []
    scores = score(shop, config=Config(), say=told.append)
    assert len(scores.customers) > 100 and scores.replenishment.empty and scores.interests.empty and scores.bests.empty and scores.product_sets.empty
    assert scores.interests.columns.tolist() == ["product_set_kind", "product_set", "customer_id", "probability", "rank", "is_new"]
    assert sum(text.startswith("no interests: the orders have no lines, so nothing is known of what was bought") for text in told) == 1
    with pytest.raises(DataError, match="the orders have no lines, so nothing is known of what was bought"):
        check_interest(Shop.open(shop), load_bundle(shop))


def test_every_customer_and_set_in_one_file(scored: Scores) -> None:
    sets = named_sets(Catalogue.of(scored.shop), ["Tents", "Nordvind"])
    tally = Tally()
    found = tally.counted(answers(scored.bundle, scored.snapshot, sets, top=None))
    frame = pd.concat(long_table(found, EVERYBODY), ignore_index=True)
    assert tally.table()["product_set"].tolist() == [each.label for each in sets]
    assert tally.table()["listed"].tolist() == [len(scored.snapshot.customer_ids)] * 2
    assert tally.total.lift == pytest.approx(1.0) and tally.total.buyers == pytest.approx(frame["probability"].astype(float).sum())
    assert frame.columns.tolist() == ["product_set", "customer_id", "probability", "rank"]
    assert frame.groupby("product_set").size().tolist() == [len(scored.snapshot.customer_ids)] * 2
    for label, rows in frame.groupby("product_set"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        again = rows.sort_values(["probability", "customer_id"], ascending=[False, True])
        assert again["customer_id"].tolist() == rows["customer_id"].tolist(), label


@pytest.mark.parametrize(
    "values, count, order",
    [
        ([0.1, 0.3, 0.3, 0.2], 3, [1, 2, 3]),
        ([0.5, 0.5, 0.5], 2, [0, 1]),
        ([0.1], 5, [0]),
        ([0.2, 0.1], None, [0, 1]),
        ([], 2, []),
        ([0.2, 0.1], 0, []),
    ],
)
def test_best_first_breaks_ties_by_id(values: list[float], count: int | None, order: list[int]) -> None:
    assert best_first(np.array(values, np.float32), count).tolist() == order


@pytest.mark.parametrize(
    "values, low_is_best, counted, scores",
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], False, False, [1, 2, 3, 4, 5]),
        ([1.0, 2.0, 3.0, 4.0, 5.0], True, False, [5, 4, 3, 2, 1]),
        ([1.0, 1.0, 1.0, 2.0], False, True, [1, 1, 1, 4]),
        ([1.0, 1.0, 1.0, 2.0], False, False, [2, 2, 2, 5]),
        ([1.0, 1.0, 1.0], False, True, [3, 3, 3]),
        ([1.0, 1.0, 1.0], True, False, [3, 3, 3]),
        ([7.0], False, False, [3]),
        ([float("nan"), 1.0, 2.0], False, True, [None, 1, 3]),
        ([], False, False, []),
    ],
)
def test_quintiles(values: list[float], low_is_best: bool, counted: bool, scores: list[int | None]) -> None:
    known = pd.Series(values, dtype=float)
    found = scores_by(known, quintiles(known, low_is_best=low_is_best, counted=counted), low_is_best=low_is_best)
    assert [None if pd.isna(each) else int(each) for each in found] == scores


def test_the_best_sets_do_not_depend_on_the_blocks() -> None:
    values = np.random.default_rng(1).integers(0, 5, (20, 12)).astype(np.float32)
    found = []
    for width in (1, 5, 12):
        best = BestSets(20, 4)
        for start in range(0, 12, width):
            block = values[:, start : start + width]
            best.add(np.arange(start, start + block.shape[1], dtype=np.int32), block)
        found.append(best.position)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], np.argsort(-values, axis=1, kind="stable")[:, :4])


SMALL = Shop.of(
    {
        "customers": pd.DataFrame({"customer_id": ["a", "b"]}),
        "products": pd.DataFrame(
            {"product_id": ["1", "2", "3"], "category": ["X > Y", "X > Z", None], "brand": ["B", None, None], "in_stock": [True, False, None]}
        ),
        "orders": pd.DataFrame(
            {"order_id": ["o1", "o2"], "customer_id": ["a", "b"], "ordered_at": pd.to_datetime(["2026-01-01", "2026-01-02"]), "status": "completed"}
        ),
        "order_lines": pd.DataFrame(
            {"order_id": ["o1", "o2", "o2"], "line_no": [1, 1, 2], "product_id": ["1", "2", "3"], "quantity": 1.0, "price": [2.0, 2.0, 2.0]}
        ),
    }
)


def test_sets_and_products_by_name() -> None:
    catalogue, snapshot = Catalogue.of(SMALL), Snapshot(SMALL, date(2026, 2, 1))
    sets = named_sets(catalogue, ["category: X", "Y", "brand: b", "category: X > Y"])
    assert [(each.kind, each.label) for each in sets] == [("brand", "B"), ("category", "X"), ("category", "X > Y")]
    assert [is_narrow(each, sets) for each in sets] == [True, False, True]
    assert [each.label for each in main_products(snapshot, limit=50)] == ["1", "3"]
    assert snapshot.bought(sets).toarray().tolist() == [[True, True, True], [False, True, False]]
    with pytest.raises(UsageError, match="'categry' is no kind of product set, did you mean 'category'"):
        named_sets(catalogue, ["categry: X"])


def test_what_the_shop_does_not_know_is_left_out_and_told() -> None:
    some, none = ProductSet.of("some", ["1", "9"]), [ProductSet.of(f"none {number}", ["8", "9"]) for number in range(12)]
    assert known_sets(SMALL, [ProductSet.of("all", ["1", "2"])]) == ([ProductSet.of("all", ["1", "2"])], [])
    sets, notes = known_sets(SMALL, [none[0], some, *none[1:]])
    assert sets == [ProductSet.of("some", ["1"])]
    assert notes[0].startswith("12 of 13 product sets are left out, as the shop knows none of their products: 'none 0', 'none 1', ")
    assert notes[0].endswith("'none 9' and 2 more")
    assert notes[1] == "products that the shop does not know are left out of 'some' (1 of 2)"
    with pytest.raises(DataError, match=r"^no product of 'none 0' is known to the shop"):
        known_sets(SMALL, none[:1])
    assert known_sets(SMALL, []) == ([], [])


def test_lift_and_expectation_of_an_answer() -> None:
    rows = pd.DataFrame({"rank": [1, 2], "customer_id": ["a", "b"], "probability": [0.5, 0.25], "is_new": [True, True]})
    answer = Answer(ProductSet.of("x", ["1"]), date(2026, 1, 1), 30, 10, 1.5, 1.2, Spread(), rows)
    expected = answer.expected
    assert (expected.base_rate, expected.of_listed, expected.share, expected.lift) == (0.15, 0.75, 0.5, 2.5)
    assert expected.range[0] <= 1.5 <= expected.range[1] and expected.range_listed[1] <= expected.range[1]
    tally = Tally()
    list(tally.counted([answer, answer]))
    assert (tally.total.base_rate, tally.total.of_listed, tally.total.listed, tally.total.lift) == (0.15, 1.5, 4, 2.5)
    assert np.isnan(Expected(pairs=10).lift) and Expected(pairs=10).share == 0


def test_probabilities_are_stored_as_single_precision(scored: Scores) -> None:
    schema = pq.read_schema(scored.folder / "interests.parquet")
    assert [str(schema.field(name).type) for name in ("probability", "rank", "is_new")] == ["float", "int32", "bool"]
