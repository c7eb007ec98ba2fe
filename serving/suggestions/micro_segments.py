"""Groups of customers who are alike become micro-segments: named by the two or three facts that set each apart, which are its conditions, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.tables import PATH_SEPARATOR
from serving.audiences.definitions import Audience, parse_audience
from serving.ready_made import identifier, named_products
from serving.suggestions.groups import LEAST_SIZE, Traits, groups, rounded_limits, traits
from serving.suggestions.kinds import Ground, Kind, Suggested, nothing

MICRO_SEGMENTS = "micro-segments"
MOST_FACTS = 3
LEAST_GAIN = 0.02
"""A further fact must bring the words this much nearer to the group (F1)."""
LEAST_FIT = 0.5
"""Where the words fit a group less than this (F1), it is told, but no audience is proposed."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Behaviour:
    """A column of the table of customers that tells people apart: how the language asks for it, and what high and low are in words."""

    asked: str
    high: str
    low: str
    share: bool = False
    skewed: bool = False


BEHAVIOUR: Mapping[str, Behaviour] = {
    "orders_per_year": Behaviour("orders_per_year", "order often", "order seldom", skewed=True),
    "monetary": Behaviour("average_order", "large orders", "small orders", skewed=True),
    "full_price_share": Behaviour("full_price_share", "at full price", "at a discount", share=True),
    "price_level": Behaviour("price_level", "dear products", "cheap products"),
    "gift_share": Behaviour("gift_share", "many gifts", "few gifts", share=True),
    "high_season_share": Behaviour("high_season_share", "in the high season", "outside the high season", share=True),
}


@dataclass(frozen=True)
class Fact:
    """One thing that sets a group apart: a trait, at least or at most so much."""

    trait: str
    limit: float
    above: bool


@dataclass(frozen=True, eq=False)
class Segment:
    """A micro-segment: its ``customers`` (mask over the snapshot's), the ``facts`` that set it apart, and of those who meet them (``met``) how many
    are in it (``right``), and how many of it they are (``caught``)."""

    customers: Mask
    facts: tuple[Fact, ...]
    met: Mask

    @property
    def right(self) -> float:
        """Share of those who meet the facts that are in the group."""
        return float((self.met & self.customers).sum() / max(int(self.met.sum()), 1))

    @property
    def caught(self) -> float:
        """Share of the group that meets the facts."""
        return float((self.met & self.customers).sum() / max(int(self.customers.sum()), 1))

    @property
    def fit(self) -> float:
        """How well the facts describe the group, from 0 to 1 (F1)."""
        return _f1(float((self.met & self.customers).sum()), float(self.met.sum()), float(self.customers.sum()))


def _f1(both: float, met: float, size: float) -> float:
    return 2 * both / max(met + size, 1e-9)


def segments(found: Traits, labels: NDArray[np.intp]) -> list[Segment]:
    """The facts of every group, in order."""
    limits = _limits(found)
    masks = np.column_stack([_meets(found, fact) for fact in limits])
    return [_described(labels == name, limits, masks) for name in range(int(labels.max()) + 1)]


def _limits(found: Traits) -> list[Fact]:
    facts = []
    for name in found.values:
        share = name in found.tastes or BEHAVIOUR[str(name)].share
        limits = rounded_limits(found.values[name].to_numpy(), share=share)
        facts += [Fact(str(name), float(limit), above) for limit in limits for above in (True, False)]
    return facts


def _meets(found: Traits, fact: Fact) -> Mask:
    values = found.values[fact.trait].to_numpy(np.float32)
    return np.asarray(values >= np.float32(fact.limit) if fact.above else values <= np.float32(fact.limit))


def _described(customers: Mask, limits: Sequence[Fact], masks: Mask) -> Segment:
    """The facts that together fit the group best, one after the other (F1), each about another trait."""
    chosen: list[Fact] = []
    met, fit = np.ones(len(customers), dtype=bool), 0.0
    while len(chosen) < MOST_FACTS:
        both, size = customers[met].astype(np.float64) @ masks[met], masks[met].sum(axis=0)
        scores = 2 * both / (size + customers.sum())
        scores[[fact.trait in {each.trait for each in chosen} for fact in limits]] = -1.0
        best = int(np.argmax(scores))
        if scores[best] < fit + LEAST_GAIN:
            break
        chosen, met, fit = [*chosen, limits[best]], met & masks[:, best], float(scores[best])
    return Segment(customers, tuple(chosen), met)


