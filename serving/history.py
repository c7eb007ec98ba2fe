"""Every scoring run becomes figures that are kept: customers by stage and importance, audiences, what was expected, and later what came of it.

``history/figures.parquet`` holds one figure a row: ``as_of`` (a day), ``kind`` (shop, lifecycle, importance, audience, model, comparison,
drift), ``name``, ``measure``, ``value``. Nobody is named in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import DataError
from features.files import BUNDLES, MANIFEST, read_json
from features.shop import Shop
from features.snapshot import Snapshot
from models.drift import Drift
from models.pairs.intervals import Spread
from serving.audiences.listing import built_audiences
from serving.audiences.members import MEMBERS
from serving.audiences.realised import realised
from serving.exports import write_table
from serving.scores import Scores

FIGURES = Path("history") / "figures.parquet"
COMPARISON, EXPECTED_BUYERS = "comparison", "expected buyers"
MEASURES = ("ap", "new_ap", "lift_quality", "level", "likelihood_auc", "likelihood_level")
"""What is kept of a bundle's own backtest."""
COLUMNS = ("as_of", "kind", "name", "measure", "value")
SPANS: Mapping[str, int] = {"a month ago": 30, "a quarter ago": 91, "a year ago": 365}
NEAR = 0.2
"""A figure counts as of a span ago when it is at most this share of the span off."""
GROWN = 0.1
"""A stage of life that changed by less is not worth a sentence."""
SURE = 2.0
ADVICE = {
    ("slipping away", True): "plan a reactivation",
    ("lost", True): "look at what they bought last, and win back those who are worth it",
    ("active", True): "what you do works",
    ("active", False): "fewer customers are active: look at who is slipping away",
    ("just ordered", False): "fewer order now: look at the season and at your shop",
}
EXPECTED, LEAST, MOST, CAME = "expected", "at least", "at most", "came"
HELD = 0.95
"""The share of the ranges "at least" to "at most" that hold what comes."""
KEPT = "kept"
DRIFT, PSI, LIMIT = "drift", "psi", "limit"
Row = tuple[str, str, str, str, float]


def figures(folder: Path) -> pd.DataFrame:
    """All figures, oldest first. Raises DataError when none were kept yet."""
    path = folder / FIGURES
    if not path.is_file():
        raise DataError(f"{folder}: no history is kept here yet; it begins with the first: whobuys weekly")
    return pd.read_parquet(path)


def _kept(folder: Path) -> pd.DataFrame:
    return figures(folder) if (folder / FIGURES).is_file() else pd.DataFrame(columns=list(COLUMNS))


def remember(folder: Path, scores: Scores) -> pd.DataFrame:
    """Keep the figures of a scoring run and of the audiences built as of its date, and what came of earlier expectations; those kept as of the same
    date are replaced. Gives back all figures."""
    day = scores.as_of.isoformat()
    old = _kept(folder)
    earlier = old[(old["as_of"] != day) | (old["kind"] == COMPARISON)]
    now = (_of_customers(scores, day), _of_audiences(folder, day), _of_model(folder, str(scores.facts["bundle"]), day))
    rows = [row for part in (*now, _came(earlier, scores), _audiences_came(folder, earlier, scores.shop)) for row in part]
    new = pd.DataFrame(rows, columns=list(COLUMNS))
    return _write(folder, pd.concat([earlier, new], ignore_index=True) if len(earlier) else new)


def remember_comparison(folder: Path, as_of: date, name: str, **measures: float) -> None:
    """Keep how a new recipe compared with the one in use as of a day (``name``: which two); what was kept of the same two as of that day is
    replaced."""
    day = as_of.isoformat()
    old = _kept(folder)
    new = pd.DataFrame([(day, COMPARISON, name, measure, float(value)) for measure, value in measures.items()], columns=list(COLUMNS))
    kept = old[(old["as_of"] != day) | (old["kind"] != COMPARISON) | (old["name"] != name)]
    _write(folder, pd.concat([kept, new], ignore_index=True) if len(kept) else new)


