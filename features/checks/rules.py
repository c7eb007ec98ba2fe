"""The rules that new tables are held against, each with what it finds wrong in words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.checks.weeks import WEEK, Values, Weeks
from features.errors import Refused, listed

Severity = Literal["stop", "warn"]
FEWEST_WEEKS = 4
"""With fewer usual weeks nothing is known of what is usual."""
FAR = 4.0
"""Standard deviations of the logarithm of weekly counts beyond which a week is not chance."""
USUAL_SPREAD = 0.1
SURE = 5.0
"""Where so many orders are usual, none at all is no chance."""
FEWEST = 10
"""Orders or products below which a share tells nothing."""
PRICE_STOP, PRICE_WARN = 1.5, 1.15
"""So many times the price before, or less than one over it, for half of the products."""
STALE = 14
"""Days without an order until today."""


@dataclass(frozen=True)
class Finding:
    """What one rule found: its name, whether it stops a run, and a sentence."""

    rule: str
    severity: Severity
    text: str


Found = Iterator[tuple[Severity, str]]


def missing(weeks: Weeks) -> Found:
    """Weeks with far fewer orders than usual, and days without any on which there always were some."""
    for week, (now, usual, far) in _far(weeks, "orders"):
        if far < -FAR and now < usual / 2:
            when = weeks.named(week, weeks.new_days(week))
            yield "stop", f"{now:,.0f} orders from {when}, where {usual:,.0f} are usual: is part of the export missing?"
    for days, due, usual_due in _silences(weeks):
        if due >= SURE and due > 2 * usual_due:
            when = f"{weeks.dated(days[-1])}" if len(days) == 1 else f"{weeks.dated(days[-1])} to {weeks.dated(days[0])}"
            yield ("stop" if due >= 2 * SURE else "warn"), f"no order on {when}, where {due:,.0f} are usual"


def many(weeks: Weeks) -> Found:
    """Weeks with far more orders than usual: a sale, or something counted twice."""
    for week, (now, usual, far) in _far(weeks, "orders"):
        if far > FAR and now > usual * 1.5:
            when = weeks.named(week, weeks.new_days(week))
            yield "warn", f"{now:,.0f} orders from {when}, where {usual:,.0f} are usual: a sale, or are some counted twice?"


def doubled(weeks: Weeks) -> Found:
    """Orders of the same customer, day, amount and number of lines, more often than usual."""
    for week, (share, usual) in _shares(weeks, "twins", "orders"):
        if share > usual + 0.2:
            yield "stop", f"{share:.0%} of the orders from {weeks.named(week)} have a twin (usually {usual:.0%}): was the same export imported twice?"


def strangers(weeks: Weeks) -> Found:
    """Weeks in which hardly anybody ordered before."""
    for week, (share, usual) in _shares(weeks, "fresh", "orders"):
        if share > usual + 0.75 * (1 - usual):
            text = f"{share:.0%} of the orders from {weeks.named(week)} are of new customers (usually {usual:.0%})"
            yield "stop", f"{text}: are the ids of customers others now?"


def nobody(weeks: Weeks) -> Found:
    """Orders without a customer, more often than usual."""
    for week, (share, usual) in _shares(weeks, "unknown", "all_orders"):
        if share > usual + 0.1:
            text = f"{share:.0%} of the orders from {weeks.named(week)} have no customer (usually {usual:.0%}): is customer_id still in the export?"
            yield ("stop" if share > usual + 0.3 else "warn"), text


def lines(weeks: Weeks) -> Found:
    """Orders with many more or many fewer lines than usual, or none at all."""
    for week, (now, usual) in _ratios(weeks, "lines", "orders"):
        if usual > 0 and now == 0:
            yield "stop", f"the orders from {weeks.named(week)} have no lines: is the file of order lines missing?"
        elif usual > 0 and not 0.5 < now / usual < 2:
            yield "warn", f"{now:.1f} lines an order from {weeks.named(week)}, where {usual:.1f} are usual"


def revenue(weeks: Weeks) -> Found:
    """Orders that bring much more or much less than usual."""
    for week, (now, usual) in _ratios(weeks, "revenue", "orders"):
        if usual > 0 and not 0.4 < now / usual < 2.5:
            yield "warn", f"{now:,.2f} an order from {weeks.named(week)}, where {usual:,.2f} is usual"


def prices(weeks: Weeks) -> Found:
    """Products that are sold at other prices than before, most of them by the same factor: another currency, or net in place of gross."""
    found = weeks.prices()
    if len(found) < FEWEST:
        return
    factor = float(np.exp(np.median(np.log(found["now"] / found["then"]))))
    apart = max(factor, 1 / factor)
    if apart > PRICE_WARN:
        text = f"half of {len(found):,} products cost {factor:.2f} times what they did or more: another currency, or net in place of gross?"
        yield ("stop" if apart > PRICE_STOP else "warn"), text if factor > 1 else text.replace("or more", "or less")


def categories(weeks: Weeks) -> Found:
    """Categories that are called otherwise: audiences that name them would be empty."""
    if weeks.before is None:
        return
    moved = weeks.moved()
    if len(moved):
        names = listed([f"{row.old!r} is now {row.category!r}" for row in moved.itertuples()])
        share = float(moved["share"].sum())
        yield ("stop" if share >= 0.05 else "warn"), f"products with {share:.1%} of the lines are in another category: {names}"


def lost(weeks: Weeks) -> Found:
    """Orders that were there before and are gone."""
    if weeks.before is None:
        return
    gone, all_orders = weeks.lost()
    if gone:
        text = f"{gone:,} of {all_orders:,} orders that were there are gone: do the files hold everything? If only what is new, add them (--add)"
        yield ("stop" if gone >= max(FEWEST / 2, 0.005 * all_orders) else "warn"), text


def clock(weeks: Weeks) -> Found:
    """Orders that end earlier than before, or long before today."""
    if weeks.last_before is not None and weeks.end - 1 < weeks.last_before:
        yield "stop", f"the orders end on {weeks.dated(0)}, earlier than before: is this an old export, or was a clock set back?"
    silent = (weeks.today - weeks.dated(0)).days
    if silent > STALE:
        yield "warn", f"the last order is of {weeks.dated(0)}, {silent} days ago: predictions are about days that are over"


RULES: dict[str, Callable[[Weeks], Found]] = {
    "orders missing": missing,
    "many orders": many,
    "doubled orders": doubled,
    "new customers": strangers,
    "no customer": nobody,
    "lines": lines,
    "revenue": revenue,
    "prices": prices,
    "categories": categories,
    "lost orders": lost,
    "clock": clock,
}
"""All rules by their name. What a row must be, ids that repeat, mixed currencies and dates to come are refused by the import itself."""


def check_tables(weeks: Weeks | None) -> list[Finding]:
    """What all rules find, in their order; nothing where there is nothing new."""
    return [] if weeks is None else [Finding(name, severity, text) for name, rule in RULES.items() for severity, text in rule(weeks)]


def refuse_stops(found: Sequence[Finding], *, accepted: Sequence[str] = ()) -> None:
    """Raise Refused when something stops, unless its rule is among those ``accepted`` by somebody who looked."""
    stops = [each for each in found if each.severity == "stop" and each.rule not in accepted]
    if stops:
        told = "\n".join(f"  {each.rule}: {each.text}" for each in stops)
        accept = " ".join(f"--accept {each!r}" for each in dict.fromkeys(each.rule for each in stops))
        raise Refused(
            f"the new orders are not published, as they do not look right; what was there stays:\n{told}\nif all is as it should be: {accept}"
        )


def _silences(weeks: Weeks) -> Iterator[tuple[list[int], float, float]]:
    """Of every run of new days without an order: the days (days before the last order, newest first), how many orders they usually have, and how many
    the emptiest run of the usual weeks would have had."""
    counts = weeks.days["orders"].to_numpy()
    usual = counts[weeks.new * WEEK :].reshape(-1, WEEK)
    if len(usual) < FEWEST_WEEKS:
        return
    due = np.resize(usual.mean(axis=0), len(counts))
    number = np.cumsum(np.diff(counts == 0, prepend=False))
    runs = [np.flatnonzero((number == each) & (counts == 0)) for each in np.unique(number[counts == 0])]
    before = max((float(due[run].sum()) for run in runs if run[0] >= weeks.new * WEEK), default=0.0)
    yield from (([int(day) for day in run], float(due[run].sum()), before) for run in runs if run[0] < weeks.new * WEEK)


def _far(weeks: Weeks, name: str) -> Iterator[tuple[int, tuple[float, float, float]]]:
    """Of the new days of every new week: the count, the usual one, and how far apart they are in standard deviations of the logarithm."""
    for week in range(weeks.new):
        counts = weeks.on_new_days(name, week)
        now, usual = float(counts[week]), counts[weeks.new :]
        if len(usual) < FEWEST_WEEKS:
            return
        logs = np.log(usual + 0.5)
        middle = float(np.median(logs))
        spread = max(1.4826 * float(np.median(np.abs(logs - middle))), USUAL_SPREAD)
        expected = float(np.exp(middle)) - 0.5
        doubt = np.hypot(spread, 1 / np.sqrt(max(expected, 1.0)))
        yield week, (now, expected, float((np.log(now + 0.5) - middle) / doubt))


def _shares(weeks: Weeks, part: str, whole: str) -> Iterator[tuple[int, tuple[float, float]]]:
    """Of every new week with enough orders: a share, and the usual one."""
    usual = weeks.usual_weeks(whole)
    if len(usual) < FEWEST_WEEKS or not usual.sum():
        return
    for week, (now, of) in enumerate(zip(weeks.new_weeks(part), weeks.new_weeks(whole), strict=True)):
        if of >= FEWEST:
            yield week, (float(now / of), float(weeks.usual_weeks(part).sum() / usual.sum()))


def _ratios(weeks: Weeks, part: str, whole: str) -> Iterator[tuple[int, tuple[float, float]]]:
    """The same of a mean, against the median of the usual weeks."""
    usual: Values = weeks.usual_weeks(part) / np.maximum(weeks.usual_weeks(whole), 1)
    if len(usual) >= FEWEST_WEEKS:
        counts = zip(weeks.new_weeks(part), weeks.new_weeks(whole), strict=True)
        yield from ((week, (float(now / of), float(np.median(usual)))) for week, (now, of) in enumerate(counts) if of >= FEWEST)
