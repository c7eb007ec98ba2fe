"""Customers as of several dates become sections about their stages of life, about who comes back, and about those who never ordered."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from features.expressions import before
from features.snapshot import Snapshot
from models.customers.lifecycle import ACTIVE, JUST_ORDERED, LOST, SLIPPING_AWAY, STAGE_NAMES, STAGES
from models.customers.rhythm import Rhythm, return_rates
from serving.reports.base import Base
from serving.reports.blocks import Bars, Cell, Row, Section, Table, count, day, listed, percent, shaded

MONTHS_AGO = (1, 3, 6, 12)
COMPARED = 3
"""The months after which the verdict compares."""
HALF_A_YEAR = 182
BY_QUARTER = 540
"""Days of history from which cohorts are quarters; before they are months."""
COHORTS = 12
SHORT, LONG = "M", "Q"


def stages_over_time(base: Base) -> dict[date, pd.Series]:
    """How many customers were in each stage as of the date and 1, 3, 6 and 12 months before, newest first; dates without an order before are left
    out. The past is computed anew, from what was known then."""
    now = base.customers["lifecycle"].value_counts().reindex(list(STAGE_NAMES), fill_value=0)
    found = {base.as_of: now}
    for months in MONTHS_AGO:
        then = (pd.Timestamp(base.as_of) - pd.DateOffset(months=months)).date()
        if then > base.first_day:
            past = Snapshot(base.snapshot.shop, then, base.snapshot.horizon)
            found[then] = Rhythm.fit(past).predict(past)["lifecycle"].value_counts().reindex(list(STAGE_NAMES), fill_value=0)
    return found


def change(base: Base, stages: dict[date, pd.Series]) -> str:
    """What changed in the stages of life against three months ago, in a sentence."""
    then = (pd.Timestamp(base.as_of) - pd.DateOffset(months=COMPARED)).date()
    if then not in stages:
        return "The orders begin less than three months ago, so the stages of life cannot be compared with those of then."
    now, past = stages[base.as_of], stages[then]
    kept, before_that = (each[[JUST_ORDERED, ACTIVE]].sum() / each.sum() for each in (now, past))
    moves = [f"{count(abs(move))} {'more' if move > 0 else 'fewer'} {name}" for name in (SLIPPING_AWAY, LOST) if (move := now[name] - past[name])]
    same = f"{percent(kept)} of the customers have just ordered or are active, against {percent(before_that)} three months ago"
    return f"{same}; {listed(moves)}." if moves else f"{same}."


def lifecycle(base: Base, stages: dict[date, pd.Series]) -> Section:
    """Stages of life now and before, and who came back from each."""
    said = [
        "A stage is relative to the customer’s own rhythm: who orders every three months is slipping away four months after the last order, who "
        "orders yearly is still active after nine.",
    ]
    if len(stages) <= len(MONTHS_AGO):
        said.append(f"The first order is of {day(base.first_day)}; dates before it are left out.")
    if base.history < HALF_A_YEAR:
        said.append("In records of less than half a year the stages say little: few can be lost by then.")
    names = {as_of: f"{as_of:%d %b %Y}".lstrip("0") for as_of in stages}
    bars = Bars(STAGE_NAMES, {names[as_of]: list(each / max(each.sum(), 1)) for as_of, each in stages.items()})
    rows = [
        Row(stage.name, [Cell(count(each[stage.name]), percent(each[stage.name] / max(each.sum(), 1))) for each in stages.values()], stage.meaning)
        for stage in STAGES
    ]
    rows.append(Row("together", [count(each.sum()) for each in stages.values()]))
    told, measured = _returned(base)
    return Section("Stages of life", [*said, told], [bars, Table("stage", list(names.values()), rows), *measured])


def _returned(base: Base) -> tuple[str, list[Table]]:
    """What share of each stage ordered within the last horizon."""
    days = base.snapshot.horizon
    then = base.as_of - timedelta(days=days)
    if then <= base.first_day:
        return f"Who comes back from which stage is not measured yet: the orders began less than {days + 1} days ago.", []
    rates = return_rates(base.snapshot.shop, then, days=days)
    most = float(rates["returned"].max())
    rows = [
        Row(str(name), [count(each["customers"]), Cell(percent(each["returned"]), shade=shaded(each["returned"], most))])
        for name, each in rates.iterrows()
    ]
    told = f"Measured: the stages as of {day(then)}, and who then ordered within {days} days."
    return told, [Table("stage", ["customers", f"ordered within {days} days"], rows, f"Who came back in the {days} days from {day(then)}")]


def cohorts(base: Base) -> Section:
    """Of those whose first order fell in a period, the share that ordered in each period after it."""
    long = base.history >= BY_QUARTER
    word, unit = ("quarter", LONG) if long else ("month", SHORT)
    visits = _periods(base, unit)
    last_whole = int(pd.Period(pd.Timestamp(base.as_of), unit).ordinal) - 1
    first = int(visits["first"].min())
    if last_whole <= first:
        return Section("Cohorts", [f"There is no {word} yet that is over and has one before it, so nobody can be followed."])
    sizes = visits[visits["period"] == visits["first"]].groupby("first").size()
    after = visits[(visits["period"] > visits["first"]) & (visits["period"] <= last_whole)]
    counts = after.groupby(["first", "period"]).size()
    shown = [each for each in sizes.index if each <= last_whole][-COHORTS:]
    shares = {(start, each): counts.get((start, each), 0) / sizes[start] for start in shown for each in range(start + 1, last_whole + 1)}
    most = max(shares.values(), default=0.0)
    steps = min(COHORTS, last_whole - shown[0])
    rows = [Row(_period(start, unit), [count(sizes[start]), *_followed(shares, start, steps, most)]) for start in shown]
    said = [
        f"Each row are the customers whose first order fell in a {word}; the columns tell which share of them ordered in the first, second, ... "
        f"{word} after it. A {word} that is not over is left empty.",
        *_first_returns(shares, shown, word),
    ]
    return Section("Cohorts", said, [Table("first order in", ["customers", *(f"+{step}" for step in range(1, steps + 1))], rows)])


def _first_returns(shares: dict[tuple[int, int], float], shown: list[int], word: str) -> list[str]:
    known = [shares[start, start + 1] for start in shown if (start, start + 1) in shares]
    return [f"In the {word} after the first one, {percent(float(np.mean(known)))} ordered again, the mean of {len(known)} cohorts."] if known else []


def _followed(shares: dict[tuple[int, int], float], start: int, steps: int, most: float) -> list[Cell | str]:
    found = [shares.get((start, start + step)) for step in range(1, steps + 1)]
    return ["" if each is None else Cell(percent(each), shade=shaded(each, most)) for each in found]


def _periods(base: Base, unit: str) -> pd.DataFrame:
    """A row per customer and period with an order: ``period`` and ``first`` (ordinals of pandas)."""
    orders = before(base.snapshot.shop.orders, base.snapshot.day)
    days: pd.DataFrame = orders.select("customer", "day").distinct().to_pandas()
    months = days["day"].to_numpy().astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    found = pd.DataFrame({"customer": days["customer"], "period": months // 3 if unit == LONG else months}).drop_duplicates()
    return found.assign(first=found.groupby("customer")["period"].transform("min"))


def _period(ordinal: int, unit: str) -> str:
    period = pd.Period(ordinal=ordinal, freq=unit)
    return f"{period.year} Q{period.quarter}" if unit == LONG else f"{period:%b %Y}"


def sign_ups(base: Base) -> Section:
    """How many signed up and never ordered, and how likely their first order is."""
    title, waiting = "Sign-ups without an order", base.sign_ups
    if waiting.empty:
        return Section(title, ["No customer is known who signed up and has not ordered."])
    known = [days for days in base.horizons if waiting[f"likelihood_{days}"].notna().any()]
    likely = {days: waiting[f"likelihood_{days}"].astype(np.float64) for days in known}
    main = base.bundle.horizon
    said = [f"{count(len(waiting))} customers signed up and have not ordered."]
    if main in likely:
        said.append(f"Of them {count(likely[main].sum())} are expected to order within {main} days, by what sign-ups that waited as long did before.")
    rows = [Row(f"{days} days", [count(each.sum()), percent(each.mean()), percent(each.max())]) for days, each in likely.items()]
    return Section(title, said, [Table("within", ["expected first orders", "mean likelihood", "likeliest"], rows)])
