"""A scale becomes people as arrays: when they came and left, how often they order, what they like, and how they buy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.made_up.assortment import CATEGORIES, TASTE_POPULARITY, TASTES
from features.made_up.chance import Flags, Floats, Ints, chances, draw, stream
from features.made_up.planted import DAYS

SIGNED_UP, ONCE, IRREGULAR, REGULAR = range(4)
_SHARES = (0.12, 0.42, 0.31, 0.15)
_UNKNOWN_SHARE = 0.12
"""People without a customer_id, for each known one; they order once."""
_CANARY = 0
"""The first person certainly has orders."""


@dataclass(frozen=True)
class People:
    """Arrays with one entry a person; the first ``known`` have a customer_id. Days count from START.

    ``arrival`` may lie before START; ``until`` is the day they stop for good; ``gap`` days between orders of REGULAR people;
    ``rate`` orders a year of IRREGULAR people; ``tastes`` (people x tastes) shares; ``loves`` (people x long-tail categories);
    ``brand`` the favourite or -1; ``extra`` usual number of lines beyond the first.
    """

    known: int
    kind: Ints
    arrival: Ints
    until: Ints
    gap: Floats
    rate: Floats
    tastes: NDArray[np.float32]
    loves: Flags
    level: Ints
    brand: Ints
    extra: Floats
    in_store: Floats
    vip: Flags
    gift: Flags
    sale: Flags
    opens: Floats

    def __len__(self) -> int:
        return len(self.kind)


def made_up_people(*, scale: float, seed: int, brands: int) -> People:
    """About 20,000 customers at scale 1, and some whom the shop does not know."""
    rng = stream(seed, "people")
    known = max(round(20_000 * scale), 50)
    size = known + round(known * _UNKNOWN_SHARE)
    kind = draw(rng, np.array(_SHARES), size)
    kind[known:] = ONCE
    kind[_CANARY] = REGULAR
    vip = (kind >= IRREGULAR) & chances(rng, 0.08, size)
    arrival, until = _stays(rng, kind)
    arrival[_CANARY], until[_CANARY] = 100, 4 * DAYS
    tastes = _tastes(rng, size)
    level = np.minimum(draw(rng, np.array([0.35, 0.45, 0.2]), size) + vip, 2).astype(np.int32)
    brand = np.where(chances(rng, 0.45, size), draw(rng, 1.0 / (np.arange(brands) + 4.0), size), -1).astype(np.int32)
    return People(
        known=known,
        kind=kind,
        arrival=arrival,
        until=until,
        gap=np.clip(rng.lognormal(np.log(50), 0.5, size), 18, 130) / np.where(vip, 1.5, 1),
        rate=rng.gamma(0.9, 3.2 / 0.9, size) * np.where(vip, 3.0, 1.0) + 0.2,
        tastes=tastes,
        loves=_loves(rng, tastes),
        level=level,
        brand=brand,
        extra=rng.gamma(2.0, 1.6, size) * np.where(vip, 1.6, 1.0),
        in_store=np.where(chances(rng, 0.25, size), 0.75, 0.06),
        vip=vip,
        gift=chances(rng, 0.15, size),
        sale=chances(rng, 0.2, size),
        opens=np.where(chances(rng, 0.2, size), 0.0, rng.beta(1.5, 3.0, size)),
    )


def _stays(rng: np.random.Generator, kind: Ints) -> tuple[Ints, Ints]:
    """First and last possible day of each: some came before the records begin, lifetimes are exponential with a mean of two to three years."""
    size = len(kind)
    early = (kind >= IRREGULAR) & chances(rng, 0.3, size)
    arrival = np.where(early, rng.integers(-700, 0, size), rng.integers(0, DAYS, size))
    life = 60 + rng.exponential(np.where(kind == REGULAR, 1000, 700), size)
    until = np.minimum(np.maximum(arrival, 0) + life, 4 * DAYS)
    return arrival.astype(np.int32), until.astype(np.int32)


def _tastes(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """One main taste of about two thirds, the rest spread unevenly over the others."""
    popularity = np.array(TASTE_POPULARITY)
    noise = rng.gamma(0.3, 1.0, (size, len(TASTES))) * popularity + 1e-6
    noise /= noise.sum(axis=1, keepdims=True)
    main = rng.beta(6.0, 3.0, size)
    shares: NDArray[np.float32] = (noise * (1 - main)[:, None]).astype(np.float32)
    shares[np.arange(size), draw(rng, popularity, size)] += main
    return shares


def _loves(rng: np.random.Generator, tastes: NDArray[np.float32]) -> Flags:
    """Four in five of those who are mostly of a long-tail category's taste love it, whether or not they have bought it."""
    columns = [TASTES.index(each.tastes[0]) for each in CATEGORIES if each.kind == "long-tail"]
    return np.stack([(tastes[:, column] > 0.55) & chances(rng, 0.8, len(tastes)) for column in columns], axis=1)
