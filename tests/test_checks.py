"""Faults planted into new tables of the made-up shop: each is found by its rule, and a week like any other finds nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import engines
from features.checks import RULES, Finding, Weeks, check_tables, refuse_stops
from features.config import Config
from features.errors import Refused
from features.files import read_current
from features.imports import import_files
from features.made_up import END, made_up_shop, write_exports
from features.shop import Shop
from features.tables import TABLES
from serving.watch import WATCHED
from whobuys.week import STEPS

Frames = dict[str, pd.DataFrame]
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Grown:
    """A shop's tables a week ago, as files, and those of today, to be spoilt."""

    before: Path
    folder: Path

    @cached_property
    def now(self) -> Frames:
        return {name: pd.read_parquet(self.folder / f"{name}.parquet") for name in TABLES}

    def found(self, spoil: Callable[[Frames], None], target: Path, *, today: date = END, first: bool = False) -> dict[str, Finding]:
        """What the rules find in the tables of today once they are spoilt: the first of each rule."""
        frames = {name: frame.copy() for name, frame in self.now.items()}
        spoil(frames)
        target.mkdir()
        for name, frame in frames.items():
            frame.to_parquet(target / f"{name}.parquet", index=False)
        shop = Shop.of_tables(target, engines.duckdb())
        found = check_tables(Weeks(shop, None if first else self.before, today))
        return {each.rule: each for each in reversed(found)}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    work = tmp_path_factory.mktemp("grown")
    exports = write_exports(made_up_shop(scale=0.05, seed=1), work / "exports")
    import_files(work, exports, config=Config(), today=END)
    folder, before = work / read_current(work)["tables"], work / "before"
    before.mkdir()
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    early = frames["orders"]["ordered_at"] < pd.Timestamp(END) - WEEK
    frames["orders"] = frames["orders"][early]
    frames["order_lines"] = frames["order_lines"][frames["order_lines"]["order_id"].isin(frames["orders"]["order_id"])]
    for name, frame in frames.items():
        frame.to_parquet(before / f"{name}.parquet", index=False)
    return Grown(before, folder)


def last_week(frames: Frames, days: int = 7) -> pd.Series:
    return frames["orders"]["ordered_at"] >= pd.Timestamp(END) - timedelta(days=days)


def nothing(frames: Frames) -> None:
    pass


def half_a_week_missing(frames: Frames) -> None:
    at = frames["orders"]["ordered_at"]
    gone = (at >= pd.Timestamp(END) - timedelta(days=6)) & (at < pd.Timestamp(END) - timedelta(days=2))
    frames["orders"] = frames["orders"][~gone]


def orders_thinned(frames: Frames) -> None:
    gone = last_week(frames) & (np.arange(len(frames["orders"])) % 4 > 0)
    frames["orders"] = frames["orders"][~gone]


def orders_thinned_and_ended_early(frames: Frames) -> None:
    gone = last_week(frames) & ((np.arange(len(frames["orders"])) % 9 != 4) | last_week(frames, days=2))
    frames["orders"] = frames["orders"][~gone]


def imported_twice(frames: Frames) -> None:
    again = frames["orders"][last_week(frames)]
    lines = frames["order_lines"][frames["order_lines"]["order_id"].isin(again["order_id"])]
    frames["orders"] = pd.concat([frames["orders"], again.assign(order_id="again-" + again["order_id"])])
    frames["order_lines"] = pd.concat([frames["order_lines"], lines.assign(order_id="again-" + lines["order_id"])])


def other_currency(frames: Frames) -> None:
    new = set(frames["orders"].loc[last_week(frames), "order_id"])
    theirs = frames["order_lines"]["order_id"].isin(new)
    frames["order_lines"].loc[theirs, "price"] *= 7.46


def renamed_category(frames: Frames) -> None:
    products, sold = frames["products"], frames["order_lines"]["product_id"].value_counts()
    most = products.assign(lines=products["product_id"].map(sold)).groupby("category")["lines"].sum().nlargest(4).index
    products["category"] = products["category"].where(~products["category"].isin(most), "New " + products["category"].astype(str))


