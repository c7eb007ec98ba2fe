"""An audience becomes what it asks, one condition after the other: of whom each is true, and in which words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.conditions import Answer, Clause, Evidence, at, hold
from serving.audiences.definitions import Audience, Choose

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Asked:
    """One condition: its ``place`` (who.0), its ``words``, and of whom it allows membership (``answer``: for one of ``except`` the opposite)."""

    place: str
    words: str
    answer: Answer


def asked(audience: Audience, evidence: Evidence) -> list[Asked]:
    """Every condition of ``who`` and of ``except``, in order. Raises DataError with the place of a name that the shop does not know."""
    with at(audience.audience, by=": "):
        allowed = hold(audience.who, evidence, place="who.")
        refused = [~answer for answer in hold(audience.but_not or (), evidence, place="except.")]
    found = _named("who", audience.who, allowed, "{}")
    return found + _named("except", audience.but_not or (), refused, "not {}")


def _named(place: str, clauses: Sequence[Clause], answers: Sequence[Answer], text: str) -> list[Asked]:
    return [
        Asked(f"{place}.{number}", text.format(clause_words(clause)), answer)
        for number, (clause, answer) in enumerate(zip(clauses, answers, strict=True))
    ]


def all_of(found: Sequence[Asked], *, without: int | None = None) -> Mask:
    """Of whom all conditions are true, but for one of them if it is named by its position. ``found`` is not empty."""
    kept = [each.answer.yes for number, each in enumerate(found) if number != without]
    return np.asarray(np.logical_and.reduce(kept)) if kept else np.ones(len(found[0].answer.yes), dtype=bool)


def clause_words(clause: Clause) -> str:
    """A condition as one reads it aloud: ``bought category Tents, within 12 months``."""
    return plain_words(clause.model_dump(mode="json", by_alias=True, exclude_unset=True))


def choose_words(choose: Choose) -> str:
    """What ranks, and how many are taken."""
    by = clause_words(choose.by)
    top = plain_words(choose.model_dump(mode="json", exclude_unset=True).get("top"))
    return f"the best {top} by {by}" if choose.top else f"ranked by {by}"


def plain_words(value: object, *, joined: str = " or ") -> str:
    """Plain values as one reads them aloud.

    >>> plain_words({"bought": {"category": "Tents", "within": "12 months"}}), plain_words({"importance": ["vip", "loyal"]})
    ('bought category Tents, within 12 months', 'importance vip or loyal')
    """
    if isinstance(value, dict):
        parts = ((str(key), plain_words(each, joined=" and " if key == "all" else " or ")) for key, each in value.items())
        return ", ".join(f"{key.replace('_', ' ')} {words}".strip() for key, words in parts)
    return joined.join(plain_words(each) for each in value) if isinstance(value, list | tuple) else str(value)
