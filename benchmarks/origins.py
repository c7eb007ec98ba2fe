"""Several past dates together, each predicted by a fit that knew nothing after it: slices, totals, the likeliest bins, log loss and intervals.

    python benchmarks/origins.py [--data FOLDER] [--only online_retail,...] [--origins 5] [--write]

The newest date is that of benchmarks/accuracy.py. Three dates before the oldest are fitted, too, and not counted: each fit that is measured has
closed windows from which corrections and intervals were learnt, as after any training. In each slice the rule to compare with is the one that was
best there on these very dates, which is more than any rule that could have been chosen before. Ends with 1 when a slice with enough in it loses to
that rule by 1 % or more (lower end of the interval), a total is off by more than 10 %, one of the five likeliest of 20 bins by more than 15 %, a
calibrated rule has the lower log loss, or intervals of 80 % hold fewer than 70 or more than 90 % of the sets.
"""

import sys
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import whobuys
from _dates import measured_on_dates
from _grounds import GROUNDS, HORIZON, Ground
from _page import figure, table_of

from features.config import Config
from features.shop import Shop
from models.pairs.baselines import BASELINES
from training.backtest import Backtest, backtest, backtest_dates
from training.evaluation.compared import OURS, Plan
from training.evaluation.slices import named, slices_of, with_intervals
from training.fits import Fits
from training.train import recipe_of

SETS, OUTCOMES = 30, 1000
"""A slice with fewer measured sets or outcomes is shown, and not judged."""
LOSS, TOTAL, BIN, HELD = 0.01, 0.10, 0.15, (0.7, 0.9)
TOP = 5
WARM_UP = 3
"""Dates before the oldest that corrections and intervals are learnt from, as many as a training looks back on."""


def measured(ground: Ground, data: Path, *, origins: int) -> tuple[list[date], dict[str, pd.DataFrame]]:
    """The newest dates, oldest first, and the tables of their comparison, with the slices of all of them together and their intervals."""
    with tempfile.TemporaryDirectory() as folder:
        files = ground.files(data, Path(folder))
        whobuys("import", *files.values(), "--shop", Path(folder) / "shop", *ground.how())
        sets = ground.sets(data, files)
        fits = Fits(Shop.open(Path(folder) / "shop"), recipe_of(Config()), lambda words: print(f"  {words}", flush=True))
        dates = backtest_dates(fits, ground.as_of + timedelta(days=HORIZON), origins + WARM_UP)
        test = backtest(fits, dates, bundle_id="origins", plan=Plan(lambda snapshot, catalogue: sets, tuple(BASELINES), calibrated=True))
        return dates[-origins:], newest(test, dates[-origins:])


def newest(test: Backtest, dates: Sequence[date]) -> dict[str, pd.DataFrame]:
    """The tables of a comparison, of these dates alone."""
    days = [each.isoformat() for each in dates]
    tables = {name: table[table["origin"].isin(days)] for name, table in test.tables.items() if "origin" in table}
    cases = test.cases[test.cases["origin"].isin(days)]
    compared = [each for each in test.compared if each.bundle.as_of in dates]
    return tables | {"slices": with_intervals(slices_of(cases), cases, compared)}


def bins(calibration: pd.DataFrame) -> list[float]:
    """Predicted over real of the likeliest bins, all dates together, likeliest last."""
    place = calibration.groupby("origin").cumcount()
    sums = calibration[["predicted", "real"]].mul(calibration["pairs"], axis=0).groupby(place).sum().tail(TOP)
    return [float(each) for each in (sums["predicted"] / sums["real"]).to_numpy()]


def log_losses(methods: pd.DataFrame) -> pd.Series:
    """The mean log loss of every method that gives probabilities, over the dates, lowest first."""
    return methods.groupby("method")["log_loss"].mean().dropna().sort_values()


def slice_rows(slices: pd.DataFrame) -> list[list[str]]:
    """The rows of the table for people; a slice without outcomes is left out."""
    rows = []
    for each in slices[slices["outcomes"] > 0].to_dict("records"):
        beside = "" if np.isnan(each["ratio"]) else f"{each['ratio']:.2f} ({each['ratio_low']:.2f} to {each['ratio_high']:.2f})"
        ap = "" if np.isnan(each["ap"]) else figure(each["ap"])
        rows.append([each["slice"], f"{each['sets']:,}", f"{each['outcomes']:,}", f"{each['level']:.2f}", ap, beside, named(str(each["rule"]))])
    return rows


def missed(slices: pd.DataFrame, top: list[float], losses: pd.Series, held: float) -> list[str]:
    """What does not hold."""
    many = slices[slices["outcomes"] >= OUTCOMES]
    found = [
        f"{row['slice']}: AP over the best rule may be {row['ratio_low']:.2f}"
        for row in many[many["sets"] >= SETS].to_dict("records")
        if row["ratio_low"] < 1 - LOSS
    ]
    found += [f"{row['slice']}: expected over real is {row['level']:.2f}" for row in many.to_dict("records") if abs(row["level"] - 1) > TOTAL]
    found += [f"bin {TOP - place} from the top: predicted over real is {each:.2f}" for place, each in enumerate(top) if abs(each - 1) > BIN]
    if losses.index[0] != OURS:
        found.append(f"the log loss of {named(str(losses.index[0]))} is lower: {losses.iloc[0]:.5f}, ours {losses[OURS]:.5f}")
    if not HELD[0] <= held <= HELD[1]:
        found.append(f"intervals of 80 % held {held:.0%} of the sets")
    return found


def measure(ground: Ground, data: Path, *, origins: int) -> tuple[str, list[str]]:
    """The section of one data set, and what does not hold."""
    dates, tables = measured(ground, data, origins=origins)
    slices = tables["slices"]
    top, losses, cover = bins(tables["calibration"]), log_losses(tables["methods"]), tables["coverage"]
    held = float(cover["sets_covered"].sum() / cover["sets"].sum())
    problems = missed(slices, top, losses, held)
    rivals = losses.drop(OURS)
    heads = ("slice", "sets", "outcomes", "expected / real", "AP", "over the best rule there", "which is")
    lines = [
        f"### {ground.title.split(':')[0]}: {len(dates)} dates from {dates[0]} to {dates[-1]}",
        "",
        *table_of(heads, slice_rows(slices)),
        "",
        f"* Predicted over real in the five likeliest of 20 bins, likeliest last: {', '.join(f'{each:.2f}' for each in top)}.",
        f"* Log loss {losses[OURS]:.5f}; of the best calibrated rule, {named(str(rivals.index[0]))}: {rivals.iloc[0]:.5f}.",
        f"* Intervals of 80 % held {held:.0%} of the sets, and the total of all sets on {int(cover['covered'].sum())} of {len(cover)} dates.",
        *(f"* Does not hold: {each}." for each in problems),
        "",
    ]
    return "\n".join(lines), problems


if __name__ == "__main__":
    sys.exit(measured_on_dates(__doc__, measure, section="origins", only=",".join(GROUNDS), origins=5))
