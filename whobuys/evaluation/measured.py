"""The tables of an evaluation become the sections of its page: against what, where, what came, how many must be asked, and whether it comes true."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from models import metrics
from models.plots import best_curves
from serving.reports.blocks import UNKNOWN, Curves, Row, Section, Table, count, listed, percent, times
from serving.reports.history import came_of_builds
from training.evaluation.compared import OURS
from training.evaluation.slices import SLICES, named, pooled
from training.evaluation.verdict import LEAST, better
from whobuys.evaluation.plain import Tables, held_share, rule_words, trust, weaknesses

SETS = 300
"""Product sets that are listed, the most bought first."""
LINES = 5
SIZES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5)
Points = Sequence[tuple[float, float]]


def against(tables: Tables) -> Section:
    """Every method beside each other, the best first."""
    means = pooled(tables["methods"]).sort_values("ap", ascending=False, kind="stable")
    said = [
        "Anybody could sort customers by a simple rule, without learning anything. A model is worth its keep only where it does better. "
        f"All were asked the same: the same dates, the same {count(float(means['sets'][OURS]))} product sets with enough buyers to tell.",
    ]
    rows = [
        Row(rule_words(str(name)), _method(row), "the green edge" if name == OURS else "", mark=name == OURS or None)
        for name, row in means.iterrows()
    ]
    head = ["buyers among the likeliest 10 %", "times chance, likeliest 5 %", "Lift Quality", "AP", "AP, new buyers", "log loss", "calibration error"]
    return Section("Is it good, and against what?", said, [Table("who is put first", head, rows)])


def _method(row: pd.Series) -> list[str]:
    measures = [fraction(row[name], places) for name, places in (("ap", 3), ("new_ap", 3), ("log_loss", 4), ("calibration_error", 4))]
    return [percent(row["recall_10"]), times(row["lift_5"]), count(row["lift_quality"]), *measures]


def weak(tables: Tables) -> Section:
    """Parts of the customers and product sets."""
    slices = tables["slices"]
    found = list(weaknesses(slices))
    said = [f"Weak: {listed(found)}." if found else "No part is worse than a simple rule or far off in numbers."]
    few = [str(row["slice"]) for _, row in slices.iterrows() if row["sets"] < LEAST]
    said += [f"Too few buyers to tell: {listed(few)}."] if few else []
    said.append("Green edge: surely better than the best simple rule there. Red edge: surely worse. No edge: nothing is sure.")
    known = slices[slices["outcomes"] > 0]
    edges = {str(row["slice"]): better(row) if pd.notna(row["ratio_low"]) else None for _, row in known.iterrows()}
    rows = [Row(name, _slice(row), SLICES[name].meaning, mark=edges[name]) for name, (_, row) in zip(edges, known.iterrows(), strict=True)]
    head = ["times as good", "surely between", "expected", "came", "expected / came", "AP", "best rule’s AP", "product sets", "best rule"]
    return Section("Where is it weak?", said, [Table("part", head, rows)])


def _slice(row: pd.Series) -> list[str]:
    sure = UNKNOWN if pd.isna(row["ratio_low"]) else f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
    numbers = [count(row["expected"]), count(row["outcomes"]), fraction(row["level"], 2), fraction(row["ap"], 3), fraction(row["rule_ap"], 3)]
    return [times(row["ratio"]), sure, *numbers, count(row["sets"]), rule_words(row["rule"]) if row["rule"] else UNKNOWN]


def came(tables: Tables) -> Section:
    """Expected and real, date by date and product set by product set."""
    said = ["Each date was predicted by a fit that knew only what came before it; then it was compared with what customers did."]
    blocks = [_dates(tables)]
    if "sets" not in tables:
        return Section("What was predicted, and what came", said, blocks)
    newest = tables["sets"][tables["sets"]["origin"] == tables["sets"]["origin"].max()]
    shown = newest.sort_values("buyers", ascending=False, kind="stable").head(SETS)
    rows = [_set(row) for row in shown.to_dict("records")]
    head = ["expected", "in 8 of 10 cases", "came", "of them new", "Lift Quality", "to catch half"]
    panel = Section(f"{len(shown)} categories, brands and other product sets as of {newest['origin'].iloc[0]}", [], [Table("products", head, rows)])
    return Section("What was predicted, and what came", said, blocks, [panel], closed=True)


def _dates(tables: Tables) -> Table:
    joined = tables["customers"].rename(columns={"expected": "expected_customers"})
    if "coverage" in tables:
        joined = joined.merge(tables["coverage"], on="origin", how="left")
    rows = []
    for row in joined.to_dict("records"):
        sets = [count(row["expected"]), f"{count(row['low'])} to {count(row['high'])}", count(row["outcomes"])] if "low" in row else []
        orders = [count(row.get(name, np.nan)) for name in ("orders_expected", "orders")]
        rows.append(Row(str(row["origin"]), [*sets, count(row["expected_customers"]), count(row["ordered"]), *orders, fraction(row["auc"], 3)]))
    sets = ["buyers expected", "in 8 of 10 cases", "came"] if "low" in joined else []
    return Table("as of", [*sets, "customers expected", "came", "orders expected", "came", "AUC"], rows)


def _set(row: Mapping[str, float]) -> Row:
    held = bool(row["low"] <= row["buyers"] <= row["high"])
    cells = [f"{row['expected']:,.1f}", f"{count(row['low'])} to {count(row['high'])}", count(row["buyers"]), count(row["new_buyers"])]
    cells += [count(row["lift_quality"]), percent(row.get("catch_50", np.nan))]
    return Row(str(row["product_set"]), cells, f"{row['kind']}, {count(row['products'])} products", mark=None if held else False)


def asked(tables: Tables) -> Section:
    """Capture sizes, and the curves of gain and lift."""
    means, people = pooled(tables["methods"]), float(tables["customers"]["customers"].iloc[-1])
    best = tables["slices"]["rule"].iloc[0]
    rows = []
    for share in metrics.CAUGHT:
        ours, rule = (float(means[f"catch_{share * 100:.0f}"].get(name, np.nan)) for name in (OURS, best))
        rows.append(Row(f"{share * 100:.0f} % of the buyers", [percent(ours), count(ours * people), percent(rule)]))
    sizes = Table("to catch", ["of all customers", "now customers", "by the best rule"], rows)
    said = ["The likeliest customers first: so many must be asked to find half, most, or nearly all of those who will buy from a product set anyway."]
    return Section("How many customers must be asked?", said, [sizes, *_gain(tables["gain"])])


def _gain(table: pd.DataFrame) -> list[Curves]:
    means = _means(table)
    if not means:
        return []
    ours = next(iter(means.values()))
    band = [(row["share"], row["gain_low"], row["gain_high"]) for row in ours.to_dict("records")] if ours["gain_low"].notna().all() else []
    shown = ours[ours["share"].round(6).isin(SIZES)]
    rows = [Row(percent(row["share"]), [percent(row["gain"]), times(row["lift"]), _sure(row)]) for row in shown.to_dict("records")]
    numbers = Table("likeliest", ["of the buyers", "times chance", "95 % sure"], rows)
    lines = {name: list(zip(each["share"], each["gain"], strict=True)) for name, each in means.items()}
    across = "share of all customers, likeliest first"
    chance = ("by chance", ((0, 0), (1, 1)))
    gain = Curves(lines, across, "share of the buyers", "Gain: who is found", even=chance, band=band, numbers=numbers)
    return [gain, _lift(means, band, across)]


def _sure(row: Mapping[Hashable, float]) -> str:
    return UNKNOWN if np.isnan(row["gain_low"]) else f"{percent(row['gain_low'])} to {percent(row['gain_high'])}"


def _means(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Curves as means over the dates, ours first; points of a share at which every date has one."""
    if not len(table):
        return {}
    rules = [name for name in best_curves(table)["method"].unique() if name != OURS][: LINES - 2]
    table = table.reindex(columns=[*table.columns.union(["gain_low", "gain_high"], sort=False)])
    columns = ["gain", "lift", "gain_low", "gain_high"]
    kept = table.assign(share=table["share"].round(2))
    return {rule_words(name): kept[kept["method"] == name].groupby("share")[columns].mean().reset_index() for name in (OURS, *rules)}


