"""What drifted, what was off and which audiences fell apart is said; what is as always is not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.made_up import END, made_up_shop
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import EVALUATION
from models.drift import BINS, CATEGORY, FACTS, PRICE, Drift, binned, compared, drifts
from serving.history import COLUMNS, FIGURES
from serving.scores import score
from serving.watch import WATCHED, Watch, watch_run

Tables = dict[str, pd.DataFrame]
HORIZON = 30
LEARNT = END - timedelta(days=HORIZON)


@pytest.fixture(scope="module")
def tables() -> Tables:
    made = made_up_shop(scale=0.1, seed=3).tables
    return {name: made[name].to_pandas() for name in ("customers", "products", "orders", "order_lines")}


def lately(tables: Tables) -> pd.Series:
    """Which lines are of the horizon's days before the end."""
    new = tables["orders"].loc[tables["orders"]["ordered_at"] >= pd.Timestamp(LEARNT), "order_id"]
    return tables["order_lines"]["order_id"].isin(new)


def dearer(tables: Tables) -> Tables:
    lines = tables["order_lines"]
    return tables | {"order_lines": lines.assign(price=lines["price"].where(~lately(tables), lines["price"] * 2.5))}


def other_tastes(tables: Tables) -> Tables:
    lines, products = tables["order_lines"], tables["products"]
    wanted = products.loc[products["category"] == products["category"].iloc[0], "product_id"].to_numpy()
    bought = pd.Series(np.resize(wanted, len(lines)), index=lines.index)
    few = lately(tables) & (np.arange(len(lines)) % 2 == 0)
    return tables | {"order_lines": lines.assign(product_id=lines["product_id"].where(~few, bought))}


def silent(tables: Tables) -> Tables:
    """Nine in ten orders of a year are missing, so nearly everybody was last seen long ago."""
    orders = tables["orders"]
    gone = (orders["ordered_at"] >= pd.Timestamp(END) - pd.Timedelta(days=365)) & (np.arange(len(orders)) % 10 > 0)
    return tables | {"orders": orders[~gone], "order_lines": tables["order_lines"][~tables["order_lines"]["order_id"].isin(orders[gone]["order_id"])]}


def resampled(tables: Tables, half: int) -> Tables:
    """The shop of half of the customers, drawn by chance."""
    chosen = tables["customers"]["customer_id"].to_numpy()[np.random.default_rng(7).permutation(len(tables["customers"])) % 2 == half]
    orders = tables["orders"][tables["orders"]["customer_id"].isin(chosen)]
    return tables | {"orders": orders, "order_lines": tables["order_lines"][tables["order_lines"]["order_id"].isin(orders["order_id"])]}


def snapshot(tables: Tables, as_of: date) -> Snapshot:
    return Snapshot(Shop.of(tables), as_of, HORIZON)


@pytest.fixture(scope="module")
def known(tables: Tables) -> pd.DataFrame:
    """What the shop was like a horizon ago, and how far a horizon before was from it."""
    shop = Shop.of(tables)
    return binned(Snapshot(shop, LEARNT, HORIZON), [Snapshot(shop, LEARNT - timedelta(days=HORIZON), HORIZON)])


@pytest.mark.parametrize("drift, feature", [(dearer, "prices paid"), (other_tastes, "categories bought"), (silent, "days since the last order")])
def test_a_planted_drift_is_found(drift: Callable[[Tables], Tables], feature: str, tables: Tables, known: pd.DataFrame) -> None:
    far = {each.feature: each for each in drifts(known, snapshot(drift(tables), END)) if each.far}
    assert feature in far and " then, " in far[feature].moved, far


def test_a_month_like_any_other_is_no_drift(tables: Tables, known: pd.DataFrame) -> None:
    found = drifts(known, snapshot(tables, END))
    assert {each.feature for each in found} == {*FACTS, CATEGORY, PRICE} and not [each for each in found if each.far]


def test_the_same_shop_drawn_anew_is_no_drift(tables: Tables) -> None:
    one, other = (snapshot(resampled(tables, half), END) for half in (0, 1))
    assert not [each for each in drifts(binned(one), other) if each.far]


def test_bins_name_nobody_and_counts_everybody(tables: Tables, known: pd.DataFrame) -> None:
    people = len(snapshot(tables, LEARNT).customer_ids)
    assert (known[known["feature"].isin(FACTS)].groupby("feature")["count"].sum() == people).all()
    assert set(known["name"]) - {""} <= set(tables["products"]["category"]) and len(known) < 120


@pytest.mark.parametrize("shift, far", [(0.0, False), (0.1, False), (1.0, True)])
def test_numbers_are_compared_with_what_they_were(shift: float, far: bool) -> None:
    rng = np.random.default_rng(1)
    found = compared("the probability to order", *(pd.Series(rng.normal(size=2000) + each) for each in (0.0, shift)))
    assert found.far == far and found.limit == 0.25
    few = compared("the probability to order", *(pd.Series(rng.normal(size=20) + each) for each in (0.0, shift)))
    assert not few.far and few.limit > 1  # of twenty customers, that may be chance


