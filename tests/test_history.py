"""Figures that are kept become trends and sentences, and what was expected meets what came."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.config import Config
from features.errors import DataError
from features.shop import Shop
from features.snapshot import Snapshot
from serving.history import COLUMNS, alerts, figures, remember, trend
from serving.scores import score
from whobuys.cli import app

NOW = date(2026, 6, 1)


def kept(counts: dict[int, dict[str, float]]) -> pd.DataFrame:
    """Customers by stage of life, so many days ago."""
    rows = [
        ((NOW - timedelta(days=ago)).isoformat(), "lifecycle", stage, "customers", value)
        for ago, stages in counts.items()
        for stage, value in stages.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_now_stands_beside_a_month_a_quarter_and_a_year_ago() -> None:
    table = trend(kept({0: {"active": 90, "lost": 10}, 28: {"active": 80}, 90: {"active": 70}, 364: {"active": 60, "lost": 5}})).set_index("name")
    assert table[["now", "a month ago", "a quarter ago", "a year ago"]].to_numpy()[0].tolist() == [90, 80, 70, 60]
    assert table.loc["lost", "a month ago"] == 0 and list(table.index) == ["active", "lost"]


def test_where_no_run_was_near_nothing_is_told() -> None:
    table = trend(kept({0: {"active": 90}, 60: {"active": 10}}))
    assert table.loc[0, ["a month ago", "a quarter ago", "a year ago"]].isna().all()
    assert alerts(kept({0: {"active": 90}, 60: {"active": 10}})) == []


@pytest.mark.parametrize(
    "then, now, told",
    [
        (1200, 1416, ["slipping away grew by 18% in a month, from 1,200 to 1,416: plan a reactivation"]),
        (1200, 1000, ["slipping away fell by 17% in a month, from 1,200 to 1,000"]),
        (1200, 1250, []),
        (10, 14, []),
    ],
)
def test_only_what_changed_by_more_than_chance_is_said(then: float, now: float, told: list[str]) -> None:
    assert alerts(kept({0: {"slipping away": now}, 28: {"slipping away": then}})) == told


def test_a_run_is_kept_once_a_date_and_meets_what_came(shop: Path) -> None:
    with pytest.raises(DataError, match="it begins with the first: whobuys weekly"):
        figures(shop)
    scores = score(shop, config=Config())
    first = remember(shop, scores)
    assert remember(shop, scores).equals(first) and figures(shop).equals(first)
    earlier = (scores.as_of - timedelta(days=scores.horizon)).isoformat()
    moved = first.assign(as_of=earlier)
    moved.to_parquet(shop / "history" / "figures.parquet", index=False)
    found = remember(shop, scores)
    came = found[(found["as_of"] == earlier) & (found["measure"] == "came")].set_index("name")["value"]
    past = Snapshot(Shop.open(shop), date.fromisoformat(earlier), scores.horizon)
    assert came[f"customers who order within {scores.horizon} days"] == past.ordered().sum() > 0
    assert any("were expected" in each for each in alerts(found))
    assert set(found["kind"]) >= {"shop", "lifecycle", "importance"} and not found.duplicated(list(COLUMNS[:4])).any()
    assert not set(found["name"]) & set(scores.customers.index)
    told = CliRunner().invoke(app, ["report", "history", "--shop", str(shop)])
    assert told.exit_code == 0 and "a month ago" in told.output and "were expected" in told.output