def _lift(means: Mapping[str, pd.DataFrame], band: Sequence[tuple[float, float, float]], across: str) -> Curves:
    """On a logarithmic scale from 1 % to everybody."""
    drawn = {name: each[each["share"] >= 0.01] for name, each in means.items()}
    highest = max(float(each["lift"].max()) for each in drawn.values())
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 1000) if highest <= size * 5)
    top = step * int(np.ceil(highest / step))
    lines = {name: [(_wide(x), y / top) for x, y in zip(each["share"], each["lift"], strict=True)] for name, each in drawn.items()}
    area = [(_wide(x), low / x / top, min(high / x / top, 1.0)) for x, low, high in band if x >= 0.01]
    ticks = [(_wide(share), percent(share)) for share in (0.01, 0.02, 0.05, 0.1, 0.25, 1.0)]
    steps = [(value / top, f"{value} ×") for value in range(0, top + 1, step)]
    chance = ("by chance", ((0.0, 1 / top), (1.0, 1 / top)))
    return Curves(
        lines, f"{across} (wider at the left)", "times as many buyers as by chance", "Lift: how much better than chance", ticks, steps, chance, area
    )


def _wide(share: float) -> float:
    return float(np.log10(share * 100) / 2)


def comes_true(tables: Tables, builds: pd.DataFrame | None) -> Section:
    """Intervals, calibration, and what came of audiences that were built."""
    coverage, calibration = tables["coverage"], tables["calibration"]
    said = [
        trust(coverage),
        f"All product sets of a date together: the range held on {int(coverage['covered'].sum())} of {len(coverage)} dates. "
        f"Each product set by itself: {percent(held_share(coverage))}. A whole month may be better or worse than any past one; the range knows that.",
        "A probability of 5 % is right when one in twenty of such customers buys. Points on the dashed line come true; above it more bought than was "
        "said, below it fewer.",
    ]
    return Section("Can an audience’s number be trusted?", said, [*came_of_builds(builds), _calibration(calibration)])


