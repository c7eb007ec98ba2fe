"""One audience and all that is known of it become a panel: who it is, its numbers, its conditions, what sets members apart, what they buy."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from serving.audiences.asked import choose_words, clause_words
from serving.audiences.definitions import Audience
from serving.audiences.measured import Measured
from serving.reports.base import Base
from serving.reports.blocks import Block, Cell, Row, Section, Table, count, money, percent, shaded, times

SIZES = tuple(f"size for {share} %" for share in (50, 70, 90))


def panel(of: Measured, base: Base) -> Section:
    """The panel of an audience."""
    audience = of.members.audience
    said = [
        f"{audience.name or audience.audience}: {in_words(audience)}.",
        *_told(of, base),
        *(f"{each[0].upper()}{each[1:]}." for each in of.members.notes),
    ]
    if not len(of.members):
        return Section(audience.name or audience.audience, said)
    blocks: list[Block] = [_numbers(of, base), _parts(of), *_drivers(of), *_bought(of.products, "title", "Products they buy", of)]
    blocks += _bought(of.brands, "brand", "Brands they buy", of)
    return Section(audience.name or audience.audience, said, blocks)


def in_words(audience: Audience) -> str:
    """The definition in one sentence."""
    asked = " and ".join(clause_words(each) for each in audience.who)
    but = "".join(f", but not {clause_words(each)}" for each in audience.but_not or ())
    best = f"; {choose_words(audience.choose)}" if audience.choose else ""
    offer = audience.offer
    given = f"; offered: {offer.says or 'something'} ({_cost(offer.cost, offer.discount)})" if offer else ""
    reached = f"; by {audience.channel}" if audience.channel else ""
    return f"{asked}{but}{best}{reached}{given}"


def _cost(cost: float | None, discount: float | None) -> str:
    return f"{money(cost)} a buyer" if cost is not None else f"{percent(discount or 0.0)} of the price"


def _told(of: Measured, base: Base) -> Iterator[str]:
    buyers = of.numbers["expected buyers"]
    if len(of.members) and buyers.low is not None and buyers.high is not None:
        what, span = f"({of.members.ranked_by}) within {of.members.horizon} days", f"{count(buyers.low)} to {count(buyers.high)}"
        yield f"{count(buyers.value)} of {count(len(of.members))} members are expected to buy {what}; in eight of ten cases {span}."
    if not np.isnan(of.payoff.offer_at_most):
        most = base.money(max(of.payoff.offer_at_most, 0.0))
        yield f"An offer may cost {most} for each buyer before nothing is left of the margin of the buyers who are expected."


def _numbers(of: Measured, base: Base) -> Table:
    sizes = [count(of.value(name)) for name in SIZES]
    rows = [
        Row("repeat buyers", [percent(of.value("share repeat"))], "bought from these products before"),
        Row("new buyers", [percent(of.value("share new"))], "never did"),
        Row("size for 50 / 70 / 90 %", [" / ".join(sizes)], "so many of the likeliest members make up that share of its buyers"),
        Row("price level", [_level(of.value("price level"))], "standard deviations above the mean within the categories"),
        Row("price of an item", [base.money(of.value("price of an item"))], "median of what members bought in 12 months"),
        Row("expected revenue of a member", [base.money(of.value("expected revenue per member"))]),
        Row("return on contact cost", [times(of.payoff.returned)], "margin less the offer, over what contacts and campaign cost"),
        Row("control group", [count(of.value("control group"))], "never written to"),
    ]
    return Table("number", [""], [row for row in rows if "–" not in str(row.cells[0])], "Numbers")


def _level(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.2f}"


def _parts(of: Measured) -> Table:
    """The conversion of the whole beside that of its parts."""
    table = of.parts
    most = float(np.nan_to_num(table["probability"].to_numpy(np.float64)).max(initial=0.0))
    rows = [
        Row(str(words), [count(size), Cell(percent(rate), shade=shaded(rate, most)), times(lift)])
        for words, size, rate, lift in zip(table["condition"], table["size"], table["probability"], table["lift"], strict=True)
    ]
    return Table("condition", ["customers", "expected conversion", "lift"], rows, "Conditions alone, and together")


def _drivers(of: Measured) -> Iterator[Table]:
    table = of.drivers
    rows = [
        Row(str(fact), [_number(mine, str(fact)), _number(usual, str(fact)), f"{apart:+.1f}"])
        for fact, mine, usual, apart in zip(table["fact"], table["members"], table["everybody"], table["apart"], strict=True)
    ]
    if rows:
        yield Table("fact", ["members", "all customers", "apart (standard deviations)"], rows, "What sets them apart")


def _number(value: float, fact: str) -> str:
    if ":" in fact or fact.startswith("share"):
        return percent(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _bought(table: pd.DataFrame, by: str, title: str, of: Measured) -> Iterator[Table]:
    rows = [
        Row(str(name), [percent(members / max(len(of.members), 1)), times(lift)])
        for name, members, lift in zip(table[by], table["members"], table["lift"], strict=True)
    ]
    if rows:
        yield Table(by.replace("title", "product"), ["bought by", "lift"], rows, f"{title}, in 12 months")
