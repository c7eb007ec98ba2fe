"""Answers to several audiences become contacts: for each customer the best audience of each channel, and no more than the caps allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.conditions import Evidence
from serving.audiences.costs import Costs
from serving.audiences.members import Members, places
from serving.audiences.payoff import channel_of, contacted, expected_revenue

Worth = NDArray[np.float32]
USUAL_CAP = 1


@dataclass(frozen=True, eq=False)
class Candidates:
    """``worth``: what each contact is worth, customers of the evidence x audiences; -inf for who is no member, cannot be reached, is of the control
    group, or costs more than he brings. ``in_money``: whether it is in the shop's currency; else it is a probability, as something has no price."""

    worth: Worth
    channels: tuple[str, ...]
    in_money: bool


def candidates(answers: Sequence[Members], evidence: Evidence, costs: Costs) -> Candidates:
    """What a contact is worth: the margin of the expected revenue, less the offer and the contact. A cost that is not stated counts as nothing."""
    revenues = [expected_revenue(each, evidence) for each in answers]
    in_money = not any(len(each) and np.isnan(each).all() for each in revenues)
    worth = np.full((len(evidence.codes), len(answers)), -np.inf, np.float32)
    channels = tuple(channel_of(each) for each in answers)
    for number, (members, revenue, channel) in enumerate(zip(answers, revenues, channels, strict=True)):
        values = _worth(members, revenue, costs, channel) if in_money else members.frame["probability"].to_numpy(np.float64)
        place = places(members, evidence)
        written = contacted(members, evidence, channel) & (np.nan_to_num(values) > 0)
        worth[place[written], number] = values[written]
    return Candidates(worth, channels, in_money)


def _worth(members: Members, revenue: NDArray[np.float64], costs: Costs, channel: str) -> NDArray[np.float64]:
    probability, offer = np.nan_to_num(members.frame["probability"].to_numpy(np.float64)), members.audience.offer
    buyers, known = float(probability.sum()), np.nan_to_num(revenue)
    given = offer.per_buyer(float(known.sum()) / buyers) if offer and buyers > 0 else 0.0
    return np.asarray(costs.margin * known - given * probability - costs.contact.get(channel, 0.0))


def choose(found: Candidates, sizes: Sequence[int], costs: Costs) -> NDArray[np.int32]:
    """Which audience each customer gets: customers x audiences, 1 for the best of its channel, 2 for the second, ...; 0 for none. Of audiences worth
    the same, the smaller comes first: it says more about a customer.

    >>> worth = np.array([[3.0, 5.0], [2.0, -np.inf]], np.float32)
    >>> choose(Candidates(worth, ("email", "email"), True), [10, 20], Costs()).tolist()
    [[0, 1], [1, 0]]
    """
    chosen = np.zeros(found.worth.shape, np.int32)
    for channel in dict.fromkeys(found.channels):
        columns = np.asarray([number for number, each in enumerate(found.channels) if each == channel])
        columns = columns[np.argsort(np.asarray(sizes)[columns], kind="stable")]
        values = found.worth[:, columns]
        order = np.argsort(-values, axis=1, kind="stable")[:, : costs.caps.get(channel, USUAL_CAP)]
        kept = np.take_along_axis(values, order, axis=1) > -np.inf
        rows, ranks = np.nonzero(kept)
        chosen[rows, columns[order[rows, ranks]]] = ranks + 1
    return chosen


def contact_list(answers: Sequence[Members], evidence: Evidence, found: Candidates, chosen: NDArray[np.int32]) -> pd.DataFrame:
    """A row per contact, by customer: customer_id, audience, channel, choice (1 is the best of the channel), worth."""
    rows, columns = np.nonzero(chosen)
    names = np.asarray([each.audience.audience for each in answers], dtype=object)
    table = pd.DataFrame(
        {
            "customer_id": evidence.customer_ids[rows],
            "audience": names[columns],
            "channel": np.asarray(found.channels, dtype=object)[columns],
            "choice": chosen[rows, columns],
            "worth": found.worth[rows, columns],
        }
    )
    return table.sort_values(["customer_id", "channel", "choice"], ignore_index=True)
