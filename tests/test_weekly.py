"""A shop's weeks: taken in, proved, published; what is wrong stops before harm, and a run that was killed is made good by the next one."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from features.checks import RULES
from features.config import CONFIG, template
from features.files import locked, read_current, read_json
from features.made_up import END, made_up_shop, weeks_of, write_exports
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from features.tables import TABLES
from models.base import Floats
from models.bundle import Bundle
from serving.history import figures
from serving.scores import Scores
from training.fits import Fits
from training.match import differences, match
from whobuys.cli import app
from whobuys.week import LOCK, RESULT, STEPS

CUTS = ("2026-06-10", "2026-06-17", "2026-06-24", "9999")
QUICK = {
    'name = ""': 'name = "Nordic"',
    "\nadd = false": "\nadd = true",
    "\norigins = 5": "\norigins = 1",
    "backtest_origins = 3": "backtest_origins = 1",
    "[30, 60, 90, 180, 365]": "[30]",
    "#[model]": "[model]",
    "#trees = 160": "trees = 5",
}
AUDIENCE = "audience: lately\nname: Ordered lately\nwho:\n  - lifecycle: [just ordered, active]\n"


def new_shop(folder: Path) -> Path:
    settings = template()
    for usual, here in QUICK.items():
        assert usual in settings
        settings = settings.replace(usual, here, 1)
    folder.mkdir()
    (folder / CONFIG).write_text(settings, encoding="utf-8")
    (folder / "audiences.yaml").write_text(AUDIENCE, encoding="utf-8")
    return folder


def weekly(shop: Path, files: Sequence[Path], *words: str) -> tuple[int, str]:
    """One run by the command line: exit code, and what it printed."""
    done = CliRunner().invoke(app, ["weekly", *map(str, files), "--shop", str(shop), *words], env={"WHOBUYS_TODAY": END.isoformat()})
    return done.exit_code, done.output


def states(shop: Path) -> dict[str, str]:
    steps = read_json(shop / RESULT)["steps"]
    assert isinstance(steps, list)
    return {each["step"]: each["state"] for each in steps}


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """The exports of four weeks, the first with all that came before."""
    folder = shared(tmp_path_factory, "weeks", lambda target: write_weeks(target))
    return [sorted(each.iterdir()) for each in sorted(folder.iterdir())]


def write_weeks(folder: Path) -> None:
    exports = write_exports(made_up_shop(scale=0.02, seed=1), folder.with_name("exports-of-weeks"))
    weeks_of(exports, folder, CUTS)


@pytest.fixture(scope="module")
def grown(weeks: list[list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop after two weeks, which tests only run again or refuse to change."""

    def grow(shop: Path) -> None:
        new_shop(shop)
        for files in weeks[:2]:
            code, told = weekly(shop, files)
            assert code == 0, told

    return shared(tmp_path_factory, "grown", grow)


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once for all processes of a test run."""
    home = factory.getbasetemp()
    home = home.parent if "PYTEST_XDIST_WORKER" in os.environ else home
    with FileLock(home / f"{name}.lock"):
        if not (home / f"{name}.made").exists():
            with pytest.MonkeyPatch.context() as environment:  # what is made for all is made before the tests' own environment is clean
                environment.delenv("MLFLOW_TRACKING_URI", raising=False)
                make(home / name)
            (home / f"{name}.made").touch()
    return home / name


@pytest.fixture
def shop(grown: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(grown, tmp_path / "shop"))


def test_a_week_publishes_bundle_and_scores_together(grown: Path) -> None:
    current, result = read_current(grown), read_json(grown / RESULT)
    assert {name: result[name] for name in current} == current and result["state"] == "done"
    assert Path(current["scores"]).name.endswith(Path(current["bundle"]).name) and "2026-06-17" in current["bundle"]
    assert list(states(grown)) == list(STEPS) and states(grown)["audiences"] == "done"
    assert (grown / "members" / "lately" / "2026-06-17.parquet").is_file() and (grown / "members" / "lately" / "2026-06-10.parquet").is_file()
    assert set(figures(grown)["as_of"]) == {"2026-06-10", "2026-06-17"} and "audience" in set(figures(grown)["kind"])
    pages = {path.name for path in (grown / "reports").iterdir()}
    assert pages == {"customers.html", "audiences.html", "evaluation.html", "history.html"}


def test_a_week_is_one_run_in_mlflow_with_its_steps_inside(grown: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    client = MlflowClient(tracking_uri=f"sqlite:///{grown / 'mlflow.db'}")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()], order_by=["attributes.start_time"])
    weeks: dict[str, list[Run]] = {run.info.run_id: [] for run in runs if run.data.tags["kind"] == "weekly"}
    for run in runs:
        assert run.info.status == "FINISHED"
        if run.info.run_id not in weeks:
            weeks[run.data.tags["mlflow.parentRunId"]].append(run)
    assert [[run.data.tags["kind"] for run in steps] for steps in weeks.values()] == [["training", "scoring", "evaluation"]] * 2
    kept = {path.name for path in (grown / "mlruns").rglob("*")}
    assert {"evaluation.html", "run_result.json", "gain.png", "lift.png", "calibration.png", "importance.png", "figures.json"} <= kept
    people = set(pd.read_parquet(grown / read_current(grown)["tables"] / "customers.parquet")["customer_id"])
    for path in (grown / "mlruns").rglob("*"):
        if path.suffix in (".html", ".json") and "shop" not in path.parts:
            assert not set(re.findall(r"\b\w+\b", path.read_text(encoding="utf-8"))) & people, path


def test_a_second_run_says_what_it_skips_and_why(shop: Path, weeks: list[list[Path]]) -> None:
    assert weekly(shop, weeks[1])[0] == 0  # whatever the copy lost, such as what a tracking server keeps, is made good
    before = read_current(shop)
    code, told = weekly(shop, weeks[1])
    assert code == 0 and read_current(shop) == before
    found = states(shop)
    assert {step for step, state in found.items() if state == "skipped"} == {"import", "train", "compare", "choose", "score"}, told
    for reason in ("the files hold nothing new", "made of the same orders by the same recipe", "of the same orders, by the same bundle"):
        assert reason in told


def test_without_files_the_orders_are_those_that_are_there(shop: Path) -> None:
    code, told = weekly(shop, [])
    assert code == 0 and "no files are named" in told


def test_a_dry_run_changes_nothing(shop: Path, weeks: list[list[Path]]) -> None:
    before = read_current(shop), (shop / RESULT).read_bytes()
    code, told = weekly(shop, weeks[2], "--dry-run")
    assert code == 0 and "a dry run changes nothing" in told
    assert (read_current(shop), (shop / RESULT).read_bytes()) == before


def test_what_does_not_look_right_is_refused_before_anything_is_published(shop: Path, weeks: list[list[Path]], tmp_path: Path) -> None:
    products = pd.read_csv(next(path for path in weeks[2] if path.stem == "products"), dtype=str, keep_default_na=False)
    files = [tmp_path / "products.csv", *(path for path in weeks[2] if path.stem != "products")]
    products.assign(category="New " + products["category"]).to_csv(files[0], index=False)
    before = read_current(shop)
    code, told = weekly(shop, files)
    assert code == 4 and read_current(shop) == before
    assert "products with 100.0% of the lines are in another category" in told and "--accept 'categories'" in told
    result = read_json(shop / RESULT)
    assert (result["state"], result["exit_code"], states(shop)) == ("refused", 4, {"import": "refused"})
    assert isinstance(result["findings"], list) and "categories" in {each["rule"] for each in result["findings"]}


def test_only_rules_that_there_are_can_be_accepted(shop: Path) -> None:
    code, told = weekly(shop, [], "--accept", "new customer")
    assert code == 2 and "did you mean 'new customers'?" in told and "new customers" in RULES


def test_only_one_run_at_a_time(shop: Path) -> None:
    with locked(shop, name=LOCK):
        code, told = weekly(shop, [])
    assert code == 4 and "another whobuys run" in told


def test_a_first_run_without_files_is_told_what_to_do(tmp_path: Path) -> None:
    code, told = weekly(new_shop(tmp_path / "shop"), [])
    assert code == 1 and "[import] of whobuys.toml" in told


COMMAND = [sys.executable, "-c", "from whobuys.cli import app; app()", "weekly"]


def killed(shop: Path, files: Sequence[Path], seconds: float) -> bool:
    """Run a week in a process that is killed after so many seconds; whether it was still running."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, files), "--shop", str(shop)],
        env={**os.environ, "WHOBUYS_TODAY": END.isoformat()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def kills(grown: Path, files: Sequence[Path], folder: Path, *, count: int, seed: int) -> None:
    """Kill a week again and again; then one run makes it what it would have been."""
    clean, harmed = (Path(shutil.copytree(grown, folder / name)) for name in ("clean", "harmed"))
    began = time.monotonic()
    assert not killed(clean, files, 600)
    whole, rng, before = time.monotonic() - began, random.Random(seed), read_current(harmed)
    for _ in range(count):
        killed(harmed, files, rng.uniform(0.05, 1.0) * whole)
        current = read_current(harmed)
        assert current["bundle"] == before["bundle"] or Path(current["scores"]).name.endswith(Path(current["bundle"]).name)
        Shop.open(harmed)
        Bundle.load(harmed / current["bundle"])
        Scores.open(harmed)
    assert weekly(harmed, files)[0] == 0
    assert read_current(harmed) == read_current(clean)
    for name in TABLES:
        paths = [each / read_current(each)["tables"] / f"{name}.parquet" for each in (clean, harmed)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    for name in ("customers", "interests"):
        frames = [pd.read_parquet(each / read_current(each)["scores"] / f"{name}.parquet") for each in (clean, harmed)]
        pd.testing.assert_frame_equal(frames[0], frames[1])
    assert not list(harmed.glob(".import-*")) and not list((harmed / "scores").glob(".*.part"))


def test_a_run_that_was_killed_is_made_good_by_the_next_one(grown: Path, weeks: list[list[Path]], tmp_path: Path) -> None:
    kills(grown, weeks[2], tmp_path, count=5, seed=1)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(2, 41))
def test_two_hundred_kills(seed: int, grown: Path, weeks: list[list[Path]], tmp_path: Path) -> None:
    kills(grown, weeks[2], tmp_path, count=5, seed=seed)


class Guessing(Fits):
    """A recipe that broke: its fits rank by chance."""

    def bundle(self, as_of: date, *, name: str) -> Bundle:
        made = super().bundle(as_of, name=name)

        def by_chance(snapshot: Snapshot, sets: Sequence[ProductSet]) -> Floats:
            return np.random.default_rng(1).random((len(snapshot.customer_ids), len(sets)), np.float32)

        object.__setattr__(made, "interest", by_chance)
        return made


def test_recipes_are_compared_on_what_came(trained_shop: Path) -> None:
    champion = trained_shop / read_current(trained_shop)["bundle"]
    kept = Bundle.load(champion)
    shop = Shop.open(trained_shop)
    from pydantic import TypeAdapter

    from training.fits import Recipe

    recipe = TypeAdapter(Recipe).validate_python(kept.facts["recipe"])
    same = match(Fits(shop, recipe, lambda text: None), champion, shop.default_as_of)
    broken = match(Guessing(shop, recipe, lambda text: None), champion, shop.default_as_of)
    assert same is not None and not same.worse and "the new recipe is " in same.sentence()
    assert broken is not None and broken.worse and "is worse than the one in use" in broken.sentence()


def test_what_differs_between_recipes_is_named(trained_shop: Path) -> None:
    kept = Bundle.load(trained_shop / read_current(trained_shop)["bundle"])
    from dataclasses import replace

    from pydantic import TypeAdapter

    from training.fits import Recipe

    recipe = TypeAdapter(Recipe).validate_python(kept.facts["recipe"])
    versions = dict(kept.facts["versions"])
    assert differences(recipe, kept, versions) == []
    other = replace(recipe, origins=recipe.origins + 1, interest=replace(recipe.interest, threads=7))
    told = differences(other, kept, {**versions, "lightgbm": "99"})
    assert told == [f"origins: {recipe.origins} -> {recipe.origins + 1}", f"lightgbm {versions['lightgbm']} -> 99"]


def test_the_result_is_for_machines(shop: Path) -> None:
    code, told = weekly(shop, [], "--json")
    printed = told[told.index("{") : told.rindex("}") + 1]
    assert code == 0 and json.loads(printed)["steps"][0]["step"] == "import"
