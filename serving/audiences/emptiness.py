"""An audience in which nobody is becomes the reasons why: what the shop does not know, what nobody meets, or what nobody meets together."""

from collections.abc import Iterator, Sequence

import numpy as np

from features.conditions import Answer, AnyOf, Clause, Evidence, held
from serving.audiences.definitions import Audience


def why_empty(audience: Audience, evidence: Evidence) -> tuple[str, ...]:
    """Sentences that begin with the place in the definition; at least one. For an audience without members only."""
    found = [sentence for number, clause in enumerate(audience.who) for sentence in _of_clause(clause, evidence, f"who.{number}")]
    return tuple(found) or (_together(audience, evidence),)


def _of_clause(clause: Clause, evidence: Evidence, place: str) -> Iterator[str]:
    """Why one condition is true of nobody; nothing when it is true of somebody."""
    here, answer = f"{place}.{clause.asks.key}", held(clause, evidence)
    if answer.yes.any():
        return
    inside = list(_inside(clause.asks.parts(), evidence, here))
    yield from inside if isinstance(clause.asks, AnyOf) and inside else [f"{here} {_why(clause, evidence, answer)}"]


def _inside(parts: Sequence[Clause], evidence: Evidence, place: str) -> Iterator[str]:
    for number, part in enumerate(parts):
        yield from _of_clause(part, evidence, f"{place}.{number}")


def _why(clause: Clause, evidence: Evidence, answer: Answer) -> str:
    """The reason of the first part of which nothing can be said, if there is one, else its own."""
    for part in clause.asks.parts():
        of_part = held(part, evidence)
        if of_part.unknown.all():
            return f"{part.asks.key} {part.asks.why_nobody(evidence, of_part)}"
    return clause.asks.why_nobody(evidence, answer)


def _together(audience: Audience, evidence: Evidence) -> str:
    answers = [held(clause, evidence).yes for clause in audience.who]
    left = np.logical_and.accumulate(answers)
    if not left[-1].any():
        first = int(np.argmin(left.any(axis=1)))
        return (
            f"who.{first}.{audience.who[first].asks.key} is true of {int(answers[first].sum()):,} customers, but of none whom the others above leave"
        )
    asked = int(left[-1].sum())
    refused = [held(clause, evidence) for clause in audience.but_not or ()]
    if refused and not (left[-1] & np.logical_and.reduce([each.no for each in refused])).any():
        return f"except leaves out all {asked:,} customers whom who allows"
    return f"nothing ranks the {asked:,} customers whom the conditions allow: what choose asks for is not known of them, or they are left out by hand"