def one_product_moved(frames: Frames) -> None:
    products, sold = frames["products"], frames["order_lines"]["product_id"].value_counts()
    rarest = sold.index[-1]
    products.loc[products["product_id"] == rarest, "category"] = "Bargains"


def all_customers_new(frames: Frames) -> None:
    new = last_week(frames)
    frames["orders"].loc[new, "customer_id"] = "v2-" + frames["orders"].loc[new, "customer_id"].astype(str)
    ids = pd.DataFrame({"customer_id": frames["orders"].loc[new, "customer_id"].unique()})
    frames["customers"] = pd.concat([frames["customers"], ids])


def no_customers(frames: Frames) -> None:
    frames["orders"].loc[last_week(frames), "customer_id"] = None


def no_lines(frames: Frames) -> None:
    new = frames["orders"].loc[last_week(frames), "order_id"]
    frames["order_lines"] = frames["order_lines"][~frames["order_lines"]["order_id"].isin(new)]


def only_the_new_ones(frames: Frames) -> None:
    frames["orders"] = frames["orders"][last_week(frames, days=200)]


def set_back(frames: Frames) -> None:
    frames["orders"] = frames["orders"][~last_week(frames, days=21)]


FAULTS: dict[str, tuple[Callable[[Frames], None], str, str, str]] = {
    "half a week's orders missing": (half_a_week_missing, "orders missing", "stop", "no order on "),
    "most orders of five days missing": (orders_thinned_and_ended_early, "orders missing", "stop", "is part of the export missing"),
    "three in four orders missing": (orders_thinned, "orders missing", "stop", "is part of the export missing"),
    "doubled import": (imported_twice, "doubled orders", "stop", "imported twice"),
    "prices in another currency": (other_currency, "prices", "stop", "cost 7.* times"),
    "a renamed category": (renamed_category, "categories", "stop", "is now 'New "),
    "one product moved": (one_product_moved, "categories", "warn", "is now 'Bargains'"),
    "all customers new": (all_customers_new, "new customers", "stop", "100% of the orders"),
    "no customers": (no_customers, "no customer", "stop", "is customer_id still in the export"),
    "no lines": (no_lines, "lines", "stop", "have no lines"),
    "only what is new, without --add": (only_the_new_ones, "lost orders", "stop", "add them"),
    "an old export": (set_back, "clock", "stop", "earlier than before"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_by_its_rule(fault: str, grown: Grown, tmp_path: Path) -> None:
    spoil, rule, severity, text = FAULTS[fault]
    found = grown.found(spoil, tmp_path / "spoilt")
    assert rule in found and found[rule].severity == severity, found
    assert pd.Series([found[rule].text]).str.contains(text).all(), found[rule].text


def test_a_week_like_any_other_finds_nothing(grown: Grown, tmp_path: Path) -> None:
    assert not grown.found(nothing, tmp_path / "fine")


def test_a_first_import_is_held_against_its_own_past(grown: Grown, tmp_path: Path) -> None:
    assert not grown.found(nothing, tmp_path / "fine", first=True)
    assert "orders missing" in grown.found(half_a_week_missing, tmp_path / "spoilt", first=True)


def test_orders_that_ended_long_ago_are_said(grown: Grown, tmp_path: Path) -> None:
    found = grown.found(nothing, tmp_path / "late", today=END + timedelta(days=40))
    assert found.keys() == {"clock"} and found["clock"].severity == "warn" and "41 days ago" in found["clock"].text


def test_what_was_looked_at_is_accepted() -> None:
    found = [Finding("prices", "stop", "half cost twice as much"), Finding("clock", "warn", "late")]
    with pytest.raises(Refused, match="prices: half cost twice as much\nif all is as it should be: --accept 'prices'"):
        refuse_stops(found)
    refuse_stops(found, accepted=["prices"])


@pytest.mark.parametrize("rules", [RULES, WATCHED, STEPS])
def test_every_rule_and_step_is_on_the_page(rules: Mapping[str, object]) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "weekly.md").read_text(encoding="utf-8")
    first = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    assert [each for each in first if each in rules] == list(rules)


def test_every_rule_has_a_fault_or_is_a_warning() -> None:
    stopping = {rule for _, rule, severity, _ in FAULTS.values() if severity == "stop"}
    assert set(RULES) - stopping == {"many orders", "revenue"}
