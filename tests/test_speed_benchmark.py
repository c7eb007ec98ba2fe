"""The benchmark of speed: what a floor counts, which targets hold, and how good lists of customers are, on planted numbers."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from features.config import Config

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def floors_of(**sizes: int) -> dict[str, float]:
    floors = import_module("_floors")
    shop = floors.Sizes(customers=50_000, products=5_000, lines=10**6, orders=300_000, events=10**6, entries=8 * 10**5, exported=10**8, kept=10**7)
    machine = floors.Machine(one=10**11, all=2 * 10**11, bytes=4 * 10**10, rows=10**6, threads=2)
    return {verb: work.seconds(machine) for verb, work in floors.floors(replace(shop, **sizes), Config()).items()}


def test_the_floor_of_an_answer_is_bytes_multiply_adds_and_rows_over_their_rates() -> None:
    assert floors_of()["who"] == pytest.approx(10**6 * 36 / 4e10 + 50_000 * 64 / 2e11 + 50_000 / 1e6)


@pytest.mark.parametrize(
    "verb, size, grows",
    [
        ("who", "customers", True),
        ("score", "customers", True),
        ("score", "entries", True),
        ("audience", "lines", False),
        ("import", "exported", True),
        ("import", "customers", False),
    ],
)
def test_a_floor_grows_with_what_the_stage_must_read(verb: str, size: str, grows: bool) -> None:
    larger = floors_of(**{size: 10**10})
    assert (larger[verb] > floors_of()[verb]) == grows


def test_training_draws_customers_so_that_a_larger_shop_costs_no_more_of_them() -> None:
    small, large = (floors_of(customers=100_000 * k, lines=10**6 * k, orders=10**5 * k, events=0, entries=10**6 * k)["train"] for k in (1, 10))
    assert large == pytest.approx(small)


def test_targets_that_are_missed_are_told() -> None:
    stages = pd.DataFrame({"stage": ["who", "audience"], "seconds": [2.5, 1.5]})
    lines = import_module("_beside").budget(None, stages)
    assert [line.split(" | ")[-1].strip(" |") for line in lines[2:]] == ["yes", "**no**", ""]
    assert "not measured" in lines[-1]


def test_a_list_is_as_good_as_its_ranks_and_who_is_missing_stands_last(tmp_path: Path) -> None:
    told: ModuleType = import_module("_told")
    people = pd.DataFrame({"customer": range(100), "product": 0})
    people.to_parquet(tmp_path / "before.parquet")
    people.head(10).to_parquet(tmp_path / "after.parquet")
    (tmp_path / "told").mkdir()
    pd.DataFrame({"product_set": [0], "product": [0], "kind": "brand", "label": "Nordvind"}).to_parquet(tmp_path / "told" / "sets.parquet")
    right = pd.DataFrame({"set": 0, "customer": range(10), "score": range(10, 0, -1)})
    lists = {"right": right, "half": right.head(5), "wrong": right.assign(customer=range(90, 100))}
    for name, rows in lists.items():
        rows.to_parquet(tmp_path / f"{name}.parquet")
    found = told.quality(tmp_path, {name: tmp_path / f"{name}.parquet" for name in lists})
    assert found["right"][0] == 1
    assert found["half"][0] == pytest.approx((5 + 5 * 10 / 100) / 10)
    assert found["wrong"][0] == pytest.approx(10 / 100)
