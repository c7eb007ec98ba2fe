"""A shop's weeks: taken in, proved, published; what is wrong stops before harm, and a run that was killed is made good by the next one."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.checks import RULES
from features.config import CONFIG
from features.files import PUBLISHED, RESULT, locked, publications, read_current, read_json
from features.made_up import END
from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.base import Floats
from models.bundle import Bundle
from serving.history import FIGURES, figures
from training.fits import Fits
from training.match import differences, match
from whobuys.checkup import checkup
from whobuys.cli import app
from whobuys.clock import stale_in
from whobuys.unattended import LOCK
from whobuys.week import STEPS

Weekly = Callable[..., tuple[int, str]]


def states(shop: Path) -> dict[str, str]:
    steps = read_json(shop / RESULT)["steps"]
    assert isinstance(steps, list)
    return {each["step"]: each["state"] for each in steps}


@pytest.fixture
def shop(grown: Path, tmp_path: Path) -> Path:
    """A copy of the shop after two weeks that a test may change."""
    return Path(shutil.copytree(grown, tmp_path / "shop"))


def test_a_week_publishes_bundle_and_scores_together(grown: Path) -> None:
    current, result = read_current(grown), read_json(grown / RESULT)
    assert {name: result[name] for name in current} == current and result["state"] == "done"
    assert Path(current["scores"]).name.endswith(Path(current["bundle"]).name) and "2026-06-17" in current["bundle"]
    assert list(states(grown)) == list(STEPS) and states(grown)["audiences"] == "done"
    assert (grown / "members" / "lately" / "2026-06-17.parquet").is_file() and (grown / "members" / "lately" / "2026-06-10.parquet").is_file()
    assert set(figures(grown)["as_of"]) == {"2026-06-10", "2026-06-17"} and {"audience", "drift"} <= set(figures(grown)["kind"])
    pages = {path.name for path in (grown / "reports").iterdir()}
    assert pages == {"customers.html", "audiences.html", "evaluation.html", "history.html"}
    assert "The weekly run that wrote this page said: " in (grown / "reports" / "evaluation.html").read_text(encoding="utf-8")


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
    assert {
        "evaluation.html",
        "run_result.json",
        "gain.png",
        "lift.png",
        "calibration.png",
        "importance.png",
        "drift.png",
        "drift.json",
        "figures.json",
    } <= kept
    people = set(pd.read_parquet(grown / read_current(grown)["tables"] / "customers.parquet")["customer_id"])
    for path in (grown / "mlruns").rglob("*"):
        if path.suffix in (".html", ".json") and "shop" not in path.parts:
            assert not set(re.findall(r"\b\w+\b", path.read_text(encoding="utf-8"))) & people, path


def test_a_second_run_says_what_it_skips_and_why(shop: Path, weeks: list[list[Path]], weekly: Weekly) -> None:
    assert weekly(shop, weeks[1])[0] == 0  # whatever the copy lost, such as what a tracking server keeps, is made good
    before = read_current(shop)
    code, told = weekly(shop, weeks[1])
    assert code == 0 and read_current(shop) == before
    found = states(shop)
    assert {step for step, state in found.items() if state == "skipped"} == {"import", "train", "compare", "choose", "score"}, told
    for reason in ("the files hold nothing new", "made of the same orders by the same recipe", "of the same orders, by the same bundle"):
        assert reason in told


def test_without_files_the_orders_are_those_that_are_there(shop: Path, weekly: Weekly) -> None:
    code, told = weekly(shop, [])
    assert code == 0 and "no files are named" in told


def test_a_dry_run_changes_nothing(shop: Path, weeks: list[list[Path]], weekly: Weekly) -> None:
    before = read_current(shop), (shop / RESULT).read_bytes()
    code, told = weekly(shop, weeks[2], "--dry-run")
    assert code == 0 and "a dry run changes nothing" in told and re.search(r"there would be [\d,]+ orders \(\+\d+\)", told)
    for files in ([], weeks[1]):  # nothing is new: no training either
        code, told = weekly(shop, files, "--dry-run")
        assert code == 0 and len(re.findall("a dry run changes nothing", told)) == len(STEPS) - 1
    assert (read_current(shop), (shop / RESULT).read_bytes()) == before


def test_a_dry_run_and_a_refused_one_leave_no_tables(shop: Path, weeks: list[list[Path]], tmp_path: Path, weekly: Weekly) -> None:
    there = {path.name for path in (shop / "tables").iterdir()}
    for files, *more in ((weeks[2], "--dry-run"), (renamed(weeks[2], tmp_path),)):
        weekly(shop, files, *more)
        assert {path.name for path in (shop / "tables").iterdir()} == there


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, weekly: Weekly) -> None:
    code, told = weekly(tmp_path / "typo", [])
    assert code == 1 and "there is no such folder; name the shop's with --shop" in told and not (tmp_path / "typo").exists()


def renamed(files: list[Path], folder: Path) -> list[Path]:
    """The files, all of whose products are in categories that are called otherwise."""
    products = pd.read_csv(next(path for path in files if path.stem == "products"), dtype=str, keep_default_na=False)
    products.assign(category="New " + products["category"]).to_csv(folder / "products.csv", index=False)
    return [folder / "products.csv", *(path for path in files if path.stem != "products")]


def test_what_does_not_look_right_is_refused_before_it_is_published(shop: Path, weeks: list[list[Path]], tmp_path: Path, weekly: Weekly) -> None:
    files = renamed(weeks[2], tmp_path)
    before = read_current(shop)
    code, told = weekly(shop, files)
    assert code == 4 and read_current(shop) == before
    assert "products with 100.0% of the lines are in another category" in told and "--accept 'categories'" in told
    result = read_json(shop / RESULT)
    assert (result["state"], result["exit_code"], states(shop)) == ("refused", 4, {"import": "refused"})
    assert isinstance(result["findings"], list) and "categories" in {each["rule"] for each in result["findings"]}


def test_only_rules_that_there_are_can_be_accepted(shop: Path, weekly: Weekly) -> None:
    code, told = weekly(shop, [], "--accept", "new customer")
    assert code == 2 and "did you mean 'new customers'?" in told and "new customers" in RULES


def test_only_one_run_at_a_time(shop: Path, weekly: Weekly) -> None:
    with locked(shop, name=LOCK):
        code, told = weekly(shop, [])
    assert code == 4 and "another whobuys run" in told


def test_a_first_run_without_files_is_told_what_to_do(tmp_path: Path, weekly: Weekly, new_shop: Callable[[Path], Path]) -> None:
    code, told = weekly(new_shop(tmp_path / "shop"), [])
    assert code == 1 and "[import] of whobuys.toml" in told


def test_an_import_says_what_does_not_look_right(shop: Path, weeks: list[list[Path]], tmp_path: Path) -> None:
    before = read_current(shop)
    done = CliRunner().invoke(app, ["import", *map(str, renamed(weeks[2], tmp_path)), "--shop", str(shop)], env={"WHOBUYS_TODAY": END.isoformat()})
    assert done.exit_code == 0 and read_current(shop)["tables"] != before["tables"]
    assert "warning: categories: products with 100.0% of the lines are in another category" in done.stderr


DOCTOR: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "a shop after a weekly run": (lambda shop: None, "weekly", "ok|note", "done on 20"),
    "what a rollback would publish": (lambda shop: None, "rollback", "ok", "to bundles/2026-06-10-"),
    "a former bundle that is gone": (lambda shop: shutil.rmtree(shop / publications(shop)[-2].bundle), "rollback", "wrong", "is gone: whobuys model"),
    "damaged memory": (lambda shop: (shop / PUBLISHED).write_text("{}"), "rollback", "wrong", "is not as whobuys writes it; delete it"),
    "a damaged result": (lambda shop: (shop / RESULT).write_text("{"), "weekly", "wrong", "written anew by: whobuys weekly"),
    "a damaged history": (lambda shop: (shop / FIGURES).write_bytes(b"PAR1"), "weekly", "wrong", "figures.parquet"),
    "old scores": (lambda shop: None, "age", "note", "this is 14 days old .as of 2026-06-17.; import newer orders"),
    "what [weekly] allows": (lambda shop: allow(shop, "stale_days", 20), "age", "ok", "scores and bundle are of 2026-06-17"),
}


def allow(shop: Path, key: str, days: int) -> None:
    settings = (shop / CONFIG).read_text(encoding="utf-8")
    (shop / CONFIG).write_text(re.sub(rf"(?m)^{key} = .*$", f"{key} = {days}", settings), encoding="utf-8")


@pytest.mark.parametrize("case", DOCTOR)
def test_doctor_knows_what_weekly_runs_leave(case: str, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOBUYS_TODAY", END.isoformat())
    harm, check, state, text = DOCTOR[case]
    harm(shop)
    told = {name: (how, found) for name, how, found in checkup(shop).itertuples(index=False)}
    assert re.fullmatch(state, told[check][0]) and re.search(text, told[check][1]), told[check]


def test_old_answers_are_said_alike_everywhere(shop: Path) -> None:
    for words in (["who", "tent"], ["audience", "preview", "lately"], ["report", "history"], ["audience", "export", "lately", "--to", "csv"]):
        done = CliRunner().invoke(app, [*words, "--shop", str(shop)], env={"WHOBUYS_TODAY": END.isoformat()})
        assert done.exit_code == 0 and "this is 14 days old (as of 2026-06-17)" in done.stderr, words


def test_a_bundle_that_orders_left_behind_is_said(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOBUYS_TODAY", END.isoformat())
    assert stale_in(shop, date(2026, 6, 30), horizon=30) == []
    allow(shop, "stale_bundle_days", 10)
    assert stale_in(shop, date(2026, 6, 17), horizon=30) == ["this is 14 days old (as of 2026-06-17); import newer orders"]
    assert [each.split(",")[0] for each in stale_in(shop, date(2026, 6, 30), horizon=30)] == [
        "the bundle in use learnt from orders before 2026-06-17"
    ]


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


def test_the_result_is_for_machines(shop: Path, weekly: Weekly) -> None:
    code, told = weekly(shop, [], "--json")
    printed = told[told.index("{") : told.rindex("}") + 1]
    assert code == 0 and json.loads(printed)["steps"][0]["step"] == "import"
