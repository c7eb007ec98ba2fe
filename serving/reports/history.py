"""Figures that weekly runs kept become a page: what changed, in words; customers, audiences, expectations and the model over time."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from models.customers.importance import GROUP_NAMES
from models.customers.lifecycle import STAGE_NAMES
from serving import history
from serving.reports.blocks import UNKNOWN, Bars, Block, Cell, Curves, Row, Section, Table, Terms, count, day, money, times
from serving.reports.pages import Page

LINES = 5
BARS = LISTED = 13
NOTHING = "Nothing changed by more than chance within a month."
MODEL = {
    "ap": ("AP", 3),
    "new_ap": ("AP, new buyers", 3),
    "lift_quality": ("Lift Quality", 0),
    "level": ("expected / came", 2),
    "likelihood_auc": ("AUC: who orders", 3),
    "likelihood_level": ("expected / came: who orders", 2),
}
DRIFTED = (
    "How far customers, and what they buy, are from the newest date that the model learnt from, and the probabilities to order from those of the run "
    "before. 0 is the same; a red edge is far, and more than chance or what moves every month in this shop."
)
TERMS = (
    (
        "PSI, population stability index",
        "How far apart two groups are: over their parts, the difference of shares times the logarithm of their ratio.",
    ),
    ("run", "Each weekly run keeps its figures as of the day after the last order; a run as of the same day replaces the one before."),
    ("more than chance", "At least a tenth more or fewer, and more than twice what chance moves such a count."),
    ("expected / came", "1 is right, 0.9 means that a tenth too few were expected. What came is known when the days of an expectation are over."),
    ("AP, Lift Quality, AUC", "How well those who buy are put first; whobuys report evaluation says what they mean. Each is of other past dates."),
)


def page(found: pd.DataFrame, *, shop_name: str) -> Page:
    """The whole page, from ``history.figures``."""
    days = sorted(found["as_of"].unique())
    told = [f"{each[0].upper()}{each[1:]}." for each in history.alerts(found)]
    changed = any(" in a month, from " in each for each in told)
    sections = [
        _people(found, "lifecycle", "Stages of life", STAGE_NAMES),
        _people(found, "importance", "Importance", GROUP_NAMES),
        _expected(found),
        _audiences(found),
        _model(found),
        *_drift(found),
        Section("What the words mean", [], [Terms(TERMS)]),
    ]
    runs = len(found.loc[found["kind"] == "lifecycle", "as_of"].unique())
    about = f"{count(runs)} run{'s' * (runs != 1)}, as of {' to '.join(dict.fromkeys((_day(days[0]), _day(days[-1]))))}."
    heading = f"{shop_name}: what changed, week by week?"
    return Page(f"{shop_name}: history", heading, about, told if changed else [NOTHING, *told], _facts(found), sections)


def _facts(found: pd.DataFrame) -> list[tuple[str, str]]:
    """The newest figures of the shop."""
    shop = found[(found["kind"] == "shop") & found["measure"].isin(("count", "expected"))]
    newest = shop[shop["as_of"] == shop["as_of"].max()]
    words = [f"{'' if row['measure'] == 'count' else 'expected: '}{row['name']}" for row in newest.to_dict("records")]
    return list(zip((count(value) for value in newest["value"]), words, strict=True))


def _people(found: pd.DataFrame, kind: str, title: str, names: Sequence[str]) -> Section:
    table = found[found["kind"] == kind].pivot_table(index="as_of", columns="name", values="value", aggfunc="last").fillna(0.0)
    table = table[[*(name for name in names if name in table), *(str(name) for name in table if name not in names)]]
    trend = history.trend(found)
    rows = [
        Row(str(row["name"]), [count(row["now"]), *(_then(float(row["now"]), float(row[span])) for span in history.SPANS)])
        for row in trend[trend["kind"] == kind].to_dict("records")
    ]
    shown = table.iloc[_spread(len(table))]
    shares = {str(as_of): (row / max(row.sum(), 1)).tolist() for as_of, row in shown.iterrows()}
    blocks: list[Block] = [Table("customers", ["now", *history.SPANS], rows), Bars([str(name) for name in table], shares, "Shares of all customers")]
    return Section(title, _begun(table), [blocks[0], *over_time(table, "customers"), blocks[1]])


def _begun(table: pd.DataFrame) -> list[str]:
    return [] if len(table) > 1 else ["One run is kept so far: the next one begins the comparison."]


def _then(now: float, then: float) -> Cell | str:
    return UNKNOWN if np.isnan(then) else Cell(count(then), f"{(now - then) / then:+.0%}".replace("%", " %") if then else "")


def _spread(length: int) -> list[int]:
    """Up to ``BARS`` places from the first to the last, evenly."""
    return sorted(set(np.linspace(0, length - 1, min(length, BARS)).round().astype(int).tolist()))


def over_time(table: pd.DataFrame, upwards: str, words: Callable[[float], str] = count, *, least: int = 0) -> list[Curves]:
    """The ``LINES`` columns that are largest in the end, as lines over the days of the index; nothing for a single day. ``words`` writes a value of
    the scale, which ends at four times ten to the power of ``least`` or higher."""
    if len(table) < 2:
        return []
    largest = table.iloc[-1].fillna(0).sort_values(ascending=False, kind="stable").index[:LINES]
    shown = table[[name for name in table if name in set(largest)]]
    days = [date.fromisoformat(str(each)).toordinal() for each in table.index]
    span, top = max(days[-1] - days[0], 1), _round_up(float(shown.max().max()), least)
    places = [(each - days[0]) / span for each in days]
    lines = {str(name): [(x, y / top) for x, y in zip(places, values, strict=True) if not np.isnan(y)] for name, values in shown.items()}
    ticks = [(places[each], f"{date.fromordinal(days[each]):%d %b %y}".lstrip("0")) for each in sorted({0, len(days) // 2, len(days) - 1})]
    steps = [(share, words(share * top)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return [Curves(lines, "as of", upwards, "Over time", ticks, steps, ("", ()))]


def _round_up(value: float, least: int = 0) -> float:
    """The next of 4, 8, 20, 40, 80, 200 ... , or from ten to the power of ``least`` times 4 on.

    >>> _round_up(3.0), _round_up(5.0), _round_up(1500.0)
    (4.0, 8.0, 2000.0)
    """
    steps = (factor * 10.0**power for power in range(least, 12) for factor in (4, 8, 20))
    return next((step for step in steps if step >= value), value)


def _expected(found: pd.DataFrame) -> Section:
    shop = found[found["kind"] == "shop"]
    over = _wide(shop[shop["measure"].isin(("expected", "came"))]).reindex(columns=["as_of", "name", "expected", "came"]).dropna()
    title = "What was expected, and what came"
    if over.empty:
        return Section(title, ["No expectation’s days are over yet. Each is compared with what came by the first run after its last day."])
    rows = [
        Row(str(row["name"]), [str(row["as_of"]), count(row["expected"]), count(row["came"]), times(row["expected"] / max(row["came"], 1))])
        for row in over.head(LISTED).to_dict("records")
    ]
    table = Table("what", ["as of", "expected", "came", "expected / came"], rows)
    return Section(title, [f"Each expectation was made before any of it was known.{_older(over)}"], [table])


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """``as_of``, ``name`` and a column per measure, the newest first."""
    table = rows.pivot_table(index=["as_of", "name"], columns="measure", values="value", aggfunc="last")
    return table.sort_index(ascending=False).reset_index()


def _older(table: pd.DataFrame) -> str:
    return f" The newest {LISTED} of {count(len(table))}; all: whobuys report history --figures." * (len(table) > LISTED)


def _audiences(found: pd.DataFrame) -> Section:
    rows = found[(found["kind"] == "audience")]
    if rows.empty:
        return Section("Audiences", ["No audience is built by the weekly run: save some in audiences.yaml."])
    sizes = rows[rows["measure"] == "size"].pivot_table(index="as_of", columns="name", values="value", aggfunc="last")
    newest = _wide(rows[rows["as_of"] == max(sizes.index)])
    listed = [_audience(row) for row in newest.sort_values("name").to_dict("records")]
    table = Table("audience", ["members", "entered", "left", "buyers expected", "expected revenue"], listed, f"As of {max(sizes.index)}")
    return Section("Audiences", [], [table, *over_time(sizes[newest["name"]], "members"), *came_of_builds(history.builds_over(found))])


def _audience(row: Mapping[Hashable, float]) -> Row:
    cells = [count(row.get(name, np.nan)) for name in ("size", "entered", "left", history.EXPECTED_BUYERS)]
    return Row(str(row["name"]), [*cells, money(row.get("expected revenue", np.nan))])


def came_of_builds(builds: pd.DataFrame | None) -> list[Table]:
    """What came of audiences whose days are over (``history.builds_over``), as a table; nothing where there is none."""
    if builds is None or builds.empty:
        return []
    rows = [
        Row(str(name), [str(as_of), count(expected), count(came), times(expected / max(came, 1))])
        for name, as_of, expected, came in builds.head(LISTED)[["name", "as_of", history.EXPECTED_BUYERS, "came"]].itertuples(index=False)
    ]
    return [Table("audience", ["built as of", "buyers expected", "came", "expected / came"], rows, "Your own audiences: what came of them")]


def _model(found: pd.DataFrame) -> Section:
    table = _wide(found[found["kind"] == "model"])
    if table.empty:
        return Section("The model", ["No training could be measured yet: the shop is too young."])
    shown = {name: words for name, words in MODEL.items() if name in table}
    rows = [
        Row(str(row["as_of"]), [str(row["name"]), *(_fraction(row[each], places) for each, (_, places) in shown.items())])
        for row in table.head(LISTED).to_dict("records")
    ]
    said = f"Each training is measured on past dates that its fits knew nothing of. The dates move on, so small steps are the months’.{_older(table)}"
    return Section("The model", [said], [Table("as of", ["bundle", *(words for words, _ in shown.values())], rows), *_comparisons(found)])


def _drift(found: pd.DataFrame) -> list[Section]:
    newest = history.drift_of(found)
    if newest.empty:
        return []
    rows = [
        Row(str(name), [f"{psi:.2f}", f"{limit:.2f}"], mark=False if psi > limit else None)
        for name, psi, limit in newest[["feature", history.PSI, history.LIMIT]].itertuples(index=False)
    ]
    kept = found[(found["kind"] == history.DRIFT) & (found["measure"] == history.PSI)]
    over = kept.pivot_table(index="as_of", columns="name", values="value", aggfunc="last")
    table = Table("what is known", ["PSI", "far from"], rows, f"As of {kept['as_of'].max()}")
    return [Section("Drift", [DRIFTED], [table, *over_time(over, "PSI", "{:.2f}".format, least=-2)])]


def _comparisons(found: pd.DataFrame) -> list[Table]:
    rows = [
        Row(
            str(row["as_of"]),
            [str(row["name"]), times(row["ap"] / row["champion_ap"]), f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}"],
            mark=True if row["ratio_low"] > 1 else False if row["ratio_high"] < 1 else None,
        )
        for row in _wide(found[found["kind"] == history.COMPARISON]).head(LISTED).to_dict("records")
    ]
    head = ["new recipe against the one in use", "times as good", "surely between"]
    return [Table("as of", head, rows, "Recipes that were compared")] if rows else []


def _fraction(value: float, places: int) -> str:
    return UNKNOWN if np.isnan(value) else f"{value:.{places}f}"


def _day(text: str) -> str:
    return day(date.fromisoformat(text))
