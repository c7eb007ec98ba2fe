"""Members and what contacts cost become what contacting them pays: revenue and return per contact, the sizes that pay, and what an offer may cost."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from features.conditions import Evidence, reachable
from features.conditions.people import ADDRESSES
from serving.audiences.costs import Costs
from serving.audiences.definitions import Offer
from serving.audiences.members import TARGET, Members, places
from serving.audiences.numbers import Number, per_buyer

USUAL_CHANNEL = "email"
SURE = 0.9
"""In so many of all cases the smallest size that pays does pay."""
Values = NDArray[np.float64]
UNKNOWN = float("nan")


@dataclass(frozen=True, eq=False)
class Payoff:
    """What contacting an audience pays. All amounts are in the shop's currency and within the horizon; NaN where something is not known.

    ``contacts`` are members outside the control group who may be reached by ``channel``; ``buyers`` and ``revenue`` are expected of them. ``cost`` is
    of all contacts and of the campaign, ``offer`` of what these buyers are offered, ``profit`` is the margin less both. ``smallest``: so many of the
    best contacts pay for themselves and the campaign in nine of ten cases; ``largest``: beyond so many, a further contact costs more than it brings.
    Both are 0 when none pays. ``offer_at_most``: what an offer may cost for each buyer before nothing is left of the margin. ``needed``: the share of
    further buyers that contact, campaign and offer must win to be worth it, if those expected came anyway; infinite when no number of them would do.
    """

    channel: str
    contacts: int
    buyers: float
    revenue: float
    cost: float = UNKNOWN
    offer: float = 0.0
    profit: float = UNKNOWN
    smallest: float = UNKNOWN
    largest: float = UNKNOWN
    offer_at_most: float = UNKNOWN
    needed: float = UNKNOWN

    @property
    def per_contact(self) -> float:
        """Revenue expected of a contact."""
        return self.revenue / self.contacts if self.contacts else UNKNOWN

    @property
    def returned(self) -> float:
        """Margin less the offer, over what contacts and campaign cost (ROAS by margin)."""
        return (self.profit + self.cost) / self.cost if self.cost > 0 else UNKNOWN


def expected_revenue(members: Members, evidence: Evidence) -> Values:
    """What is expected of each member within the horizon, in the order of the frame: from what the audience is ranked by, its probability times what
    a buyer usually spends on it in such a time; from any order, as predicted of the customer. NaN where it is unknown."""
    products = members.audience.about(evidence.catalogue)
    if products is not None:
        return members.frame["probability"].to_numpy(np.float64) * per_buyer(evidence, products)
    place = places(members, evidence)
    return evidence.column(f"expected_revenue_{members.horizon}")[place].astype(np.float64)


def contacted(members: Members, evidence: Evidence, channel: str) -> NDArray[np.bool_]:
    """Which members are written to: reachable by the channel, and not of the control group. Where nobody of the shop is reachable, as no addresses or
    consent were imported, all members outside the control group count (``unreached`` says so)."""
    place = places(members, evidence)
    known, target = reachable(evidence, channel), (members.frame["group"] == TARGET).to_numpy(bool)
    found: NDArray[np.bool_] = known[place] & target if known.any() else target
    return found


def unreached(evidence: Evidence, channels: Iterable[str]) -> Iterator[str]:
    """Sentences on channels by which nobody of the shop may be reached."""
    for channel in dict.fromkeys(channels):
        if not reachable(evidence, channel).any():
            yield f"nobody may be reached by {channel}, as the shop knows no address with consent: members count as contacts as if all could be"


def channel_of(members: Members) -> str:
    """The channel by which the audience is reached."""
    return members.audience.channel or USUAL_CHANNEL


def payoff(members: Members, evidence: Evidence, costs: Costs, *, channel: str | None = None) -> Payoff:
    """What contacting an audience pays, by its own channel unless another is named."""
    by = channel or channel_of(members)
    chosen = contacted(members, evidence, by)
    probability = np.nan_to_num(members.frame["probability"].to_numpy(np.float64)[chosen])
    revenue = expected_revenue(members, evidence)[chosen]
    revenue = np.nan_to_num(revenue) if not np.isnan(revenue).all() else revenue
    return money(probability, revenue, costs, channel=by, offer=members.audience.offer)


def money(probability: Values, revenue: Values, costs: Costs, *, channel: str, offer: Offer | None = None) -> Payoff:
    """The same of contacts with these probabilities to buy and these expected revenues.

    Two of three buy, each spends 30: a margin of half of it, less 1 a contact.

    >>> found = money(np.array([0.8, 0.8, 0.4]), np.array([24.0, 24.0, 12.0]), Costs({"email": 1.0}, margin=0.5), channel="email")
    >>> round(found.profit, 2), round(found.offer_at_most, 2), round(found.needed, 2), found.largest
    (27.0, 13.5, 0.1, 3)
    """
    contacts, buyers, total = len(probability), float(probability.sum()), float(revenue.sum())
    found = Payoff(channel, contacts, buyers, total)
    if channel not in costs.contact or np.isnan(total):
        return found
    each = _per_buyer(probability, revenue)
    given = offer.per_buyer(each) if offer else 0.0
    cost = contacts * costs.contact[channel] + (costs.campaign if contacts else 0.0)
    smallest, largest = _sizes(probability, costs.margin * revenue, costs, channel=channel, given=given)
    left = costs.margin * total
    return Payoff(
        channel,
        contacts,
        buyers,
        total,
        cost=cost,
        offer=given * buyers,
        profit=left - given * buyers - cost,
        smallest=smallest,
        largest=largest,
        offer_at_most=(left - cost) / buyers if buyers > 0 else UNKNOWN,
        needed=_needed(buyers, costs.margin * each, cost, given),
    )


def _per_buyer(probability: Values, revenue: Values) -> float:
    buyers = float(probability.sum())
    return float(revenue.sum()) / buyers if buyers > 0 else 0.0


def _needed(buyers: float, left: float, cost: float, given: float) -> float:
    """x in: (1 + x) buyers at ``left`` less ``given``, less the cost, are as much as the buyers alone at ``left``."""
    if not buyers > 0:
        return UNKNOWN
    return (buyers * left + cost) / (buyers * (left - given)) - 1 if left > given else float("inf")


def _sizes(probability: Values, left: Values, costs: Costs, *, channel: str, given: float) -> tuple[int, int]:
    """The smallest and the largest size that pay, the best contacts first; 0 when none does. Buyers come independently of each other."""
    gain = left - given * probability
    order = np.argsort(-gain, kind="stable")
    gain, probability = gain[order], probability[order]
    of_buyer = np.divide(gain, probability, out=np.zeros(len(gain)), where=probability > 0)
    profit = np.cumsum(gain - costs.contact[channel])
    doubt = ndtri(SURE) * np.sqrt(np.cumsum(probability * (1 - probability) * of_buyer**2))
    pays = np.flatnonzero(profit - doubt >= costs.campaign)
    largest = int(np.argmax(profit)) + 1 if len(profit) and profit.max() > 0 else 0
    return (int(pays[0]) + 1 if len(pays) else 0), largest


def payoff_numbers(members: Members, evidence: Evidence, costs: Costs) -> Iterator[Number]:
    """The numbers of what contacting pays, for every channel whose cost is stated, and for the audience's own; unknown ones are left out."""
    own = channel_of(members)
    for channel in dict.fromkeys([own, *(each for each in costs.contact if each in ADDRESSES)]):
        found = payoff(members, evidence, costs, channel=channel)
        shown = [(name, value, how) for name, value, how in _told(found, own=channel == own) if not np.isnan(value)]
        yield from (Number(f"{name}, {channel}", value, how) for name, value, how in shown)


