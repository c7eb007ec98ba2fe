"""Tuning: when settings win over the defaults, what is said of it, the dates that judge, what is kept, and what is refused."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from features.config import Config, load_config
from features.dates import day_of
from features.errors import DataError
from features.products import Catalogue
from features.sections import ModelSection
from features.shop import Shop
from models import metrics, set_metrics
from models.blend import BlendConfig
from models.pairs.affinity import AffinityConfig
from models.pairs.interest import Interest, InterestConfig
from models.pairs.pair_features import PairColumns
from models.pairs.training_sets import SetMixture
from training.choice import Measured, Trial, Tuning, chosen
from training.evaluation.ground import Ground, quick_sets
from training.fits import Fits, Recipe
from training.train import recipe_of
from training.tune import SPACE, drawn_settings, keep, search, settings_of, tune, tuning_dates
from whobuys.cli import app

POOR = BlendConfig(trees=1, leaves=2, logistic_strength=1e-9)
RECIPE = Recipe(
    horizon=30,
    origins=1,
    interest=InterestConfig(
        pairs=8000,
        threads=1,
        blend=POOR,
        affinity=AffinityConfig(factors=4, iterations=2, ease_products=50, ease_attributes=50, threads=1),
        mixture=SetMixture(named=40, products=10, random=5),
    ),
)
"""Defaults that are easily beaten."""
GOOD, WORSE = ModelSection(trees=60, leaves=7, logistic_strength=1e-3), ModelSection(trees=1, leaves=2, logistic_strength=1e-12)
DAYS = (date(2026, 1, 1), date(2026, 1, 31))


def ask(*words: str | Path, shop: Path) -> Result:
    return CliRunner().invoke(app, ["tune", *map(str, words), "--shop", str(shop), "--threads", "1"], env={"WHOBUYS_TODAY": "2026-07-01"})


def trial(*aps: float, loss: float = 0.1, low: float = 1.01, settings: Mapping[str, float] | None = None) -> Trial:
    """What settings came to, an AP for each origin."""
    return Trial({"trees": 300} if settings is None else settings, tuple(Measured(10, ap, 5, ap / 2, loss) for ap in aps), low, 2.0)


DEFAULTS = trial(0.2, 0.4, low=np.nan, settings={})


@pytest.mark.parametrize(
    ("others", "choice"),
    [
        ([], 0),
        ([trial(0.21, 0.41)], 1),
        ([trial(0.21, 0.41), trial(0.22, 0.42)], 2),
        ([trial(0.21, 0.41), trial(0.21, 0.41)], 1),
        ([trial(0.21, 0.41), trial(0.3, 0.5, low=1.0)], 1),
        ([trial(0.3, 0.4)], 0),
        ([trial(0.5, 0.39)], 0),
        ([trial(0.21, 0.41, low=0.999)], 0),
        ([trial(0.21, 0.41, low=np.nan)], 0),
        ([trial(0.21, 0.41, loss=0.1001)], 1),
        ([trial(0.21, 0.41, loss=0.101)], 0),
    ],
    ids=[
        *("no other", "better", "the best of two", "the first of equals", "the best is not sure", "equal on an origin", "worse on an origin"),
        *("not sure", "not drawn", "hardly worse log loss", "worse log loss"),
    ],
)
def test_what_wins(others: Sequence[Trial], choice: int) -> None:
    assert chosen([DEFAULTS, *others]) == choice


def tuning(*others: Trial, confirmed: tuple[Trial, Trial] | None = None) -> Tuning:
    return Tuning(date(2026, 4, 1), 30, DAYS, date(2026, 3, 2), settings_of(InterestConfig()), (DEFAULTS, *others), confirmed)


@pytest.mark.parametrize(
    ("found", "settings", "sentences"),
    [
        (
            tuning(trial(0.3, 0.39, low=np.nan), trial(0.1, 0.1, low=np.nan)),
            None,
            [
                "The defaults stay: none of 2 other trials was surely better.",
                "trial 1: AP .3450 against .3000, 1.150 times as good",
                "1 of 2 origins.",
            ],
        ),
        (
            tuning(trial(0.1, 0.1, low=np.nan)),
            None,
            ["The defaults stay: the one other trial was not surely better.", "None had a higher AP than theirs, .300."],
        ),
        (tuning(trial(0.3, 0.5, loss=0.2)), None, ["better on 2 of 2 origins, and its log loss is worse."]),
        (
            tuning(trial(0.3, 0.5), trial(0.1, 0.1), confirmed=(trial(0.3), trial(0.31, low=0.98))),
            {"trees": 300},
            [
                "Trial 1 is surely better on the origins that choose: AP .4000 against .3000, 1.333 times as good, 95 %: 1.010 to 2.000",
                "On the newest origin, 2026-03-02, which played no part in choosing: AP .3100 against .3000, 1.033 times as good, 95 %: 0.980 to",
                "This is the honest figure: the other flatters",
                "That holds",
            ],
        ),
        (
            tuning(trial(0.3, 0.5), confirmed=(trial(0.3), trial(0.29))),
            None,
            ["This is the honest figure.", "That does not hold: the defaults stay."],
        ),
        (tuning(trial(0.3, 0.5), confirmed=(trial(0.3), trial(0.31, loss=0.2))), None, ["That does not hold: the defaults stay."]),
        (tuning(trial(0.3, 0.5)), None, ["On the newest origin, 2026-03-02, too few bought to confirm it: the defaults stay."]),
    ],
    ids=["better somewhere", "nowhere better", "log loss", "confirmed", "not confirmed", "confirmed in AP only", "nothing to confirm by"],
)
def test_what_it_comes_to_in_words(found: Tuning, settings: Mapping[str, float] | None, sentences: Sequence[str]) -> None:
    assert found.settings == settings
    told = "\n".join(found.verdict())
    assert [each for each in sentences if each not in told] == [], told


def test_means_weigh_every_set_alike_and_pass_over_origins_without_any() -> None:
    found = Trial({}, (Measured(30, 0.2, 0, np.nan, 0.1, 1.0), Measured(10, 0.4, 5, 0.3, 0.3, 2.0)))
    assert (found.ap, found.new_ap, found.log_loss, found.seconds) == pytest.approx((0.25, 0.3, 0.2, 3.0))
    assert np.isnan(Trial({}, (Measured(1, 0.2, 0, np.nan, 0.1),)).new_ap)


@pytest.mark.parametrize("name", ModelSection.model_fields)
def test_every_setting_is_tried_around_its_default_with_a_reason(name: str) -> None:
    values = SPACE[name].values
    assert settings_of(InterestConfig())[name] in values[1:-1] and list(values) == sorted(set(values))
    assert len(SPACE[name].reason) > 20
    assert [getattr(ModelSection.model_validate({name: value}), name) for value in values] == list(values)


def test_settings_are_drawn_by_the_seed() -> None:
    first, again, other = (drawn_settings(20, seed=seed) for seed in (1, 1, 2**40 + 2))
    assert first == again != other
    assert len({each.model_dump_json() for each in first}) == 20
    assert all(set(each.stated()) == set(SPACE) == set(ModelSection.model_fields) for each in first)


@pytest.fixture(scope="module")
def fits(trained_shop: Path) -> Fits:
    return Fits(Shop.open(trained_shop), RECIPE, lambda text: None)


@pytest.fixture(scope="module")
def found(fits: Fits) -> Tuning:
    return search(fits, fits.shop.default_as_of, [WORSE, GOOD], origins=1, seed=1)


def test_better_settings_are_found_and_confirmed_on_a_date_that_did_not_choose_them(found: Tuning, fits: Fits) -> None:
    closed = [each + timedelta(days=30) for each in (*found.origins, found.newest)]
    assert closed == [fits.shop.default_as_of - timedelta(days=30), fits.shop.default_as_of]
    assert found.settings == {"trees": 60, "leaves": 7, "logistic_strength": 1e-3}
    rows = {row["trial"]: row for row in found.table().to_dict("records")}
    assert next(iter(rows)) == 2 and rows[2]["ratio_low"] > 1 and np.isnan(rows[0]["ratio_low"])
    assert {name: rows[0][name] for name in SPACE} == settings_of(RECIPE.interest)
    assert found.by_origin()[["chooses", "trial"]].to_numpy().tolist() == [[True, 0], [True, 1], [True, 2], [False, 0], [False, 2]]


def test_the_defaults_are_judged_as_what_train_would_fit_that_day(found: Tuning, fits: Fits) -> None:
    day = found.origins[0]
    model, snapshot = fits.bundle(day, name="raw").pair_model, fits.snapshot(day)
    assert isinstance(model, Interest)
    ground = Ground(snapshot, tuple(quick_sets(snapshot, Catalogue.of(fits.shop))))
    columns, (people, sets) = PairColumns(ground.pairs, model.affinity.of(snapshot, Catalogue.of(fits.shop))), ground.outcome.shape
    pairs = columns.of(np.tile(np.arange(people), sets), np.repeat(np.arange(sets), people))  # pair by pair, as tuning does: many nearly tie
    given = model.probability(pairs).reshape(sets, people).T
    measures = set_metrics.summary(set_metrics.by_set(given, ground.outcome, ground.bought))
    ours = found.trials[0].origins[0]
    assert ours.sets == measures["sets"] and (ours.ap, ours.new_ap) == pytest.approx((measures["ap"], measures["new_ap"]))
    assert ours.log_loss == pytest.approx(metrics.log_loss(given, ground.outcome))


def test_nobody_who_bought_is_said(fits: Fits) -> None:
    with pytest.raises(DataError, match="no product set had 10 buyers, so nothing tells good settings from bad ones; the defaults stay"):
        search(Fits(fits.shop, replace(RECIPE, horizon=1), fits.say), fits.shop.default_as_of, [GOOD], origins=1, seed=1)


def test_a_young_shop_has_fewer_origins_and_a_younger_one_none(fits: Fits) -> None:
    as_of = day_of(fits.shop.days[0])
    dates = tuning_dates(fits, as_of + timedelta(days=130), 3)
    assert dates == ([as_of + timedelta(days=70)], as_of + timedelta(days=100))
    with pytest.raises(DataError, match=r"the orders go back 119 days; tuning needs 120: .* or tune with --horizon 29 or less"):
        tuning_dates(fits, as_of + timedelta(days=119), 3)


def test_what_is_better_is_kept_in_whobuys_toml(found: Tuning, tmp_path: Path) -> None:
    said: list[str] = []
    keep(tmp_path, found, say=said.append)
    assert load_config(tmp_path).model.stated() == found.settings
    assert recipe_of(load_config(tmp_path)).interest.blend.trees == 60
    assert said == [f"wrote [model] into {tmp_path / 'whobuys.toml'}"]
    keep(tmp_path, tuning(), say=said.append)
    assert len(said) == 1


def test_tune_prints_logs_and_changes_nothing_else(shop: Path) -> None:
    (shop / "whobuys.toml").write_text("[train]\norigins = 1\n\n[model]\ntrees = 40\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    result = ask("--trials", "1", "--origins", "1", "--json", shop=shop)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["horizon"], told["origins"], told["confirmed_on"]) == (30, ["2026-05-02"], "2026-06-01")
    trials = {row["trial"]: row for row in told["trials"]}
    assert sorted(trials) == [0, 1, 2] and (trials[0]["trees"], trials[1]["trees"]) == (160, 40)
    assert "as of 2026-05-02: trial 2 of 2" in result.stderr
    client = MlflowClient(f"sqlite:///{shop / 'mlflow.db'}")
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments(filter_string="name = 'whobuys-shop'")])
    assert (run.data.tags["kind"], run.data.tags["origins"], run.data.params["trials"]) == ("tune", "2026-05-02", "2")
    assert run.data.metrics["defaults_ap"] == pytest.approx(trials[0]["ap"], rel=1e-5)
    assert {each.path for each in client.list_artifacts(run.info.run_id, "evaluation")} == {"evaluation/trials.json", "evaluation/by_origin.json"}
    after = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file() and "mlruns" not in path.parts and path.name != "mlflow.db"}
    assert after == before


def test_for_people_and_for_spreadsheets(found: Tuning) -> None:
    from whobuys import tuned

    told = tuned.text(found, "table")
    assert "the defaults" in told and "trees 60, leaves 7, logistic_strength 0.001" in told
    assert told.endswith("[model]\ntrees = 60\nleaves = 7\nlogistic_strength = 0.001\n")
    frame = pd.read_csv(io.StringIO(tuned.text(found, "csv")))
    assert frame["trial"].iloc[0] == 2 and set(SPACE) <= set(frame)
    steps = [tuned.next_step(each, stated=stated, written=written) for each, stated, written in ((found, False, False), (found, False, True))]
    assert ["next: put [model]" in steps[0], steps[1]] == [True, "next: whobuys train --promote"]
    assert "take it out" in tuned.next_step(tuning(), stated=True, written=False)


def test_tune_that_is_broken_off_leaves_nothing_behind(shop: Path) -> None:
    before = sorted(shop.rglob("*"))

    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(shop, config=Config(), say=stop, trials=1, origins=1, write=True)
    assert sorted(shop.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--trials", "0"], 2, "Invalid value for '--trials': Input should be greater than or equal to 1"),
        (["--json", "--csv"], 2, "--json and --csv exclude each other"),
        (["--write"], 4, "whobuys.toml: has a section [model] already; take it out, or put there by hand what is printed without --write"),
        (["--horizon", "400"], 1, "tuning needs 1600: two horizons of 400 days that have passed"),
        (["--as-of", "2020-01-01"], 1, "--as-of 2020-01-01: nobody had ordered before that day"),
        (["--as-of", "2030-01-01"], 1, "lies after the orders end"),
    ],
)
def test_a_mistake_is_one_clear_message(words: Sequence[str], code: int, message: str, shop: Path) -> None:
    (shop / "whobuys.toml").write_text("[model]\n", encoding="utf-8")
    result = ask(*words, shop=shop)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr and "Traceback" not in result.stderr


def test_orders_alone_have_nothing_to_tune(shop: Path) -> None:
    CliRunner().invoke(app, ["import", str(shop / "exports-in" / "orders.csv"), "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})
    result = ask(shop=shop)
    assert result.exit_code == 1 and "the orders have no lines, so there is no model of who buys what, and nothing to tune" in result.stderr
