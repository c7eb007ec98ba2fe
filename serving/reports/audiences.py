"""Audiences and all that is known of them become one HTML page that needs nothing else and names nobody: compared, planned, and one panel each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.customers.lifecycle import STAGE_NAMES
from models.pairs.intervals import SHARE
from serving.audiences.check import BAR, FEW, lift_of
from serving.audiences.measured import Measured
from serving.plans.overlap import Overlap
from serving.plans.plan import Plan
from serving.reports.base import Base
from serving.reports.blocks import UNKNOWN, Bars, Block, Cell, Row, Section, Table, Terms, count, day, listed, money, percent, shaded, times
from serving.reports.pages import Page
from serving.reports.panels import panel

POTENTIAL = "potential"
ABOVE = "surely above"
TERMS = (
    ("potential", "The revenue that is expected of the members within the horizon, whether they are written to or not."),
    ("historic revenue", "What the members brought so far; a group that brought much answers best to a short push."),
    ("lifetime value", "What the members are expected to bring over the time, and with the margin, of whobuys.toml; for those one wants to keep."),
    ("lift", "How many times as probable a member is to buy as a customer taken at random."),
    ("per contact", "Expected revenue over contacts: members who may be reached by the audience’s channel and are not of its control group."),
    ("smallest", "So many of the best contacts pay for themselves and for the campaign in nine of ten cases."),
    ("an offer may cost", "For each buyer, before contacts and offer eat the margin of the buyers who are expected."),
    ("further buyers needed", "Buyers who are expected may come anyway: so many more must be won to pay for contacts, campaign and offer."),
    ("in both", "The part of the row’s members who are in the column’s audience, too; and Jaccard, those in both over those in either."),
)


@dataclass(frozen=True, eq=False)
class About:
    """What the page is about: the shop (``base``), its audiences (the largest potential first), the plan made of them, what
    they have in common (``shared``), and sentences on what is not
    known."""

    base: Base
    audiences: Sequence[Measured]
    plan: Plan
    shared: Overlap
    missing: Sequence[str] = ()


def page(about: About) -> str:
    """The whole page. Everything in it is a count, a sum, a share, a definition or the name of a product or a brand; all of it is escaped."""
    base = about.base
    panels = Section("The audiences, one by one", [], panels=[panel(each, base) for each in about.audiences])
    return Page(
        f"{base.name}: the audiences",
        f"{base.name}: which audiences are worth writing to?",
        f"As of {day(base.as_of)}: all before it is known, nothing after it. Bundle {base.bundle.id}, horizon {base.bundle.horizon} days.",
        list(verdict(about)),
        _facts(about),
        [comparison(about), beginning(about), fared(about), in_common(about), panels, _words(about)],
        can_sort=True,
    ).html()


def verdict(about: About) -> Iterator[str]:
    """Sentences: what brings most, what to begin with, what overlaps, and whether such numbers came true."""
    base, known = about.base, [each for each in about.audiences if len(each.members)]
    if not known:
        yield "None of the audiences has a member, so there is nothing to compare."
        return
    best = max(known, key=lambda each: np.nan_to_num(each.value("expected revenue")))
    revenue, size = base.money(best.value("expected revenue")), count(len(best.members))
    yield f"The largest potential has {_name(best)}: {revenue} expected of {size} members within {base.bundle.horizon} days."
    if about.plan.answers:
        yield f"To begin with: {listed([each.audience.name or each.audience.audience for each in about.plan.answers])}."
    pairs = about.shared.pairs()
    if len(pairs) and pairs["both"].iloc[0]:
        names = {each.members.audience.audience: _name(each) for each in known}
        first, other = (names[str(pairs[column].iloc[0])] for column in ("audience", "other"))
        both, share = count(pairs["both"].iloc[0]), percent(pairs["jaccard"].iloc[0])
        yield f"Most in common have {first} and {other}: {both} members, {share} of those in either."
    yield from _lifted(known)


def _lifted(known: Sequence[Measured]) -> Iterator[str]:
    checked = [each for each in known if each.check is not None and not np.isnan(each.check.lift[0])]
    if not checked:
        yield "Whether members buy more often than others was not measured yet: the bundle keeps no past dates on which enough of them bought."
        return
    above = [each for each in checked if each.check is not None and judged(each.check.origins).startswith(ABOVE)]
    bar = f"at least {percent(BAR - 1)} more often than the broad audience, the gain that is commonly promised"
    yield f"On past dates members of {len(above)} of {len(checked)} audiences surely bought {bar}."


def _name(of: Measured) -> str:
    return of.members.audience.name or of.members.audience.audience


def _facts(about: About) -> list[tuple[str, str]]:
    base, plan = about.base, about.plan
    contacts = plan.contacts["customer_id"].nunique()
    expected = sum(each.expected_buyers for each in plan.answers)
    found = [
        (count(len(about.audiences)), "audiences compared"),
        (count(plan.overlap.anybody), f"customers are in at least one, of {count(len(base.everybody))}"),
        (count(contacts), "customers get an audience of the plan"),
        (count(expected), f"buyers expected in the plan’s audiences in {base.bundle.horizon} days"),
    ]
    profit = sum(each.profit for each in plan.payoffs.values())
    return [*found, *([] if np.isnan(profit) or not plan.answers else [(base.money(profit), "margin of their contacts less all costs")])]


def comparison(about: About) -> Section:
    """Every audience in a row, to be sorted by potential, historic revenue, lifetime value and more."""
    base = about.base
    head = [POTENTIAL, "historic revenue", "lifetime value", "members", "expected buyers", "conversion", "lift", "per contact", "profit", "smallest"]
    most = {name: max((np.nan_to_num(each.value(name)) for each in about.audiences), default=0.0) for name in _SHADED}
    rows = [_compared(each, base, most) for each in about.audiences]
    told = [at for at in range(len(head)) if any(row.cells[at] != Cell(UNKNOWN) for row in rows)]
    rows = [replace(row, cells=[row.cells[at] for at in told]) for row in rows]
    said = ["Sorted by potential; touch a heading to sort by it." if len(rows) > 1 else "", *about.missing]
    return Section(
        "Comparison",
        [each for each in said if each],
        [Table("audience", [head[at] for at in told], rows, f"Amounts{base.unit}" if base.unit else "", POTENTIAL)],
    )


_SHADED = ("expected revenue", "revenue ever", "lifetime value")


def _compared(of: Measured, base: Base, most: dict[str, float]) -> Row:
    buyers, size = of.numbers.get("expected buyers"), len(of.members)
    low, high = (buyers.low, buyers.high) if buyers else (None, None)
    span = f"{count(low)} to {count(high)}" if low is not None and high is not None else ""
    cells = [_amount(of.value(name), most[name], below=_below(of, name)) for name in _SHADED]
    cells += [
        _cell(count(size), size, f"{count(of.payoff.contacts)} by {of.payoff.channel}"),
        _cell(count(of.value("expected buyers")), of.value("expected buyers"), span),
        _cell(percent(of.value("expected buyers") / size if size else np.nan), of.value("expected buyers") / size if size else np.nan),
        _cell(times(of.value("lift")), of.value("lift")),
        _cell(money(of.payoff.per_contact), of.payoff.per_contact),
        _cell(money(of.payoff.profit), of.payoff.profit),
        _cell(count(of.payoff.smallest), of.payoff.smallest),
    ]
    return Row(_name(of), cells, _meant(of))


def _below(of: Measured, name: str) -> str:
    year = of.value("revenue of 12 months")
    return f"{money(year)} in 12 months" if name == "revenue ever" and not np.isnan(year) else ""


def _amount(value: float, most: float, *, below: str) -> Cell:
    return Cell(money(value), below, shaded(value, most), None if np.isnan(value) else round(value, 2))


def _cell(text: str, value: float, below: str = "") -> Cell:
    return Cell(text, below, order=None if np.isnan(value) else round(float(value), 6))


def _meant(of: Measured) -> str:
    audience = of.members.audience
    told = [audience.goal or "", audience.offer.says if audience.offer else ""]
    return ", ".join(each for each in told if each)


def beginning(about: About) -> Section:
    """The plan: three to five audiences, who gets which, and what is wrong with it."""
    plan, base = about.plan, about.base
    if not plan.answers:
        reasons = [f"{name} {why}." for name, why in plan.left_out]
        return Section("What to begin with", ["None of the audiences is one to begin with.", *reasons])
    table = plan.table()
    head = ["members", "get it", "expected buyers", "expected revenue", "profit", "an offer may cost", "further buyers needed"]
    rows = [
        Row(
            str(name) or str(audience),
            [count(size), count(given), count(buyers), money(revenue), money(profit), money(most), _further(needed)],
            f"by {channel}{f': {offer}' if offer else ''}",
        )
        for audience, name, channel, offer, size, given, buyers, revenue, profit, most, needed in zip(
            *(table[column] for column in ("audience", "name", "channel", "offer", "size", "assigned", "expected_buyers", "expected_revenue")),
            *(table[column] for column in ("profit", "offer_at_most", "further_needed")),
            strict=True,
        )
    ]
    said = [
        "These bring most and have few members in common. Each customer gets the best one of a channel, as often as the contact caps allow; buyers, "
        "revenue and profit are those of the contacts of each audience alone.",
        *(f"{warning[0].upper()}{warning[1:]}." for warning in plan.warnings),
    ]
    left = [Table("left out", ["why"], [Row(name, [why]) for name, why in plan.left_out], "Left out")] if plan.left_out else []
    return Section("What to begin with", said, [Table("audience", head, rows, f"The plan{base.unit}"), *left])


def _further(needed: float) -> str:
    return "no number" if np.isinf(needed) else percent(needed)


def fared(about: About) -> Section:
    """Expected beside realised: on past dates, and of builds whose horizon has passed."""
    rows = [row for each in about.audiences for row in _fared(each)]
    said = [
        "On past dates a fit that knew only what came before was asked; builds are those whose horizon is "
        f"over. In brackets stands the range in which {percent(SHARE)} of cases lie; below the lift its 95 % interval, over all dates together.",
    ]
    if not rows:
        return Section("Expected against realised", ["No past date is kept with the bundle, and no build is over yet: nothing can be said."])
    whole = _held(about)
    head = ["dates", "expected", "realised", "realised over expected", "within the range", "lift", "against the broad audience"]
    return Section("Expected against realised", [*said, *whole], [Table("audience", head, rows)])


def _held(about: About) -> list[str]:
    parts = [each.check.origins for each in about.audiences if each.check is not None] + [each.builds for each in about.audiences if len(each.builds)]
    together = pd.concat(parts, ignore_index=True)
    together = together[together["size"] > 0]
    if together.empty:
        return []
    inside = int(((together["bought"] >= together["low"]) & (together["bought"] <= together["high"])).sum())
    return [
        f"All together: {count(together['expected'].sum())} buyers were expected and {count(together['bought'].sum())} came; the range held "
        f"{count(inside)} of {count(len(together))} times."
    ]


def _fared(of: Measured) -> Iterator[Row]:
    if of.check is not None and of.check.origins["size"].sum():
        yield _against(_name(of), "past dates", of.check.origins)
    if len(of.builds):
        yield _against(_name(of), "builds that are over", of.builds)


def _against(name: str, kind: str, origins: pd.DataFrame) -> Row:
    lift = lift_of(origins)
    expected, bought = float(origins["expected"].sum()), float(origins["bought"].sum())
    low, high = float(origins["low"].sum()), float(origins["high"].sum())
    inside = int(((origins["bought"] >= origins["low"]) & (origins["bought"] <= origins["high"])).sum())
    span = f"({count(low)} to {count(high)})" if len(origins) == 1 else ""
    cells: list[Cell | str] = [
        count(len(origins)),
        Cell(count(expected), span),
        count(bought),
        percent(bought / expected if expected else np.nan),
        f"{inside} of {len(origins)}",
        Cell(times(lift[0]), "" if np.isnan(lift[0]) else f"{times(lift[1])} to {times(lift[2])}"),
        Cell(UNKNOWN if np.isnan(lift[0]) else f"{(lift[0] - 1) * 100:+,.0f} %", judged(origins)),
    ]
    return Row(name, cells, kind)


def judged(origins: pd.DataFrame) -> str:
    """Whether members bought more than commonly promised (``BAR``), in words: as unsure as the verdict of a check is where few bought."""
    lift, low, high = lift_of(origins)
    if np.isnan(lift):
        return ""
    if origins["bought"].sum() + origins["expected"].sum() < FEW:
        return "too few to tell"
    return f"{ABOVE if low > BAR else 'surely below' if high < BAR else 'not surely above'} +{percent(BAR - 1)}"


def in_common(about: About) -> Section:
    """Which members audiences have in common, as a coloured square."""
    names = {each.members.audience.audience: _name(each) for each in about.audiences}
    share, jaccard = about.shared.share.to_numpy(), about.shared.jaccard.to_numpy()
    numbered = [str(number) for number in range(1, len(names) + 1)]
    rows = []
    for at, (key, name) in enumerate(names.items()):
        cells = [
            Cell("", shade=0.0) if at == other else Cell(percent(share[at, other]), f"{jaccard[at, other]:.2f}", shaded(share[at, other], 1.0))
            for other in range(len(names))
        ]
        rows.append(Row(f"{at + 1} {name}", cells, key if name != key else ""))
    said = ["Of the row’s members so many are in the column’s audience, too; below it Jaccard. Dark rows are groups that other groups hold already."]
    return Section("What they have in common", said, [Table("audience", numbered, rows)] if len(rows) > 1 else [])


def _words(about: About) -> Section:
    said = [f"As of {day(about.base.as_of)}; bundle {about.base.bundle.id}. No customer is named in this page."]
    blocks: list[Block] = [Terms(TERMS, "What the words mean")]
    stages = {_name(each): [_share(each, stage) for stage in STAGE_NAMES] for each in about.audiences if len(each.stages)}
    if stages:
        blocks.insert(0, Bars(STAGE_NAMES, stages, "Members by stage of life"))
    return Section("What the words mean", said, blocks)


def _share(of: Measured, stage: str) -> float:
    found = of.stages.set_index("stage")["share"]
    return float(found.get(stage, 0.0))