def remember_drift(folder: Path, as_of: date, found: Sequence[Drift]) -> None:
    """Keep how far what is scored as of a day is from what it was; what was kept as of that day is replaced."""
    day, old = as_of.isoformat(), _kept(folder)
    rows = [(day, DRIFT, each.feature, measure, value) for each in found for measure, value in ((PSI, each.psi), (LIMIT, each.limit))]
    kept = old[(old["as_of"] != day) | (old["kind"] != DRIFT)]
    if rows:
        _write(folder, pd.concat([kept, pd.DataFrame(rows, columns=list(COLUMNS))], ignore_index=True))


def drift_of(found: pd.DataFrame) -> pd.DataFrame:
    """How far what was scored is from what it was, of the newest day that is kept: ``feature``, ``psi``, ``limit``, the farthest first."""
    rows = found[found["kind"] == DRIFT]
    newest = rows[rows["as_of"] == rows["as_of"].max()].rename(columns={"name": "feature"})
    table: pd.DataFrame = newest.pivot_table(index="feature", columns="measure", values="value", aggfunc="last").reindex(columns=[PSI, LIMIT])
    return table.sort_values([PSI], ascending=False, kind="stable").reset_index()


def comparisons(folder: Path) -> pd.DataFrame:
    """A row for every comparison of recipes that is kept, the oldest first: ``as_of``, ``name`` and its measures; empty where there was none."""
    found = _kept(folder)
    rows = found[found["kind"] == COMPARISON]
    return rows.pivot_table(index=["as_of", "name"], columns="measure", values="value", aggfunc="last").reset_index()