def _told(found: Payoff, *, own: bool) -> Iterator[tuple[str, float, str]]:
    yield "expected revenue per contact", found.per_contact, f"of {found.contacts:,} contacts: reachable, and not of the control group"
    yield "profit", found.profit, "margin of their expected revenue, less the offer and what contacts and campaign cost"
    if not own:
        return
    yield (
        "smallest size that pays",
        found.smallest,
        "of the best contacts: in nine of ten cases they pay for contacts and campaign; 0: no size does",
    )
    yield "largest size that pays", found.largest, "beyond it a further contact costs more than it brings"
    yield "an offer may cost", found.offer_at_most, "for each buyer, before contacts, campaign and offer eat the margin of those expected"
    if np.isfinite(found.needed):
        yield (
            "further buyers needed",
            found.needed,
            "a share of those expected, who may come anyway: so many more must be won to be worth the cost",
        )


def offer_told(found: Payoff) -> str | None:
    """What is wrong with the offer, in a sentence; None when it leaves something."""
    if found.offer > 0 and found.needed == float("inf"):
        return "its offer costs more than the margin of an order: no number of further buyers would pay for it"
    if found.offer > 0 and found.profit < 0:
        each = found.offer / found.buyers
        return f"its offer of {each:,.2f} a buyer eats the gain: it may cost {max(found.offer_at_most, 0):,.2f} at most"
    return None


def payoff_table(found: Mapping[str, Payoff]) -> pd.DataFrame:
    """A row per audience: audience, channel, contacts, expected_buyers, expected_revenue, per_contact, cost, offer_cost, profit, smallest, largest,
    offer_at_most, further_needed."""
    rows = [
        {
            "audience": name,
            "channel": each.channel,
            "contacts": each.contacts,
            "expected_buyers": each.buyers,
            "expected_revenue": each.revenue,
            "per_contact": each.per_contact,
            "cost": each.cost,
            "offer_cost": each.offer,
            "profit": each.profit,
            "smallest": each.smallest,
            "largest": each.largest,
            "offer_at_most": each.offer_at_most,
            "further_needed": each.needed,
        }
        for name, each in found.items()
    ]
    return pd.DataFrame(rows).astype({"smallest": "Int64", "largest": "Int64"} if rows else {})