def rows(found: dict[tuple[int, str, str, str], float]) -> pd.DataFrame:
    """Figures by weeks before the newest run, kind, name and measure."""
    days = [((END - timedelta(days=7 * ago)).isoformat(), kind, name, measure, value) for (ago, kind, name, measure), value in found.items()]
    return pd.DataFrame(days, columns=list(COLUMNS))


def closed(came: list[float]) -> pd.DataFrame:
    """Expectations of 100 customers (80 to 120) whose days are over, the newest first, and what came."""
    kept = {"expected": 100.0, "at least": 80.0, "at most": 120.0}
    name = "customers who order within 30 days"
    return rows({(5 + ago, "shop", name, measure): value for ago, each in enumerate(came) for measure, value in (kept | {"came": each}).items()})


def build(kept: list[float], size: float = 100.0) -> pd.DataFrame:
    """Builds of an audience, the newest first, each with the share of the members before that stayed."""
    return rows(
        {
            (ago, "audience", "lately", measure): value
            for ago, share in enumerate(kept)
            for measure, value in {"size": size, "kept": share, "left": size * (1 - share), "entered": size * (1 - share)}.items()
        }
    )


@pytest.fixture(scope="module")
def scored(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Watch:
    """A scored shop, of which the figures are planted."""
    import shutil

    from features.config import Config

    folder = Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("watched") / "shop"))
    return Watch(folder, score(folder, config=Config()), pd.DataFrame(columns=list(COLUMNS)))


CASES: dict[str, tuple[pd.DataFrame, str, str]] = {
    "all within their ranges": (closed([110, 90, 100, 95]), "calibration", ""),
    "one bad month long ago": (closed([100, 95, 60]), "calibration", ""),
    "one bad month in four": (closed([60, 95, 100, 100]), "calibration", ""),
    "off twice": (closed([60, 70, 100, 100]), "calibration", r"100 customers were expected to order \(80 to 120\), 60 did"),
    "off from the first": (closed([150]), "calibration", "150 did; so it was with 1 of the last 1"),
    "an audience as always": (build([0.9, 0.92, 0.9, 0.94]), "audience stability", ""),
    "an audience that always changes": (build([0.3, 0.35, 0.3, 0.32]), "audience stability", ""),
    "an audience that fell apart": (build([0.4, 0.92, 0.9, 0.94]), "audience stability", "lately: 40% of the members stayed, where 92% do"),
    "a young audience that fell apart": (build([0.2]), "audience stability", "where at least half should"),
    "few members": (build([0.0, 0.9, 0.9, 0.9], size=10), "audience stability", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_off_is_said_and_nothing_else(case: str, scored: Watch) -> None:
    figures, rule, text = CASES[case]
    day = scored.scores.as_of
    moved = figures.assign(as_of=[(day - (END - date.fromisoformat(each))).isoformat() for each in figures["as_of"]])
    found = list(WATCHED[rule](replace(scored, figures=moved)))
    assert bool(found) == bool(text) and pd.Series(found or [""], dtype="str").str.contains(text).all(), found


def test_probabilities_that_moved_are_found(scored: Watch) -> None:
    assert not list(WATCHED["drift of scores"](scored))  # there is no run before
    name = f"likelihood_{scored.scores.horizon}"
    then, now = (replace(scored.scores, facts=scored.scores.facts) for _ in range(2))
    vars(then)["customers"], vars(now)["customers"] = scored.scores.customers, scored.scores.customers.assign(**{name: 0.9})
    for new, told in ((then, 0), (now, 1)):
        watch = replace(scored, scores=new)
        vars(watch)["before"] = then
        assert len(list(WATCHED["drift of scores"](watch))) == told


def test_a_drift_is_told_by_the_run(scored: Watch) -> None:
    folder = scored.folder / "bundles" / str(scored.scores.facts["bundle"])
    (folder / EVALUATION).mkdir(exist_ok=True)
    table = binned(scored.scores.snapshot)
    table.to_parquet(folder / EVALUATION / f"{BINS}.parquet")
    (scored.folder / FIGURES).parent.mkdir(exist_ok=True)
    scored.figures.to_parquet(scored.folder / FIGURES)
    assert not watch_run(Watch.of(scored.folder))
    table.assign(count=table.groupby("feature")["count"].transform(lambda counts: [*([0.0] * (len(counts) - 2)), counts.sum(), 0.0])).to_parquet(
        folder / EVALUATION / f"{BINS}.parquet"
    )
    assert {(each.rule, each.severity) for each in watch_run(Watch.of(scored.folder))} == {("drift of facts", "warn")}


def test_a_drift_is_beyond_its_limit() -> None:
    assert Drift("price", 0.3, 0.25, "").far and not Drift("price", 0.3, 0.4, "").far
