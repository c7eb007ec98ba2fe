"""What models say of several horizons becomes one story: likelihood and orders that agree from one stretch of days to the next.

Each horizon has a model of its own, which knows nothing of the others. Here their words are taken stretch by stretch, from one horizon to the next:
orders a day, and the hazard a day (of 1 - p, logarithms). From stretch to stretch the whole shop may change its pace within ``SEASON``, and each
customer within ``OWN`` of that; the stretches of all customers together keep what the model of the horizon says, where that is within these bounds.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from models.customers.btyd_cells import Numbers

LEARNT, FROM_SHORTER, CARRIED_ON = "learnt", "learnt from shorter", "carried on"
"""Where a horizon's numbers come from: windows of its own length, shorter windows with times told in horizons, or a buy-till-you-die model."""
SEASON = {LEARNT: (0.25, 1.5), FROM_SHORTER: (0.25, 1.25), CARRIED_ON: (0.25, 1.25)}
"""By how much the pace of all customers may change from a stretch to the next: half as much again by a season that was seen, a quarter else."""
OWN = {LEARNT: (0.25, 1.5), FROM_SHORTER: (0.25, 1.25), CARRIED_ON: (0.25, 1.25)}
"""By how much a customer's pace may change beyond that of all: a date that lies ahead brings more, and leaving takes away, but never everything."""
NEARLY_SURE = 1 - 1e-6
SLOWEST = 1e-9
"""Orders a day of whom nothing at all is expected."""
NEXT_TO_NOTHING = 1e-3
"""Of a customer's pace: what is wanted of a stretch in which a horizon's model expects no more than that of the one before."""
WIDEST = 20.0
"""Factors are looked for between exp(-20) and exp(20)."""


Factors = tuple[float, float]
OfAll = Callable[[Hashable, Callable[[], Factors]], Factors]


@dataclass(frozen=True, eq=False)
class Said:
    """What a model says of one horizon: likelihood and expected orders of every customer, and where they come from."""

    likelihood: Numbers
    orders: Numbers
    basis: str


def agreed(said: Mapping[int, Said], *, of_all: OfAll = lambda name, factor: factor()) -> dict[int, Said]:
    """The same horizons, agreeing: likelihood and orders rise from each to the next, the pace of nobody beyond ``SEASON`` times ``OWN``.

    The factors of the shop's pace are those of the customers given, unless ``of_all`` knows them by name.
    The shortest horizon is taken at its word. At least as many orders are expected as their probability says, of all horizons.
    """
    found: dict[int, Said] = {}
    before, last, pace, risk = _nothing(said), 0, np.empty(0), np.empty(0)
    for days in sorted(said):
        each, length = said[days], days - last
        wanted = np.maximum(each.orders, each.likelihood)
        if not last:
            orders, hazard = np.maximum(wanted, SLOWEST * days), np.maximum(hazards(each.likelihood), SLOWEST * days)
        else:
            more = _Stretch(wanted - before.orders, pace * length, SEASON[each.basis], OWN[each.basis], np.sum)
            orders = before.orders + more.given(*of_all(("orders", days), more.factors))
            already = hazards(before.likelihood)
            more = _Stretch(hazards(each.likelihood) - already, risk * length, SEASON[each.basis], OWN[each.basis], _ordering(already))
            hazard = already + more.given(*of_all(("hazard", days), more.factors))
        likelihood = np.minimum(-np.expm1(-hazard), orders)
        found[days] = Said(likelihood, orders, each.basis)
        pace, risk = (orders - before.orders) / length, (hazards(likelihood) - hazards(before.likelihood)) / length
        before, last = found[days], days
    return found


def hazards(chance: Numbers) -> Numbers:
    """What chances are when they add up over time: -log(1 - p), finite for certainty, too."""
    return np.asarray(-np.log1p(-np.minimum(chance, NEARLY_SURE)), np.float64)


def _nothing(said: Mapping[int, Said]) -> Said:
    nobody = np.zeros(len(next(iter(said.values())).orders))
    return Said(nobody, nobody, LEARNT)


def _ordering(already: Numbers) -> Callable[[Numbers], np.float64]:
    """How many of all customers order for the first time in a stretch of so much hazard, after that of the days before."""
    left = np.exp(-already)
    return lambda more: np.float64(-(left * np.expm1(-more)).sum())


@dataclass(frozen=True, eq=False)
class _Stretch:
    """What is ``wanted`` of a stretch beside ``steady`` (the stretch at the pace of the one before), all above 0.

    ``season`` bounds the pace of the shop, ``own`` each customer's beside it; ``total`` adds up.
    """

    wanted: Numbers
    steady: Numbers
    season: tuple[float, float]
    own: tuple[float, float]
    total: Callable[[Numbers], np.float64]

    def factors(self) -> Factors:
        """The shop's pace over the steady one; and that of what is wanted, so that the total is what is wanted within the season's bounds."""
        floor, ceiling = self.season
        target = float(np.clip(self.total(self.wanted), self.total(floor * self.steady), self.total(ceiling * self.steady)))
        shop = _factor(lambda factor: float(self.total(factor * self.steady)) - target)
        return shop, _factor(lambda factor: float(self.total(self.given(shop, factor))) - target)

    def given(self, shop: float, factor: float) -> Numbers:
        """What comes in the stretch by these factors."""
        given = np.maximum(self.wanted, NEXT_TO_NOTHING * self.steady)
        return np.asarray(np.clip(factor * given, self.own[0] * shop * self.steady, self.own[1] * shop * self.steady), np.float64)


def _factor(miss: Callable[[float], float]) -> float:
    """The factor at which ``miss``, which never falls with it, is nothing; 1 where that is so already, the nearer end where it is never so."""
    if abs(miss(1.0)) <= 1e-9:
        return 1.0
    low, high = miss(np.exp(-WIDEST)), miss(np.exp(WIDEST))
    if low >= 0 or high <= 0:
        return float(np.exp(-WIDEST if low >= 0 else WIDEST))
    from scipy.optimize import brentq

    return float(np.exp(brentq(lambda power: miss(float(np.exp(power))), -WIDEST, WIDEST, xtol=1e-10)))
