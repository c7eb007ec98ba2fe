"""Answers to audiences become a plan: three to five to begin with, who gets which, what it pays, and what is wrong with it, in sentences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from serving.audiences.costs import Costs
from serving.audiences.members import Members
from serving.audiences.payoff import Payoff, channel_of, offer_told, payoff, payoff_table, unreached
from serving.audiences.showing import in_stock
from serving.plans.contacts import Candidates, candidates, choose, contact_list
from serving.plans.overlap import Overlap, overlap

LEAST, MOST = 3, 5
"""How many audiences one starts with."""
LEAST_MEMBERS = 20
MOST_SHARE = 0.5
"""An audience of more of all customers than this is the shop, and no choice."""
MOST_JACCARD = 0.25
MOST_INSIDE = 0.5
"""Of two audiences of a plan at most so much of the smaller one is in the larger, and at most so much of all in either in both."""
NEARLY_ALL = 0.8
FEW_BUYERS = 20
"""With fewer expected buyers it will not show whether a campaign worked."""


@dataclass(frozen=True, eq=False)
class Plan:
    """``answers`` are the audiences of the plan, the best first; ``left_out`` why others are none of it (audience, sentence without its subject).

    ``contacts``: who gets which, a row each (see ``contact_list``); ``payoffs`` what each audience pays on its own; ``warnings`` are sentences.
    ``worth_in_money``: whether contacts are compared in the shop's currency, or by probability alone, as something has no price."""

    answers: tuple[Members, ...]
    left_out: tuple[tuple[str, str], ...]
    contacts: pd.DataFrame
    payoffs: dict[str, Payoff]
    overlap: Overlap
    warnings: tuple[str, ...]
    worth_in_money: bool

    def table(self) -> pd.DataFrame:
        """A row per audience: audience, name, channel, offer, size, assigned (customers who get it), then what it pays (see ``payoff_table``)."""
        assigned = self.contacts["audience"].value_counts()
        rows = [
            {
                "audience": each.audience.audience,
                "name": each.audience.name,
                "offer": each.audience.offer.says if each.audience.offer else "",
                "size": len(each),
                "assigned": int(assigned.get(each.audience.audience, 0)),
            }
            for each in self.answers
        ]
        return pd.DataFrame(rows, columns=["audience", "name", "offer", "size", "assigned"]).merge(payoff_table(self.payoffs), how="left")


def plan(answers: Sequence[Members], evidence: Evidence, costs: Costs, *, choose_best: bool) -> Plan:
    """A plan of all these audiences, or with ``choose_best`` of the three to five that bring most and have few members in common."""
    found = candidates(answers, evidence, costs)
    shared = overlap(answers, evidence)
    payoffs = {each.audience.audience: payoff(each, evidence, costs) for each in answers}
    unfit = {number: why for number, each in enumerate(answers) if (why := _unfit(each, evidence, payoffs[each.audience.audience]))}
    kept, passed = _best(found.worth, shared, unfit) if choose_best else (list(range(len(answers))), {})
    left_out = [(answers[number].audience.audience, why) for number, why in sorted({**unfit, **passed}.items())] if choose_best else []
    chosen = [answers[number] for number in kept]
    part = Candidates(found.worth[:, kept], tuple(found.channels[number] for number in kept), found.in_money)
    contacts = contact_list(chosen, evidence, part, choose(part, [len(each) for each in chosen], costs))
    of_plan = Overlap(tuple(each.audience.audience for each in chosen), shared.both[np.ix_(kept, kept)], shared.anybody)
    told = {name: each for name, each in payoffs.items() if name in of_plan.names}
    made = Plan(tuple(chosen), tuple(left_out), contacts, told, of_plan, (), found.in_money)
    out_of_reach = unreached(evidence, map(channel_of, answers))
    return replace(made, warnings=(*_warnings(made, costs, {} if choose_best else unfit), *out_of_reach))


def _unfit(members: Members, evidence: Evidence, pays: Payoff) -> str | None:
    """Why an audience is none to begin with, a sentence without its subject."""
    size, everybody, least = len(members), len(evidence.codes), members.audience.minimum_size or 0
    if size == 0:
        return "has no members"
    if size > MOST_SHARE * everybody:
        return f"has {size:,} of all {everybody:,} customers: more than half of them is the shop, and no choice"
    if size < max(LEAST_MEMBERS, least):
        return f"has {size:,} members, fewer than {max(LEAST_MEMBERS, least):,}"
    products = members.audience.about(evidence.catalogue)
    if products is not None and len(products) and not members.audience.out_of_stock and not len(in_stock(evidence.snapshot, products)):
        return f"is about {products.label}, of which nothing is in stock (out_of_stock: true in its definition asks for it all the same)"
    if not pays.contacts:
        return f"has no member who may be reached by {pays.channel}"
    return _unpaid(pays)