def words_of(fact: Fact, found: Traits) -> str:
    """A fact as people say it."""
    if fact.trait not in found.tastes:
        known = BEHAVIOUR[fact.trait]
        return known.high if fact.above else known.low
    leaf = found.tastes[fact.trait].label.rsplit(PATH_SEPARATOR, 1)[-1]
    how = "mostly" if fact.above and fact.limit >= 0.5 else "much" if fact.above else "little"
    return f"{how} {leaf}"


def condition_of(fact: Fact, found: Traits) -> dict[str, object]:
    """A fact as a condition of the audience language."""
    bound = "at_least" if fact.above else "at_most"
    if fact.trait in found.tastes:
        return {"share_bought": {**named_products(found.tastes[fact.trait]), bound: f"{fact.limit:.0%}"}}
    known = BEHAVIOUR[fact.trait]
    return {known.asked: {bound: f"{fact.limit:.0%}" if known.share else fact.limit}}


def audience_of(segment: Segment, found: Traits, *, beside: Mapping[str, Audience]) -> Audience:
    """The audience of all who meet the facts. Its id is made of them, and gets a number when one ``beside`` it has the same."""
    said = [words_of(fact, found) for fact in segment.facts]
    begin = identifier(f"segment {' '.join(said)}")
    name = next(each for each in (begin, *(f"{begin}-{number}" for number in range(2, len(beside) + 3))) if each not in beside)
    title = ", ".join(said)
    words = {"audience": name, "name": title[:1].upper() + title[1:], "who": [condition_of(fact, found) for fact in segment.facts]}
    return parse_audience({**words, "goal": "loyalty"}, source=MICRO_SEGMENTS)


def _find(ground: Ground) -> Suggested:
    evidence = ground.evidence
    found = traits(evidence, list(BEHAVIOUR), skewed=[name for name, each in BEHAVIOUR.items() if each.skewed])
    grouped = groups(found)
    if grouped is None:
        return nothing(f"customers form no groups of at least {LEAST_SIZE} that come out the same when some of them are left out")
    labels, agreement = grouped
    made = segments(found, labels)
    audiences: dict[str, Audience] = {}
    rows = []
    for segment in made[: ground.top]:
        audience = audience_of(segment, found, beside=audiences) if segment.facts else None
        good = audience is not None and segment.fit >= LEAST_FIT
        if audience is not None and good:
            audiences[audience.audience] = audience
        rows.append(_row(segment, audience.name if audience else "like everybody", audience.audience if audience and good else "", evidence))
    unlike = len(rows) - len(audiences)
    notes = [f"groups made without a fifth of the customers agree with these by {agreement:.2f} (adjusted Rand index; 1: the same)"]
    if unlike:
        notes.append(f"{unlike} of {len(rows)} groups cannot be told in {MOST_FACTS} facts, so no audience is proposed for them")
    return Suggested(pd.DataFrame(rows), audiences=tuple(audiences.values()), notes=tuple(notes))


def _row(segment: Segment, name: str, audience: str, evidence: Evidence) -> dict[str, object]:
    inside = np.flatnonzero(np.isin(evidence.codes, evidence.snapshot.codes))[segment.customers]
    potential = evidence.column(f"expected_revenue_{evidence.snapshot.horizon}")[inside].astype(np.float64)
    return {
        "segment": name,
        "size": len(inside),
        "share": float(segment.customers.mean()),
        "orders_per_year": float(evidence.column("orders_per_year")[inside].mean(dtype=np.float64)),
        "mean_order": float(evidence.column("monetary")[inside].mean(dtype=np.float64)),
        "potential": float(np.nansum(potential)) if not np.isnan(potential).all() else float("nan"),
        "audience": audience,
        "meet_the_facts": int(segment.met.sum()),
        "right": segment.right,
        "caught": segment.caught,
    }


SEGMENTS = Kind(MICRO_SEGMENTS, "groups of customers of like taste and behaviour, each with the facts that set it apart", _find, of_products=False)
