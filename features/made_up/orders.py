"""People become orders: who orders on which days, by rhythm, by rate, once, or for a gift."""

from dataclasses import dataclass

import numpy as np

from features.made_up.calendar import BUSY, GIFT_SEASON, busy_days, next_sale_days
from features.made_up.chance import Flags, Ints, Longs, chances, stream
from features.made_up.people import IRREGULAR, ONCE, REGULAR, People
from features.made_up.planted import DAYS

_SPAN = 2048
"""Days in a key (person * _SPAN + day); more than the shop has."""
_RHYTHM_SHAPE = 16.0
"""Gamma shape of a rhythm's gaps: coefficient of variation 1/4."""


@dataclass(frozen=True)
class Orders:
    """Orders, one entry each, sorted by (person, day) without repeats: ``keys`` = person * 2048 + day; ``gift`` whether sent as a gift."""

    keys: Longs
    gift: Flags

    @property
    def person(self) -> Ints:
        """Who ordered, position among the people."""
        return (self.keys // _SPAN).astype(np.int32)

    @property
    def day(self) -> Ints:
        """When, days from START."""
        return (self.keys % _SPAN).astype(np.int32)

    def __len__(self) -> int:
        return len(self.keys)

    def joined(self, keys: Longs) -> "Orders":
        """These orders and further ones by their keys, which are no gifts."""
        every = np.union1d(self.keys, keys)
        gift = np.zeros(len(every), dtype=bool)
        gift[np.searchsorted(every, self.keys)] = self.gift
        return Orders(every, gift)


def order_keys(person: Ints, day: Ints) -> Longs:
    """The key of each (person, day)."""
    return person.astype(np.int64) * _SPAN + day


def made_up_orders(people: People, *, seed: int) -> Orders:
    """Everybody's orders, at most one a day."""
    rng = stream(seed, "orders")
    parts = [_once(people), _irregular(rng, people), _regular(rng, people), _for_gifts(rng, people)]
    keys = np.unique(np.concatenate(parts))
    orders = Orders(keys, np.zeros(len(keys), dtype=bool))
    season = GIFT_SEASON[orders.day]
    share = np.where(people.gift[orders.person], np.where(season, 0.8, 0.1), np.where(season, 0.08, 0.02))
    return Orders(keys, chances(rng, share, len(keys)))


def _once(people: People) -> Longs:
    who = np.flatnonzero(people.kind == ONCE).astype(np.int32)
    return order_keys(who, people.arrival[who])


def _irregular(rng: np.random.Generator, people: People) -> Longs:
    """The first order on arrival, then a Poisson number over busy time until they stop; sale hunters wait for sales."""
    who = np.flatnonzero(people.kind == IRREGULAR).astype(np.int32)
    first, last = np.maximum(people.arrival[who], 0), np.minimum(people.until[who], DAYS)
    number = rng.poisson(people.rate[who] * (BUSY[last] - BUSY[first]) / 365)
    person = np.repeat(who, number)
    day = busy_days(rng, np.repeat(first, number), np.repeat(last, number))
    waits = np.flatnonzero(people.sale[person] & chances(rng, 0.65, len(person)))
    moved = next_sale_days(rng, day[waits])
    day[waits] = np.where(moved < people.until[person[waits]], moved, day[waits])
    new = who[people.arrival[who] >= 0]
    return np.concatenate([order_keys(new, people.arrival[new]), order_keys(person, day)])


def _regular(rng: np.random.Generator, people: People) -> Longs:
    """Orders at the customer's own gap, with moderate noise, from arrival until they stop."""
    who = np.flatnonzero(people.kind == REGULAR).astype(np.int32)
    first, last = np.maximum(people.arrival[who], 0), np.minimum(people.until[who], DAYS)
    number = (1.6 * (last - first) / people.gap[who]).astype(np.int64) + 6
    person = np.repeat(who, number)
    steps = np.cumsum(rng.gamma(_RHYTHM_SHAPE, people.gap[person] / _RHYTHM_SHAPE))
    starts = np.cumsum(number) - number
    early = np.where(people.arrival[who] < 0, rng.random(len(who)), 0.0) * people.gap[who]
    day = first.repeat(number) + (steps - steps[starts].repeat(number) + early.repeat(number)).astype(np.int64)
    keep = day < last.repeat(number)
    return order_keys(person[keep], day[keep].astype(np.int32))


def _for_gifts(rng: np.random.Generator, people: People) -> Longs:
    """Gift buyers without a rhythm of their own order once more in some gift seasons while they are customers."""
    days = np.flatnonzero(GIFT_SEASON)
    who = np.flatnonzero(people.gift & (people.kind == IRREGULAR)).astype(np.int32)
    person = np.repeat(who, 3)
    season = np.tile(np.arange(3), len(who))
    day = days[season * (len(days) // 3) + rng.integers(0, len(days) // 3, len(person))].astype(np.int32)
    keep = (day >= people.arrival[person]) & (day < people.until[person]) & chances(rng, 0.8, len(person))
    return order_keys(person[keep], day[keep])
