"""Ready-made and suggested audiences become a plan of three to five: those with the largest potential that have few members in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.conditions import Evidence
from serving.audiences.behaved import RecoverableValue
from serving.audiences.definitions import Audience
from serving.audiences.members import Members, members_of_all, places
from serving.audiences.numbers import revenue_so_far
from serving.ready_made import as_they_stand
from serving.suggestions.kinds import Ground, Kind, Suggested, nothing
from serving.suggestions.main_sets import MAIN
from serving.suggestions.rising import RISES
from serving.suggestions.selling import PAIRS, TAIL

POTENTIAL = "potential"
LEAST, MOST = 3, 5
"""How many audiences one starts with."""
LEAST_MEMBERS = 20
MOST_SHARE = 0.5
"""An audience of more of all customers than this is the shop, and no choice."""
MOST_OVERLAP = 0.25
"""Two audiences have at most this part of all who are in either in common (Jaccard 1912) ..."""
MOST_INSIDE = 0.5
"""... and of the smaller one at most this part is in the larger."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """An audience with its members (positions in the evidence) and what they bring."""

    audience: Audience
    members: NDArray[np.intp]
    row: dict[str, object]
    score: float


def candidates(ground: Ground) -> tuple[list[Audience], list[str]]:
    """Every ready-made audience, and those that other suggestions propose, for the goal if one is asked; and why there are none of some kind."""
    found = [each for each in as_they_stand().values() if ground.goal in (None, each.goal)]
    notes = []
    for kind in (MAIN, PAIRS, TAIL, RISES):
        told = kind.ask(ground)
        notes += [f"{kind.name}: {note}" for note in told.notes if told.table.empty]
        found += kind.audiences(told, ground)
    return list({each.audience: each for each in found}.values()), notes


def measured(audiences: Sequence[Audience], ground: Ground) -> list[Candidate]:
    """The candidates that are neither too small nor nearly everybody, the largest potential first.

    For the goal win-back it is what winning them back could bring; else the revenue that is expected of the members within the horizon.
    """
    evidence = ground.evidence
    value = RecoverableValue().scores(evidence) if ground.goal == "win-back" else _expected(evidence)
    worth = {"score": value, "expected": _expected(evidence), "lifetime": evidence.column("lifetime_value")}
    history = revenue_so_far(evidence)["ever"].to_numpy(np.float64)
    made = [_candidate(members, ground, worth, history) for members in members_of_all(audiences, evidence)]
    most = MOST_SHARE * len(ground.snapshot.codes)
    kept = [each for each in made if LEAST_MEMBERS <= len(each.members) <= most and each.score > 0]
    return sorted(kept, key=lambda each: (-each.score, each.audience.audience))


def _expected(evidence: Evidence) -> NDArray[np.float32]:
    """The revenue expected of each customer within the horizon; where none is predicted, expected orders at the mean so far."""
    days = evidence.snapshot.horizon
    revenue = evidence.column(f"expected_revenue_{days}")
    return np.where(np.isnan(revenue), evidence.column(f"expected_orders_{days}") * evidence.column("monetary"), revenue)


def _candidate(members: Members, ground: Ground, worth: dict[str, NDArray[np.float32]], history: NDArray[np.float64]) -> Candidate:
    place = places(members, ground.evidence)
    sums = {name: float(np.nansum(values[place], dtype=np.float64)) for name, values in worth.items()}
    probability = np.nan_to_num(members.frame["probability"].to_numpy(np.float64))
    low, high = ground.bundle.spread.of_sets(float(probability.sum()), float((probability * (1 - probability)).sum()))
    row: dict[str, object] = {
        "audience": members.audience.audience,
        "name": members.audience.name,
        "goal": members.audience.goal or "",
        "size": len(members),
        "potential": sums["score"],
        "expected_revenue": sums["expected"],
        "about": members.ranked_by,
        "expected_buyers": float(probability.sum()),
        "expected_low": float(low),
        "expected_high": float(high),
        "historic_revenue": float(np.nansum(history[place])),
        "lifetime_value": sums["lifetime"],
    }
    return Candidate(members.audience, place.astype(np.intp), row, sums["score"])


def apart(ranked: Sequence[Candidate], *, customers: int, most: int) -> tuple[list[Candidate], list[float]]:
    """The best candidates of which no two have too many members in common, and of each the largest overlap (Jaccard) with one before it."""
    inside = csr_matrix(_incidence(ranked, customers))
    common = (inside @ inside.T).toarray()
    sizes = common.diagonal()
    jaccard = common / np.maximum(sizes[:, None] + sizes - common, 1)
    nested = common / np.maximum(np.minimum(sizes[:, None], sizes), 1)
    chosen: list[int] = []
    for at in range(len(ranked)):
        if len(chosen) < most and all(jaccard[at, other] <= MOST_OVERLAP and nested[at, other] <= MOST_INSIDE for other in chosen):
            chosen.append(at)
    overlaps = [float(max((jaccard[at, other] for other in chosen[:number]), default=0.0)) for number, at in enumerate(chosen)]
    return [ranked[at] for at in chosen], overlaps


def _incidence(ranked: Sequence[Candidate], customers: int) -> csr_matrix:
    sizes = [len(each.members) for each in ranked]
    columns = np.concatenate([np.empty(0, np.intp), *(each.members for each in ranked)])
    ones = np.ones(len(columns), np.float32)
    return csr_matrix((ones, (np.repeat(np.arange(len(ranked)), sizes), columns)), shape=(len(ranked), customers))


def _find(ground: Ground) -> Suggested:
    audiences, notes = candidates(ground)
    ranked = measured(audiences, ground)
    if not ranked:
        return nothing(
            f"no audience{f' for {ground.goal}' if ground.goal else ''} has {LEAST_MEMBERS} members of whom any revenue is expected", *notes
        )
    chosen, overlaps = apart(ranked, customers=len(ground.evidence.codes), most=min(MOST, ground.top))
    table = pd.DataFrame([each.row for each in chosen]).assign(overlap=overlaps)
    few = [f"only {len(chosen)} of {len(ranked)} audiences have few enough members in common"] if len(chosen) < min(LEAST, ground.top) else []
    return Suggested(table, audiences=tuple(each.audience for each in chosen), notes=(*few, *notes))


PLAN = Kind(POTENTIAL, "3 to 5 audiences to start with: the largest potential, few members in common", _find, of_products=False)