def _unpaid(pays: Payoff) -> str | None:
    if pays.smallest == 0:
        return f"does not pay: {offer_told(pays) or f'its {pays.contacts:,} contacts cost {pays.cost:,.2f}, and no size surely brings more'}"
    return None


def _best(worth: NDArray[np.float32], shared: Overlap, unfit: dict[int, str]) -> tuple[list[int], dict[int, str]]:
    """Greedily: the audience that adds most to what the customers' best contacts are worth, if it has little in common with those before it."""
    value = np.where(worth > -np.inf, worth, 0.0)
    best = np.zeros(len(value), np.float32)
    left, kept, passed = set(range(value.shape[1])) - set(unfit), list[int](), dict[int, str]()
    jaccard, share = shared.jaccard.to_numpy(), shared.share.to_numpy()
    while left and len(kept) < MOST:
        adds = {number: float(np.maximum(value[:, number] - best, 0).sum(dtype=np.float64)) for number in left}
        number = min(left, key=lambda each: (-adds[each], each))
        left.discard(number)
        near = next(
            (each for each in kept if jaccard[number, each] > MOST_JACCARD or max(share[number, each], share[each, number]) > MOST_INSIDE), None
        )
        if near is not None:
            passed[number] = _near(shared, number, near)
            continue
        kept.append(number)
        best = np.maximum(best, value[:, number])
    passed.update(dict.fromkeys(left, f"adds less than the {MOST} that are in the plan"))
    return kept, passed


def _near(shared: Overlap, number: int, near: int) -> str:
    share, other = shared.share.to_numpy(), shared.names[near]
    mine, theirs = share[number, near], share[near, number]
    told = f"{mine * 100:.0f} % of its members are in {other}" if mine >= theirs else f"{theirs * 100:.0f} % of the members of {other} are in it"
    return f"is no other group than {other}, which brings more: {told}"


def _warnings(found: Plan, costs: Costs, unfit: dict[int, str]) -> Iterator[str]:
    answers = found.answers
    yield from _too_many(answers, found.overlap)
    yield from (f"{answers[number].audience.audience} {why}" for number, why in unfit.items())
    assigned = found.contacts["audience"].value_counts()
    for number, each in enumerate(answers):
        if number not in unfit:
            name = each.audience.audience
            yield from (f"{name}: {what}" for what in _of_one(each, found.payoffs[name], int(assigned.get(name, 0))))
    yield from _alike(found.overlap)
    if without := [each.audience.audience for each in answers if not each.audience.control_group]:
        yield f"without a control_group it will not be known what a campaign brought: {', '.join(without)}"
    if not found.worth_in_money:
        yield "what buyers spend is not known of some of them, so the best audience of a customer is the one with the highest probability"
    yield from dict.fromkeys(sentence for each in answers for sentence in costs.left_out(channel_of(each)))


def _too_many(answers: Sequence[Members], shared: Overlap) -> Iterator[str]:
    if len(answers) > MOST:
        nearest = shared.pairs().iloc[0]
        merge = f": {nearest['audience']} and {nearest['other']} have most in common" if nearest["both"] else ""
        yield f"{len(answers)} audiences are many to write for; begin with {LEAST} to {MOST}, and merge or drop the others{merge}"
    if 0 < len(answers) < LEAST:
        fit = "audience fits" if len(answers) == 1 else "audiences fit"
        yield f"only {len(answers)} {fit}; {LEAST} to {MOST} of different interests are a good start: whobuys audience suggest potential"


def _of_one(members: Members, pays: Payoff, assigned: int) -> Iterator[str]:
    if pays.contacts and assigned < LEAST_MEMBERS:
        yield f"only {assigned:,} of its {len(members):,} members get it: the others are in audiences that are worth more to them, or cost too much"
    elif np.isfinite(pays.smallest) and assigned < pays.smallest:
        yield f"{assigned:,} customers get it, and it takes {pays.smallest:,.0f} to surely pay for itself"
    if told := offer_told(pays):
        yield told
    if len(members) and members.expected_buyers < FEW_BUYERS:
        yield f"{members.expected_buyers:,.1f} buyers are expected: too few to see whether it works, so ask for more members or wait longer"
    if np.isfinite(pays.largest) and 0 < pays.largest < pays.contacts:
        yield f"beyond {pays.largest:,.0f} of its {pays.contacts:,} contacts a further one costs more than it brings: a top of that size pays best"


def _alike(shared: Overlap) -> Iterator[str]:
    share = shared.share.to_numpy()
    rows, columns = np.nonzero((share >= NEARLY_ALL) & (share >= share.T) & ~np.eye(len(share), dtype=bool))
    for row, column in zip(rows, columns, strict=True):
        if share[row, column] > share[column, row] or row < column:
            inside, outside = shared.names[row], shared.names[column]
            yield f"{share[row, column] * 100:.0f} % of {inside} are in {outside}, too: keep one of them, or say what sets them apart"