def _calibration(table: pd.DataFrame) -> Curves:
    shown = table[(table["real"] > 0) & (table["predicted"] > 0)]
    ends = shown[["predicted", "real"]].to_numpy()
    low, high = (float(np.floor(np.log10(ends.min()))), float(np.ceil(np.log10(ends.max())))) if len(ends) else (-3.0, 0.0)
    span = max(high - low, 1.0)

    def place(values: pd.Series) -> list[float]:
        return [float(each) for each in (np.log10(values.to_numpy(np.float64)) - low) / span]

    dates = sorted(table["origin"].unique())[-LINES:]
    lines = {date: list(zip(*(place(shown.loc[shown["origin"] == date, name]) for name in ("predicted", "real")), strict=True)) for date in dates}
    decades = [((power - low) / span, f"{10.0 ** (power + 2):g} %") for power in np.arange(low, low + span + 1)]
    newest = table[table["origin"] == dates[-1]]
    rows = [
        Row(f"{row['predicted']:.2%}".replace("%", " %"), [f"{row['real']:.2%}".replace("%", " %"), count(row["pairs"])])
        for row in newest.to_dict("records")
    ]
    numbers = Table("said", ["bought", "customers x product sets"], rows, f"As of {dates[-1]}, 20 groups of equal size")
    comes = ("comes true", ((0.0, 0.0), (1.0, 1.0)))
    return Curves(
        lines,
        "probability that was said",
        "share that bought",
        "Do the probabilities come true?",
        decades,
        decades,
        comes,
        numbers=numbers,
        dots=True,
    )


def customers(tables: Tables) -> Section:
    """Who orders anything."""
    table = tables["customers"]
    auc, rule = (percent(float(table[name].mean())) for name in ("auc", "auc_recency"))
    said = [
        f"Of two customers, one who then ordered and one who did not, the first was put first in {auc} of cases; by who ordered last alone in {rule} "
        "(50 % is chance, 100 % perfect)."
    ]
    rows = []
    for name, title in (("orders", "orders"), ("products", "product lines")):
        if f"{name}_mae" in table:
            expected, real, ours, usual = (float(table[each].sum()) for each in (f"{name}_expected", name, f"{name}_mae", f"{name}_mae_rate"))
            rows.append(
                Row(
                    title,
                    [count(expected), count(real), fraction(expected / max(real, 1), 2), *(f"{each / len(table):.2f}" for each in (ours, usual))],
                )
            )
    head = ["expected", "came", "expected / came", "off for one customer", "by the own past rate"]
    return Section("Who orders anything at all?", said, [Table("all dates together", head, rows)] if rows else [])


def fraction(value: float, places: int) -> str:
    """A number with so many decimals; unknown as a dash.

    >>> fraction(0.278, 3), fraction(float("nan"), 2)
    ('0.278', '–')
    """
    return UNKNOWN if np.isnan(value) else f"{value:.{places}f}"


def rule_names(tables: Tables) -> list[tuple[str, str]]:
    """The rules of the page in plain words, and exactly."""
    return [(rule_words(str(name)), named(str(name))) for name in tables["methods"]["method"].unique() if name != OURS]
