"""Evaluations: slices whose answers are known, a planted truth that is found, nothing known from after a date, a verdict in words, and the page."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.config import Config
from features.errors import DataError
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.bundle import ORIGINS, Bundle
from models.pairs.importance import MEANINGS, importance
from models.pairs.interest import Interest
from models.resampling import gain_draws
from serving.exports import text_of
from serving.history import COLUMNS, FIGURES, figures, remember_comparison
from training.backtest import Grounds
from training.evaluation.compared import OURS, Compared, Plan, tables_of
from training.evaluation.evaluate import Evaluation, evaluate, recipe_of, stored_fits
from training.evaluation.ground import POPULATIONS, Ground, varied_sets
from training.evaluation.slices import SLICES, pooled, slices_of, with_band, with_intervals
from training.evaluation.verdict import better, verdict
from training.fits import Fits
from training.train import recipe_of as recipe_of_config
from whobuys.cli import app
from whobuys.evaluation.page import page
from whobuys.evaluation.plain import answers

AS_OF = date(2025, 3, 1)
PEOPLE = [f"c{number:02d}" for number in range(60)]
SETS = (ProductSet.of("tents", ["t1", "t2"]), ProductSet.of("boots", ["b1"]), ProductSet.of("hats", ["h1"]))


def row_of(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """The row whose first column is the name."""
    (found,) = table[table.iloc[:, 0] == name].to_dict("records")
    return {str(column): value for column, value in found.items()}


def small_shop() -> Shop:
    """Sixty customers with a first order of boots; the first thirty have a second one, of tents. Afterwards c00 to c11 and c40 to c49 buy tents, and
    c00 to c04 and c50 to c54 boots. Hats were never sold before."""
    first = [("2025-01-10", person, "b1") for person in PEOPLE]
    second = [("2025-02-20", person, "t1") for person in PEOPLE[:30]]
    later = [("2025-03-05", person, "t2") for person in PEOPLE[:12] + PEOPLE[40:50]] + [
        ("2025-03-06", person, "b1") for person in PEOPLE[:5] + PEOPLE[50:55]
    ]
    rows = pd.DataFrame([*first, *second, *later], columns=["ordered_at", "customer_id", "product_id"])
    rows["order_id"] = [f"o{number:04d}" for number in range(len(rows))]
    orders = rows[["order_id", "customer_id"]].assign(ordered_at=pd.to_datetime(rows["ordered_at"]), status="completed")
    lines = rows[["order_id", "product_id"]].assign(line_no=1, quantity=1.0, price=10.0)
    products = pd.DataFrame({"product_id": ["t1", "t2", "b1", "h1"]})
    return Shop.of({"orders": orders, "order_lines": lines, "products": products, "customers": pd.DataFrame({"customer_id": PEOPLE})})


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground(Snapshot(small_shop(), AS_OF, 30), SETS)


@pytest.fixture(scope="module")
def bundle(trained_shop: Path) -> Bundle:
    return Bundle.load(next((trained_shop / "bundles").iterdir()))


@pytest.fixture(scope="module")
def knowing(ground: Ground, bundle: Bundle) -> Compared:
    """Answers that knew what came: certain, but for the third set."""
    return Compared(bundle, ground, np.where(ground.outcome, 1.0, 0.0).astype(np.float32))


@pytest.mark.parametrize(
    "population, pairs, outcomes, measured",
    [
        ("everybody", [60, 60, 60], [22, 10, 0], [True, True, False]),
        ("repeat", [30, 60, 0], [12, 10, 0], [True, True, False]),
        ("new", [30, 0, 60], [10, 0, 0], [True, False, False]),
        ("one_order", [30, 30, 30], [10, 5, 0], [True, True, False]),
    ],
)
def test_a_population_holds_its_pairs(population: str, pairs: list[int], outcomes: list[int], measured: list[bool], ground: Ground) -> None:
    among = POPULATIONS[population](ground)
    assert among.sum(axis=0).tolist() == pairs
    assert (ground.outcome & among).sum(axis=0).tolist() == outcomes
    assert ground.measured(population).tolist() == measured


def test_sets_fall_into_groups(ground: Ground) -> None:
    """Boots have 60 orders in 90 days and tents 30; tents were first sold nine days before the date, hats never."""
    found = {name: [SETS[place].label for place in np.flatnonzero(ground.groups[name])] for name in ground.groups}
    assert found == {
        "all": ["tents", "boots", "hats"],
        "head": ["boots"],
        "middle": ["tents"],
        "tail": ["hats"],
        "new": ["tents", "hats"],
        "single": ["boots", "hats"],
        "few": ["tents"],
        "many": [],
    }


def test_a_planted_truth_is_found(knowing: Compared) -> None:
    tables = tables_of(knowing, Plan(rules=("orders", "random")), windows=[])
    ours, chance = (row_of(tables["methods"], name) for name in (OURS, "random"))
    assert [ours[name] for name in ("sets", "ap", "new_ap", "rp", "level", "calibration_error")] == pytest.approx([2, 1, 1, 1, 1, 0])
    assert chance["ap"] < 0.7 and np.isnan(chance["log_loss"])
    counts = tables["methods"][["sets", "new_sets", "buyers", "new_buyers"]]
    assert set(counts.dtypes) == {np.dtype("int64")} and "2.0" not in text_of(counts, "csv")
    assert tables["sets"][["product_set", "buyers", "expected"]].values.tolist() == [["tents", 22, 22], ["boots", 10, 10], ["hats", 0, 0]]
    coverage = tables["coverage"].iloc[0]
    assert (coverage["sets"], coverage["sets_covered"], coverage["outcomes"], bool(coverage["covered"])) == (3, 3, 32, True)


def test_slices_say_what_is_known_of_them(knowing: Compared) -> None:
    slices = slices_of(tables_of(knowing, Plan(rules=("orders", "random")), windows=[])["cases"]).set_index("slice")
    counts = slices[["sets", "outcomes", "expected"]].astype(int).T
    assert {name: counts[name].tolist() for name in SLICES} == {
        "all": [2, 32, 32],
        "repeat buyers": [2, 22, 22],
        "new buyers": [1, 10, 10],
        "one-order customers": [2, 15, 15],
        "best sold sets": [1, 10, 10],
        "middle sets": [1, 22, 22],
        "little sold sets": [0, 0, 0],
        "new sets": [1, 22, 22],
        "single products": [1, 10, 10],
        "small sets": [1, 22, 22],
        "large sets": [0, 0, 0],
    }
    known = slices[slices["sets"] > 0]
    assert known["ap"].tolist() == [1.0] * len(known) and (known["ratio"] > 1).all()
    assert slices.loc["little sold sets", ["ap", "rule_ap", "ratio", "level"]].isna().all() and slices.loc["little sold sets", "rule"] == ""


def test_the_best_rule_of_a_slice_is_the_best_there() -> None:
    groups = dict.fromkeys(("all", "head", "middle", "tail", "new", "single", "few", "many"), True)
    rows = [
        (method, population, ap)
        for method, everybody, new in ((OURS, 0.4, 0.2), ("one", 0.3, 0.1), ("other", 0.2, 0.3))
        for population, ap in {"everybody": everybody, "repeat": np.nan, "new": new, "one_order": np.nan}.items()
    ]
    cases = pd.concat([pd.DataFrame(rows, columns=["method", "population", "ap"])] * 5).assign(outcomes=4, expected=2.0, **groups)
    found = slices_of(cases)
    assert [row_of(found, "all")[name] for name in ("rule", "rule_ap", "level")] == ["one", pytest.approx(0.3), 0.5]
    assert [row_of(found, "new buyers")[name] for name in ("rule", "rule_ap")] == ["other", pytest.approx(0.3)]
    judged = {row["slice"]: better(row) for _, row in found.iterrows()}
    assert (judged["all"], judged["new buyers"], judged["repeat buyers"]) == (True, False, None)


def test_intervals_are_sure_of_what_is_sure_and_one_where_nothing_differs(knowing: Compared, bundle: Bundle) -> None:
    same = replace(knowing, given=knowing.ground.scores("orders"))
    for compared, low, high in ((knowing, 1.0, 9.0), (same, 1.0, 1.0)):
        cases = tables_of(compared, Plan(rules=("orders",)), windows=[])["cases"]
        found = with_intervals(slices_of(cases), cases, [compared], samples=50).set_index("slice").loc[["all", "new buyers", "one-order customers"]]
        assert (found["ratio_low"] >= low).all() and (found["ratio_high"] <= high).all()


def test_rules_become_probabilities_by_what_closed_before(ground: Ground, knowing: Compared) -> None:
    window = Ground(Snapshot(ground.snapshot.shop, AS_OF - timedelta(days=30), 30), SETS)
    methods = tables_of(knowing, Plan(rules=("orders",), calibrated=True), windows=[window])["methods"]
    rule = row_of(methods, "orders")
    assert 0 < rule["log_loss"] < 5 and rule["expected"] > 0


@pytest.fixture(scope="module")
def shop(trained_shop: Path) -> Shop:
    return Shop.open(trained_shop)


def test_nothing_after_the_origin_is_known(shop: Shop) -> None:
    origin = date(2025, 6, 1)
    fits = Fits(shop, recipe_of_config(Config(), threads=1), lambda text: None)
    windows = list(Grounds(fits, Plan()).windows(origin))
    assert windows and all(each.snapshot.as_of + timedelta(days=30) <= origin for each in windows)
    tables = {name: shop.tables[name].to_pandas() for name in ("customers", "products", "orders", "order_lines")}
    early = Shop.of(tables | {"orders": tables["orders"][tables["orders"]["ordered_at"] < pd.Timestamp(origin)]})
    now, then = (varied_sets(Snapshot(each, origin), Catalogue.of(each)) for each in (shop, early))
    assert now == then
    assert len({each.product_ids for each in now}) == len(now)
    assert {each.kind for each in now} == {"category", "brand", "product"}


def test_stored_fits_are_of_the_same_orders(bundle: Bundle, trained_shop: Path, shop: Shop) -> None:
    folder = trained_shop / "bundles" / bundle.id
    stored = date.fromisoformat(next((folder / ORIGINS).iterdir()).name)
    found = stored_fits(bundle, folder, shop)(stored)
    assert found is not None and found.as_of == stored
    assert stored_fits(bundle, folder, shop)(stored - timedelta(days=30)) is None
    assert stored_fits(replace(bundle, facts={**bundle.facts, "tables": "others"}), folder, shop)(stored) is None


def test_the_recipe_of_a_bundle_is_read_from_it(bundle: Bundle) -> None:
    recipe = recipe_of(bundle, threads=7)
    assert (recipe.horizon, recipe.origins, recipe.interest.blend.trees, recipe.interest.affinity.factors) == (30, 2, 40, 8)
    assert {recipe.interest.threads, recipe.likelihood.threads, recipe.interest.affinity.threads} == {7}


def test_a_shop_that_is_too_young_is_told_so(bundle: Bundle, shop: Shop, trained_shop: Path) -> None:
    with pytest.raises(DataError, match=r"by 2023-08-20 the orders go back \d+ days; an evaluation needs 90: .*train with --horizon 1\d or less"):
        evaluate(shop, bundle, trained_shop, origins=3, as_of=date(2023, 8, 20), say=lambda text: None)


ROW = {
    "slice": "all",
    "sets": 50,
    "outcomes": 1000,
    "expected": 920.0,
    "level": 0.92,
    "ap": 0.278,
    "rule": "orders",
    "rule_ap": 0.261,
    "ratio": 1.065,
}
METHODS = {"method": OURS, "origin": "x", "log_loss": np.nan, "calibration_error": np.nan, "sets": 50.0, "new_sets": 0.0}

COVERAGE = {
    "share": [0.8, 0.8],
    "sets": [30, 20],
    "sets_covered": [24, 15],
    "covered": [True, False],
    "answered": [OURS, "recency of the last order"],
}


def told(*rows: dict[str, object]) -> list[str]:
    """The verdict of slices, without the sentences about the customers and the ranking."""
    from training.evaluation.slices import RANKINGS, TOTALS

    methods = pd.DataFrame([{**dict.fromkeys([*RANKINGS, *TOTALS], np.nan), **METHODS}])
    customers = pd.DataFrame({"origin": ["x"], "expected": [9.6], "ordered": [10], "auc": [0.75], "auc_recency": [0.7]})
    return verdict({"slices": pd.DataFrame(rows), "methods": methods, "customers": customers, "coverage": pd.DataFrame(COVERAGE)})


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            {"ratio_low": 1.04, "ratio_high": 1.09},
            "Better than the strongest simple rules: AP .278 against .261 (number of orders); 1.06 times as good, 95 %: 1.04 to 1.09.",
        ),
        ({"ratio_low": 0.99, "ratio_high": 1.09}, "Not surely better than the simple rules: AP .278"),
        ({"ratio": 0.9, "ratio_low": 0.8, "ratio_high": 0.95}, "Not better than the simple rules: AP .278"),
        ({}, "Better than the strongest simple rules: AP .278 against .261 (number of orders); 1.06 times as good."),
        ({}, "Expected buyers: 920, real: 1,000 (8 % too few)."),
        ({"expected": 1130.0, "level": 1.13}, "Expected buyers: 1,130, real: 1,000 (13 % too many)."),
        ({"level": 1.001}, "(right to the per cent)."),
        ({"outcomes": 0, "level": np.nan}, "Expected buyers: 920, real: none."),
        ({"ap": np.nan, "ratio": np.nan}, "No product set had 10 buyers: nothing can be said of the ranking."),
        ({}, "held the real buyers of 78 % of the product sets, and those of all together on 1 of 2 dates."),
        ({}, "On 1 of 2 dates a simple rule answered (recency of the last order), as the dates before did not show that the model is better."),
        ({}, "Who orders anything: expected 10 customers, real 10; AUC .750 against .700 (who ordered last)."),
    ],
)
def test_the_verdict_is_plain(change: dict[str, object], sentence: str) -> None:
    assert any(sentence in each for each in told({"ratio_low": np.nan, "ratio_high": np.nan, **ROW, **change}))


def test_rules_whose_names_hold_commas_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["recency in the set, ties by recency of the last order", "orders from the set, ties by number of orders"]
    monkeypatch.setitem(COVERAGE, "answered", names)
    found = told({"ratio_low": np.nan, "ratio_high": np.nan, **ROW})
    assert any(f"On 2 of 2 dates a simple rule answered ({'; '.join(names)}), as" in each for each in found)


def test_the_verdict_names_the_slices_whose_totals_are_far_off() -> None:
    right = {**ROW, "ratio_low": 1.1, "ratio_high": 1.2, "level": 1.0}
    few, little = {**right, "slice": "new buyers", "level": 0.75}, {**right, "slice": "new sets", "level": 0.5, "outcomes": 999}
    many, near = {**right, "slice": "single products", "level": 1.204}, {**right, "slice": "repeat buyers", "level": 1.099}
    sentence = "But expected buyers are off by more than 10 % among: new buyers (25 % too few), single products (20 % too many)."
    assert sentence in told(right, few, little, many, near)
    assert not any(each.startswith("But expected") for each in told(right, little, near))


def test_the_verdict_says_where_it_is_no_better() -> None:
    sure = {**ROW, "ratio_low": 1.1, "ratio_high": 1.2}
    worse = {**ROW, "slice": "new sets", "ratio": 0.8, "ratio_low": 0.7, "ratio_high": 0.9}
    unsure = {**ROW, "slice": "new buyers", "rule": "recency", "ratio_low": 0.9, "ratio_high": 1.2}
    few = {**sure, "slice": "large sets", "sets": 4}
    found = told(sure, {**sure, "slice": "repeat buyers"}, worse, unsure, few)
    assert "Better also for repeat buyers." in found
    assert "Not better for new sets: AP .278 against .261 (the same rule); 0.80 times as good, 95 %: 0.70 to 0.90." in found
    assert any(each.startswith("No sure difference for new buyers: AP .278 against .261 (recency of the last order)") for each in found)
    assert "Too few product sets with enough buyers to tell: large sets." in found


def test_methods_are_pooled_by_their_measured_sets() -> None:
    from training.evaluation.slices import RANKINGS

    rows = [("a", 1.0, 3.0, 0.5, 10.0, 12.0), ("a", 3.0, 1.0, 0.1, 30.0, 24.0)]
    table = pd.DataFrame(rows, columns=["method", "sets", "new_sets", "ap", "buyers", "expected"]).assign(
        new_buyers=1.0, log_loss=0.1, calibration_error=0.2
    )
    found = row_of(pooled(table.assign(**dict.fromkeys(RANKINGS, table["ap"]))).reset_index(), "a")
    assert [found[name] for name in ("ap", "new_ap", "level", "sets")] == pytest.approx([0.2, 0.4, 0.9, 4])


def test_a_page_escapes_what_it_shows(knowing: Compared) -> None:
    named = Ground(knowing.ground.snapshot, tuple(replace(each, label=f"<b>{each.label}</b> & co") for each in SETS))
    tables = tables_of(replace(knowing, ground=named), Plan(rules=("orders",)), windows=[])
    customers = pd.DataFrame({"customers": [60], "expected": [9.6], "ordered": [10], "auc": [0.75], "auc_recency": [0.7]})
    joined = {name: table.assign(origin="2025-03-01") for name, table in {**tables, "customers": customers}.items() if name != "cases"}
    found = page(Evaluation("b", AS_OF, 30, joined | {"slices": slices_of(tables["cases"])}), shop_name="<script>alert(1)</script>").html()
    assert "<script" not in found and "&lt;script&gt;" in found
    assert "&lt;b&gt;tents&lt;/b&gt; &amp; co" in found and "<b>tents" not in found
    assert not re.search(r"(?:src|href)=\"(?!#)", found) and "url(" not in found


def test_a_shop_without_order_lines_is_judged_by_its_customers() -> None:
    row = {"origin": "2025-03-01", "customers": 60, "expected": 9.6, "ordered": 10, "level": 0.96, "auc": 0.75, "auc_recency": 0.7, "log_loss": 0.4}
    found = Evaluation("b", AS_OF, 30, {"customers": pd.DataFrame([row])})
    assert found.verdict() == ["Who orders anything: expected 10 customers, real 10; AUC .750 against .700 (who ordered last)."]
    assert found.measures() == {"likelihood_auc": 0.75, "likelihood_log_loss": 0.4, "likelihood_level": 0.96}
    text = page(found, shop_name="Bob's").html()
    assert found.verdict()[0] in text and "Bob&#39;s" in text and "<svg" not in text


def ask(*words: str | Path, shop: Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, words), "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})


def test_an_evaluation_anew_is_printed_written_and_logged(shop_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (shop_folder / "whobuys.toml").write_text('[shop]\nname = "Bob & sons"\n', encoding="utf-8")
    (tmp_path / "sets.txt").write_text("category: Tents\nbrand: Nordvind\n", encoding="utf-8")
    result = ask("--origins", "1", "--sets-file", tmp_path / "sets.txt", "--report", tmp_path / "out.html", "--json", shop=shop_folder)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["as_of"], found["horizon"], found["origins"]) == ("2026-07-01", 30, ["2026-06-01"])
    assert "fitting the interest model" not in result.stderr  # its own fit is kept with the bundle
    assert set(found["tables"]) == {"methods", "slices", "sets", "calibration", "gain", "coverage", "customers"}
    assert [row["product_set"] for row in found["tables"]["sets"]] == ["Outdoor > Camping > Tents", "Nordvind"]
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "Bob &amp; sons" in text and text.count("<svg") == 3
    assert all(sentence.split(" (")[0].replace("'", "&#39;") in text for sentence in found["verdict"])
    client = MlflowClient(tracking_uri=f"sqlite:///{shop_folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("whobuys-Bob-sons")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["kind"] == "evaluation" and run.data.tags["origins"] == "2026-06-01"
    assert {"ap", "level", "likelihood_auc"} <= set(run.data.metrics)
    logged = {each.path for folder in ("", "evaluation", "figures") for each in client.list_artifacts(run.info.run_id, folder or None)}
    assert {"evaluation.html", "evaluation/slices.json", "figures/gain.png"} <= logged
    people = Snapshot(Shop.open(shop_folder), date(2026, 7, 1)).customer_ids
    kept = [path for path in (shop_folder / "mlruns").rglob("*") if path.suffix in (".json", ".html")]
    assert kept
    for content in (text, result.stdout, *(path.read_text(encoding="utf-8") for path in kept)):
        assert not set(re.findall(r"\b\w+\b", content)) & set(people)


@pytest.fixture
def shop_folder(trained_shop: Path, tmp_path: Path) -> Path:
    """A copy that may be written to."""
    import shutil

    return Path(shutil.copytree(trained_shop, tmp_path / "shop"))


@pytest.mark.parametrize(
    "words, code, message",
    [
        (["--origins", "0"], 2, "Invalid value for '--origins'"),
        (["--report", "out.pdf"], 2, "out.pdf: the report is one page; name a file that ends with .html or .md"),
        (["--table", "slice"], 2, "there is no table 'slice', did you mean 'slices'?"),
        (["--sets-file", "nowhere.csv"], 1, "nowhere.csv: there is no such file"),
        (["--sets-file", "{wrong}"], 1, "line 2: there is no category 'Tnts', did you mean 'Tents'?"),
        (["--sets-file", "{unknown}"], 1, "no product of 'things' is known to the shop; check the product ids"),
        (["--as-of", "2030-01-01"], 1, "--as-of 2030-01-01 lies after the orders end"),
        (["--as-of", "2023-08-20"], 1, "by 2023-08-20 the orders go back"),
        (["--bundle", "nobody"], 1, "there is no bundle 'nobody'"),
    ],
)
def test_a_mistake_is_one_clear_message(words: list[str], code: int, message: str, trained_shop: Path, tmp_path: Path) -> None:
    files = {"wrong": "brand: Nordvind\ncategory: Tnts\n", "unknown": "product_set,product_id\nthings,nothing\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = ask(*(word.format(**{name: tmp_path / name for name in files}) for word in words), shop=trained_shop)
    assert result.exit_code == code and result.stdout == ""
    assert message in result.stderr and "Traceback" not in result.stderr


def test_what_training_measured_is_told_at_once(trained_shop: Path) -> None:
    found = ask("--table", "slices", "--csv", shop=trained_shop)
    assert found.exit_code == 0 and found.stdout.splitlines()[1].startswith("all,")
    assert (
        "beside every rule and on more product sets, in minutes: whobuys evaluate --origins 3; as a page: whobuys report evaluation" in found.stderr
    )
    as_json = json.loads(ask("--json", "--table", "methods", shop=trained_shop).stdout)
    assert (as_json["horizon"], as_json["origins"], list(as_json["tables"])) == (30, ["2026-06-01"], ["methods"])


@pytest.mark.parametrize("facts, why", [({"missing": "nobody came back"}, "nobody came back"), ({}, "the shop was too young for one; import more")])
def test_a_bundle_without_a_backtest_says_why(
    facts: dict[str, str], why: str, bundle: Bundle, trained_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.published.load_bundle", lambda *_: replace(bundle, facts=facts))
    monkeypatch.setattr("serving.published.evaluation_tables", lambda *_: {})
    found = ask(shop=trained_shop)
    assert found.exit_code == 1 and f"the bundle has no backtest: {why}" in found.stderr


QUESTIONS = (
    "Is it good, and against what?",
    "Where is it weak?",
    "What was predicted, and what came",
    "How many customers must be asked?",
    "Can an audience’s number be trusted?",
    "Who orders anything at all?",
    "What changed since last time?",
    "Model card",
    "What the words mean, and the same for experts",
)


def test_the_page_of_what_training_measured_answers_every_question(shop_folder: Path, tmp_path: Path) -> None:
    folder = shop_folder / "bundles"
    first = next(folder.iterdir())
    older = Bundle.load(first)
    replace(older, id="2026-01-01-older", as_of=date(2026, 1, 1)).save(folder / "2026-01-01-older")
    remember_comparison(shop_folder, AS_OF, "new against old", ap=0.3, champion_ap=0.2, ratio_low=1.2, ratio_high=1.8, sets=40)
    builds = [("2026-05-01", "audience", "campers", measure, value) for measure, value in (("expected buyers", 40.0), ("came", 44.0))]
    pd.concat([figures(shop_folder), pd.DataFrame(builds, columns=list(COLUMNS))]).to_parquet(shop_folder / FIGURES, index=False)
    written = {}
    for name in ("out.html", "out.md"):
        result = CliRunner().invoke(app, ["report", "evaluation", "--shop", str(shop_folder), "-o", str(tmp_path / name)])
        assert result.exit_code == 0 and result.stdout.strip() == str(tmp_path / name), result.output
        written[name] = (tmp_path / name).read_text(encoding="utf-8")
    people = set(Snapshot(Shop.open(shop_folder), date(2026, 7, 1)).customer_ids)
    for text in written.values():
        assert [each for each in QUESTIONS if each not in text] == []
        for words in (
            "Is it good? ",
            "Are its numbers right? ",
            "surely between",
            "challenger was 1.50 times",
            "campers",
            "2026-01-01-older",
            "Not meant for",
        ):
            assert words in text, words
        assert not set(re.findall(r"\b\w+\b", text)) & people and not re.search(r"\bnan\b|\bNone\b", text)
    assert written["out.html"].count("<svg") == 3 and written["out.html"].count('class="band"') >= 2
    assert "| 5 % | " in written["out.md"] and "<" not in written["out.md"].replace("&lt;", "")


@pytest.mark.parametrize(
    "row, told",
    [
        ({"ratio_low": 1.04, "ratio_high": 1.09}, "Yes: it finds buyers 1.06 times as good"),
        ({"ratio_low": 0.99, "ratio_high": 1.09}, "Not surely: it finds buyers"),
        ({"ratio_low": 0.8, "ratio_high": 0.95, "ratio": 0.9}, "No: a simple rule finds buyers better. It is 0.90 times as good"),
        ({"ratio_low": np.nan, "ratio_high": np.nan}, "(how sure that is was not measured)"),
        ({"ratio_low": np.nan, "ratio_high": np.nan, "ratio": np.nan, "ap": np.nan}, "Nobody can tell yet: no product set had 10 buyers."),
    ],
)
def test_the_first_answer_is_plain(row: dict[str, float], told: str) -> None:
    from training.evaluation.slices import RANKINGS, TOTALS

    methods = pd.DataFrame([{**dict.fromkeys([*RANKINGS, *TOTALS], np.nan), **METHODS}])
    customers = pd.DataFrame({"expected": [9.6], "ordered": [10]})
    slices = pd.DataFrame([{**ROW, **row}])
    first, numbers, weak, trusted, *_ = answers({"slices": slices, "methods": methods, "customers": customers, "coverage": pd.DataFrame(COVERAGE)})
    assert told in first and "920 buyers were expected, 1,000 came: 8 % too few" in numbers
    assert "Nowhere that could be measured" in weak and "held in 78 % of 50" in trusted


def test_where_a_rule_answers_the_first_answer_says_so() -> None:
    from training.evaluation.slices import RANKINGS, TOTALS

    methods = pd.DataFrame([{**dict.fromkeys([*RANKINGS, *TOTALS], np.nan), **METHODS}])
    customers, coverage = pd.DataFrame({"expected": [9.6], "ordered": [10]}), pd.DataFrame(COVERAGE).assign(answered="orders")
    slices = pd.DataFrame([ROW | {"ratio_low": 0.8, "ratio_high": 0.95, "ratio": 0.9}])
    first, *_ = answers({"slices": slices, "methods": methods, "customers": customers, "coverage": coverage})
    assert "As good as a simple rule, for one answers here" in first and "finds buyers better" not in first and "0.90 times" in first


def test_a_band_of_gain_holds_the_gain(knowing: Compared) -> None:
    tables = tables_of(replace(knowing, given=knowing.ground.scores("orders")), Plan(rules=("orders",)), windows=[])
    found = with_band(tables["gain"].assign(origin=AS_OF.isoformat()), [knowing], samples=50)
    ours = found[found["method"] == OURS]
    assert (ours["gain_low"] <= ours["gain_high"]).all() and ours["gain_low"].iloc[-1] == ours["gain_high"].iloc[-1] == 1


def test_drawing_everybody_once_gives_the_gain_itself() -> None:
    rng = np.random.default_rng(1)
    scores, outcome = rng.random((40, 5)), rng.random((40, 5)) < 0.2
    gain = metrics.gain_curve(scores.ravel(), outcome.ravel())
    found = gain_draws(scores, outcome, np.ones((40, 1), np.float32), gain["share"].to_numpy())
    np.testing.assert_allclose(found[:, 0], gain["gain"])


def test_what_the_model_looks_at_has_a_meaning(bundle: Bundle) -> None:
    assert isinstance(bundle.pair_model, Interest)
    found = importance(bundle.pair_model)
    assert found["share"].sum() == pytest.approx(1) and found["share"].is_monotonic_decreasing
    assert not set(bundle.pair_model.blend.trees.names) - set(MEANINGS)