def _write(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    found = found.astype({"value": np.float64}).sort_values(list(COLUMNS[:4]), ignore_index=True, kind="stable")
    write_table(folder / FIGURES, found)
    return found


def _of_customers(scores: Scores, day: str) -> Iterator[Row]:
    customers = scores.customers[scores.customers["frequency"] > 0]
    horizon = scores.horizon
    yield day, "shop", "customers", "count", float(len(customers))
    yield day, "shop", f"orders within {horizon} days", EXPECTED, float(customers[f"expected_orders_{horizon}"].sum())
    likelihood = customers[f"likelihood_{horizon}"].to_numpy(np.float64)
    least, most = scores.bundle.spread.of_shop(likelihood.sum(), (likelihood * (1 - likelihood)).sum(), share=HELD)
    for measure, value in ((EXPECTED, likelihood.sum()), (LEAST, least), (MOST, most)):
        yield day, "shop", f"customers who order within {horizon} days", measure, float(value)
    for kind in ("lifecycle", "importance"):
        for name, count in customers[kind].value_counts().items():
            yield day, kind, str(name), "customers", float(count)


def _of_audiences(folder: Path, day: str) -> Iterator[Row]:
    for name in built_audiences(folder):
        path = folder / MEMBERS / name / f"{day}.parquet"
        if not path.is_file():
            continue
        members = pd.read_parquet(path)
        changes = pd.read_parquet(folder / MEMBERS / name / "changes" / f"{day}.parquet", columns=["change"])["change"]
        yield day, "audience", name, "size", float(len(members))
        yield day, "audience", name, EXPECTED_BUYERS, float(members["probability"].astype(np.float64).sum())
        if "expected_revenue" in members:
            yield day, "audience", name, "expected revenue", float(members["expected_revenue"].astype(np.float64).sum())
        entered, left = (float((changes == change).sum()) for change in ("entered", "left"))
        yield day, "audience", name, "entered", entered
        yield day, "audience", name, "left", left
        if before := len(members) - entered + left:
            yield day, "audience", name, KEPT, 1 - left / before


def _of_model(folder: Path, bundle: str, day: str) -> Iterator[Row]:
    """What the training of the bundle measured."""
    facts = read_json(folder / BUNDLES / bundle / MANIFEST)["facts"]
    measures = facts.get("measures", {}) if isinstance(facts, dict) else {}
    for name in MEASURES:
        if name in measures:
            yield day, "model", bundle, name, float(measures[name])


def _audiences_came(folder: Path, earlier: pd.DataFrame, shop: Shop) -> Iterator[Row]:
    """How many members of audiences bought, once the days of a build are over."""
    rows = earlier[earlier["kind"] == "audience"]
    asked, told = (rows[rows["measure"] == measure] for measure in (EXPECTED_BUYERS, CAME))
    for name, of_name in asked.groupby("name"):
        days = set(of_name["as_of"]) - set(told.loc[told["name"] == name, "as_of"])
        for row in realised(folder, str(name), shop, Spread(), days=days).to_dict("records"):
            yield str(row["origin"]), "audience", str(name), CAME, float(row["bought"])


def _came(earlier: pd.DataFrame, scores: Scores) -> Iterator[Row]:
    """What came of expectations whose days are over and that were not told yet."""
    asked = earlier[(earlier["kind"] == "shop") & (earlier["measure"] == EXPECTED)]
    told = set(earlier.loc[(earlier["kind"] == "shop") & (earlier["measure"] == CAME), "as_of"])
    for day in sorted(set(asked["as_of"]) - told):
        names = asked.loc[asked["as_of"] == day, "name"]
        horizon = int(names.iloc[0].rsplit(" within ", 1)[1].split()[0])
        then = date.fromisoformat(day)
        if then + timedelta(days=horizon) <= scores.as_of:
            yield from _came_of(scores.shop, then, horizon)


def _came_of(shop: Shop, then: date, horizon: int) -> Iterator[Row]:
    volume = Snapshot(shop, then, horizon).volume()["orders"]
    yield then.isoformat(), "shop", f"orders within {horizon} days", CAME, float(volume.sum())
    yield then.isoformat(), "shop", f"customers who order within {horizon} days", CAME, float((volume > 0).sum())


def builds_over(found: pd.DataFrame) -> pd.DataFrame:
    """The builds of audiences whose days are over: ``name``, ``as_of``, ``expected buyers`` and ``came``, the newest first."""
    rows = found[(found["kind"] == "audience") & found["measure"].isin((EXPECTED_BUYERS, CAME))]
    table = rows.pivot_table(index=["as_of", "name"], columns="measure", values="value", aggfunc="last")
    return table.reindex(columns=[EXPECTED_BUYERS, CAME]).dropna().reset_index().sort_values(["as_of", "name"], ascending=[False, True])


def trend(found: pd.DataFrame) -> pd.DataFrame:
    """A row per stage of life and importance: ``kind``, ``name``, ``now``, and how many there were a month, a quarter and a year ago; unknown where
    no run was near."""
    people = found[found["kind"].isin(("lifecycle", "importance"))]
    table = people.pivot_table(index=["kind", "name"], columns="as_of", values="value", aggfunc="last").fillna(0.0)
    newest = max(table.columns)
    spans = {words: _near(list(table.columns), newest, days) for words, days in SPANS.items()}
    columns = {"now": table[newest], **{words: table[day] if day else np.nan for words, day in spans.items()}}
    return pd.DataFrame(columns).sort_values(["kind", "now"], ascending=[False, False], kind="stable").reset_index()


def _near(days: list[str], newest: str, span: int) -> str | None:
    ago = {day: (date.fromisoformat(newest) - date.fromisoformat(day)).days for day in days}
    near = [day for day in days if abs(ago[day] - span) <= NEAR * span]
    return min(near, key=lambda day: abs(ago[day] - span), default=None)


def alerts(found: pd.DataFrame) -> list[str]:
    """What changed within a month by more than chance, in sentences; and how far what was expected lies from what came."""
    words = []
    for row in trend(found).to_dict("records"):
        now, then = float(row["now"]), float(row["a month ago"])
        if row["kind"] != "lifecycle" or np.isnan(then) or abs(now - then) < max(GROWN * then, SURE * np.sqrt(now + then)):
            continue
        change = f"grew by {now / then - 1:.0%}" if now > then and then else f"fell by {1 - now / then:.0%}" if then else "are new"
        advice = ADVICE.get((str(row["name"]), now > then), "")
        words.append(f"{row['name']} {change} in a month, from {then:,.0f} to {now:,.0f}{': ' + advice if advice else ''}")
    return [*words, *_calibration(found)]


def _calibration(found: pd.DataFrame) -> Iterator[str]:
    """The newest expectation whose days are over, beside what came."""
    found = found[found["kind"] == "shop"]
    over = found[found["measure"] == CAME]
    if not len(over):
        return
    day = over["as_of"].max()
    expected = found[(found["as_of"] == day) & (found["measure"] == EXPECTED)].set_index("name")["value"]
    for name, came in over[over["as_of"] == day].set_index("name")["value"].items():
        yield f"as of {day}, {expected[name]:,.0f} {name} were expected, {came:,.0f} came ({expected[name] / max(came, 1):.2f} times)"
