"""Figures that are kept become trends and sentences, and what was expected meets what came."""

import re
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.config import Config
from features.errors import DataError
from features.shop import Shop
from features.snapshot import Snapshot
from models.drift import Drift
from serving.history import COLUMNS, alerts, builds_over, comparisons, drift_of, figures, remember, remember_comparison, remember_drift, trend
from serving.reports.blocks import Curves, Table
from serving.reports.history import page
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


def test_the_page_tells_what_is_kept_and_names_nobody(shop: Path, tmp_path: Path) -> None:
    (shop / "audiences.yaml").write_text("audience: lately\nwho:\n  - lifecycle: [just ordered, active]\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["audience", "build", "lately", "--shop", str(shop)]).exit_code == 0
    for path in (shop / "members" / "lately").glob("2026-07-01.*"):
        path.rename(path.with_name(path.name.replace("2026-07-01", "2026-05-01")))
    scores = score(shop, config=Config())
    first = remember(shop, scores)
    written = {}
    for name in ("one.html", "two.html", "two.md"):
        if name == "two.html":
            members = pd.read_parquet(shop / "members" / "lately" / "2026-05-01.parquet")["probability"].sum()
            built = pd.DataFrame(
                [("2026-05-01", "audience", "lately", measure, value) for measure, value in (("size", 9.0), ("expected buyers", members))]
            )
            moved = first.assign(as_of="2026-05-01", value=first["value"] * 0.8)
            pd.concat([moved, built.set_axis(list(COLUMNS), axis=1)]).to_parquet(shop / "history" / "figures.parquet", index=False)
            remember(shop, scores)
            remember_comparison(shop, scores.as_of, "new against old", ap=0.3, champion_ap=0.2, ratio_low=1.2, ratio_high=1.8, sets=40)
        told = CliRunner().invoke(app, ["report", "history", "--shop", str(shop), "-o", str(tmp_path / name)])
        assert told.exit_code == 0 and told.stdout.strip() == str(tmp_path / name), told.output
        written[name] = (tmp_path / name).read_text(encoding="utf-8")
    assert "One run is kept so far" in written["one.html"] and "<svg" not in written["one.html"]
    assert "No expectation’s days are over yet" in written["one.html"]
    for text in (written["two.html"], written["two.md"]):
        for words in ("Stages of life", "Your own audiences: what came of them", "lately", "1.50 ×", str(scores.facts["bundle"]), "were expected"):
            assert words in text, words
        assert not set(re.findall(r"\b\w+\b", text)) & set(scores.customers.index) and not re.search(r"\bnan\b|\bNone\b", text)
    assert written["two.html"].count("<svg") >= 2
    assert len(re.findall(r"\*\* expected: customers who order within", written["two.md"])) == 1
    (build,) = builds_over(figures(shop)).to_dict("records")
    assert build["came"] > 0 and build["expected buyers"] == pytest.approx(members)


def test_a_comparison_of_recipes_stays_when_its_run_is_kept(shop: Path) -> None:
    scores = score(shop, config=Config())
    for ap in (0.1, 0.3):
        remember_comparison(shop, scores.as_of, "new against old", ap=ap, champion_ap=0.2)
    remember(shop, scores)
    assert comparisons(shop)[["name", "ap"]].values.tolist() == [["new against old", 0.3]]


def test_drift_is_kept_once_a_day_and_told_over_time(tmp_path: Path) -> None:
    assert drift_of(pd.DataFrame(columns=list(COLUMNS))).empty
    (tmp_path / "history").mkdir()
    kept({28: {"active": 90}, 0: {"active": 91}}).to_parquet(tmp_path / "history" / "figures.parquet")
    for ago, far in ((28, 0.1), (0, 0.9), (0, 0.31)):
        remember_drift(tmp_path, NOW - timedelta(days=ago), [Drift("recency", 0.02, 0.25, ""), Drift("price", far, 0.25, "")])
    found = figures(tmp_path)
    assert len(found) == 2 + 8
    assert drift_of(found).to_numpy().tolist() == [["price", 0.31, 0.25], ["recency", 0.02, 0.25]]
    (section,) = (each for each in page(found, shop_name="shop").sections if each.title == "Drift")
    table, curves = section.blocks
    assert isinstance(table, Table) and [row.mark for row in table.rows] == [False, None]
    assert isinstance(curves, Curves) and [y for _, y in curves.lines["price"]] == pytest.approx([0.25, 0.775])
    assert [label for _, label in curves.steps] == ["0.00", "0.10", "0.20", "0.30", "0.40"]
