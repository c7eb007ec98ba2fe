"""An audience and what is known become why it is as it is: what each condition keeps, which of them matter, and why one customer is in it or not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from features.errors import DataError
from serving.audiences.asked import Asked, all_of, asked, choose_words
from serving.audiences.definitions import Audience
from serving.audiences.facts import reasons
from serving.audiences.members import CONTROL, Members
from serving.audiences.predicted import base_rate

HOLDS, FAILS, UNKNOWN = "holds", "fails", "unknown"
MATTERS = 0.05
"""A condition that takes away less than this part of whom the others allow hardly matters."""


@dataclass(frozen=True, eq=False)
class Explained:
    """``table``, a row per condition in order, ``choose`` the last: place, condition, alone (customers whom it allows by itself), unknown (of whom it
    cannot be said), left (whom it allows together with all before it), without (whom the others allow when it is left out), takes_away (the part of
    these that it refuses, 0 to 1), lift (of whom it allows by itself: mean probability over the base rate). ``sentences`` say which matter."""

    members: Members
    table: pd.DataFrame
    sentences: tuple[str, ...]


def explain(members: Members, probability: NDArray[np.float32], evidence: Evidence) -> Explained:
    """What each condition does. ``probability``: of each customer of the evidence, to buy what the audience is ranked by."""
    audience, found = members.audience, asked(members.audience, evidence)
    together, left = all_of(found), np.ones(len(evidence.codes), dtype=bool)
    rate, rows = base_rate(probability), []
    for number, each in enumerate(found):
        left, without = left & each.answer.yes, int(all_of(found, without=number).sum())
        rows.append(
            {
                "place": each.place,
                "condition": each.words,
                "alone": int(each.answer.yes.sum()),
                "unknown": int(each.answer.unknown.sum()),
                "left": int(left.sum()),
                "without": without,
                "takes_away": 1 - together.sum() / without if without else 0.0,
                "lift": base_rate(probability[each.answer.yes]) / rate if rate else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    sentences = tuple(_sentences(table, members, int(together.sum())))
    if audience.choose:
        words = choose_words(audience.choose)
        last = {"place": "choose", "condition": words, "left": len(members), "without": int(together.sum()), "lift": members.lift}
        table = pd.concat([table, pd.DataFrame([last])], ignore_index=True)
        table["takes_away"] = table["takes_away"].fillna(1 - len(members) / max(int(together.sum()), 1))
    whole = ["alone", "unknown", "left", "without"]
    return Explained(members, table.astype(dict.fromkeys(whole, "Int64")), sentences)


def _sentences(table: pd.DataFrame, members: Members, together: int) -> Iterator[str]:
    order = table.sort_values("takes_away", ascending=False, kind="stable")
    matter, idle = order[order["takes_away"] >= MATTERS], order[order["takes_away"] < MATTERS]
    for place, words, without in zip(matter["place"].head(3), matter["condition"], matter["without"], strict=False):
        more = without - together
        yield f"{place} ({words}) matters: without it {without:,} customers would be allowed, {more:,} more than the {together:,} that are."
    if len(table) > 1:
        for place, words in zip(idle["place"], idle["condition"], strict=True):
            yield f"{place} ({words}) hardly matters: the other conditions say nearly the same; it could be left out."
    if len(members) and members.base_rate:
        often = f"{members.lift:.1f} times as likely as customers taken at random"
        alone = ""
        if len(table) > 1 and table["lift"].notna().any():
            best = int(np.nanargmax(table["lift"].to_numpy(np.float64)))
            alone = f"; {table['place'].iloc[best]} alone makes it {table['lift'].iloc[best]:.1f} times"
        yield f"Members are {often} to buy ({members.ranked_by}){alone}."
    if members.unknown:
        yield f"Of {members.unknown:,} customers it cannot be said whether they belong, so they are left out."


@dataclass(frozen=True, eq=False)
class OfCustomer:
    """``table``: place, condition, answer (holds, fails, unknown). ``verdict``: whether she is a member, and why, in a sentence."""

    table: pd.DataFrame
    verdict: str


def explain_customer(members: Members, evidence: Evidence, customer_id: str) -> OfCustomer:
    """Why a customer is a member or not. Raises DataError for one who is not known as of the date."""
    at = int(np.searchsorted(evidence.customer_ids, customer_id))
    if at >= len(evidence.codes) or evidence.customer_ids[at] != customer_id:
        raise DataError(f"--customer {customer_id}: no such customer as of {evidence.as_of}; ids stand in customers.parquet of the scores")
    found = asked(members.audience, evidence)
    answers = [HOLDS if each.answer.yes[at] else FAILS if each.answer.no[at] else UNKNOWN for each in found]
    table = pd.DataFrame({"place": [each.place for each in found], "condition": [each.words for each in found], "answer": answers})
    place = np.flatnonzero((members.frame["customer_id"] == customer_id).to_numpy(bool))
    return OfCustomer(table, _is_in(members, evidence, customer_id, int(place[0])) if len(place) else _is_not(members, customer_id, found, answers))


def _is_in(members: Members, evidence: Evidence, customer_id: str, place: int) -> str:
    row = members.frame.iloc[place]
    control = ", in the control group, so never written to" if row["group"] == CONTROL else ""
    why = reasons(members, evidence)[place]
    return f"{customer_id} is a member, rank {row['rank']:,} of {len(members):,}, probability {row['probability']:.4f}{control}: {why}."


def _is_not(members: Members, customer_id: str, found: list[Asked], answers: list[str]) -> str:
    failing = [f"{each.place} fails ({each.words})" for each, answer in zip(found, answers, strict=True) if answer == FAILS]
    failing += [f"{each.place} is unknown ({each.words})" for each, answer in zip(found, answers, strict=True) if answer == UNKNOWN]
    if customer_id in (members.audience.exclude or ()):
        failing = ["taken out by hand (exclude)"]
    chosen = f"all conditions hold, but not among {choose_words(members.audience.choose)}" if members.audience.choose else "all conditions hold"
    return f"{customer_id} is no member: {'; '.join(failing) or chosen}."


def probability_of(audience: Audience, evidence: Evidence) -> NDArray[np.float32]:
    """The probability of each customer to buy what the audience is ranked by, or to order anything when it ranks by no probability."""
    asks = audience.ranking.asks if audience.ranking is not None else None
    scores = asks.scores(evidence) if asks is not None and asks.is_probability else None
    return evidence.likelihood if scores is None else scores
