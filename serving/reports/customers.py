"""The customers of a shop as of a date become one HTML page that needs nothing else and names nobody: how they live, what they are worth."""

import pandas as pd

from models.customers.importance import ONE_TIME, VIP
from models.customers.stretches import CARRIED_ON, FROM_SHORTER, LEARNT
from serving.reports import habits, lives, worth
from serving.reports.base import Base
from serving.reports.blocks import Row, Section, Table, Terms, count, day, listed, percent
from serving.reports.pages import Page

TOLD = (30, 90, 365)
"""The horizons of the revenue that the verdict tells, where the scores have them."""
BASES = {
    "model": "the shop’s own model",
    "model of shorter horizons": "the shop’s own model, learnt from shorter windows with all times told in horizons",
    "buy-till-you-die": "the buy-till-you-die model: the shop is too young or too small for a model of its own",
    "shop average": "the shop’s average, as there is one order only",
    "sign-ups": "the shop’s own sign-ups, for those who never ordered",
}
ORIGINS = {
    LEARNT: "were learnt from windows as long, which are over",
    FROM_SHORTER: "were learnt from shorter windows, as the history is too short for windows as long",
    CARRIED_ON: "are carried on by a buy-till-you-die model, as the history is too short to learn them",
}
RHYTHM_BASES = {
    "own": "their own gaps",
    "like them": "mostly what is usual for customers like them",
    "shop": "one order day: the shop’s own return curve",
    "default": "one order day, and nobody of this shop came back yet: 90 days are supposed",
}
TERMS = (
    ("likelihood", "The probability of at least one order within the days that are told, from the date on."),
    ("expected orders, expected revenue", "The sum of what each customer brings on average; revenue is before returns."),
    ("rhythm", "The days between two order days that are usual for the customer."),
    ("R, F, M", "Fifths of the customers by recency, frequency and monetary value: days since the last order, orders, revenue per order."),
    ("95 % sure", "The share, drawn toward that of all customers where there are few, lies between the two ends with a probability of 95 %."),
)


def page(base: Base) -> str:
    """The whole page. Everything in it is a count, a sum, a share or a name of a group; all of it is escaped."""
    stages = lives.stages_over_time(base)
    sections = [
        lives.lifecycle(base, stages),
        worth.importance(base),
        worth.rfm(base),
        worth.risk(base),
        worth.concentration(base),
        lives.cohorts(base),
        habits.seasons(base),
        habits.repeats(base),
        habits.behaviour(base),
        worth.value_drivers(base),
        lives.sign_ups(base),
        sources(base),
    ]
    about = f"As of {day(base.as_of)}: everything before that day is known, nothing after it. Bundle {base.bundle.id}."
    heading = f"{base.name}: who are the customers, and what will they do?"
    return Page(f"{base.name}: the customers", heading, about, verdict(base, lives.change(base, stages)), _facts(base), sections).html()


def verdict(base: Base, change: str) -> list[str]:
    """Three sentences: who will order, what it brings, and what changed in the stages of life."""
    customers, horizon = len(base.customers), base.bundle.horizon
    coming = float(base.likely(horizon).sum())
    told = [f"{base.money(base.revenue(days).sum())} in {days} days" for days in _told(base)]
    return [
        f"{count(customers)} customers have ordered so far, and {count(coming)} of them ({percent(coming / customers)}) are expected to order within "
        f"the next {horizon} days.",
        f"They are expected to bring {listed(told)}.",
        change,
    ]


def _told(base: Base) -> list[int]:
    return [days for days in TOLD if days in base.horizons] or base.horizons


def _facts(base: Base) -> list[tuple[str, str]]:
    """Numbers and what they mean in a few words."""
    parts = base.expected_shares()
    coming = [(count(base.likely(base.bundle.horizon).sum()), f"customers expected to order in {base.bundle.horizon} days")]
    revenue = [(base.money(base.revenue(days).sum()), f"revenue expected in {days} days") for days in _told(base)]
    vip = [(percent(parts[VIP]["revenue"]), f"of that is expected of VIPs, {percent(parts[VIP]['customers'])} of the customers")]
    return [*coming, *revenue, *(vip if parts[VIP]["customers"] > 0 else []), (percent(parts[ONE_TIME]["customers"]), "ordered once so far")]


def sources(base: Base) -> Section:
    """Where the numbers come from, and what the words mean."""
    said = [
        f"As of {day(base.as_of)}; orders since {day(base.first_day)}; bundle {base.bundle.id}, which knew all before {day(base.bundle.as_of)}.",
        _extrapolated(base),
        "The past stages of life, cohorts and shares are counted from the orders; what lies ahead is predicted, and whobuys evaluate tells how near "
        "such predictions came. No customer is named in this page.",
    ]
    basis = _counts(base.everybody["basis"], BASES, "likelihood, orders and revenue", "Where predictions come from")
    rhythm = [_counts(base.customers["rhythm_basis"], RHYTHM_BASES, "rhythm", "Where rhythms come from")] if "rhythm_basis" in base.customers else []
    return Section("Where the numbers come from", said, [basis, *rhythm, Terms(TERMS, "What the words mean")])


def _extrapolated(base: Base) -> str:
    bases = dict.fromkeys(base.horizons, CARRIED_ON) | base.bundle.bases()
    found = {basis: [f"{days}" for days, each in bases.items() if each == basis] for basis in ORIGINS}
    told = [f"{listed(days)} days {words}" for (basis, words) in ORIGINS.items() if (days := found[basis])]
    return f"Horizons: {'; '.join(told)}."


def _counts(basis: "pd.Series[str]", words: dict[str, str], first: str, title: str) -> Table:
    counts = basis.value_counts()
    share = counts / max(counts.sum(), 1)
    rows = [Row(str(name), [count(counts[name]), percent(float(share[name]))], words.get(str(name), "")) for name in counts.index]
    return Table(first, ["customers", "share"], rows, title)
