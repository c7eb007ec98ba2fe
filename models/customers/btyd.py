"""The buy-till-you-die models by name, what they say of a snapshot's customers, and which of them was nearest to what came."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol, Self, TypeVar

import numpy as np
import pandas as pd

from features.expressions import before
from features.snapshot import Snapshot
from models.customers.btyd_cells import Cells, Numbers
from models.customers.btyd_geometric import BgNbd, MbgNbd
from models.customers.btyd_pareto import ParetoNbd

Days = TypeVar("Days", int, float)


class BuyTillYouDie(Protocol):
    """A model of customers who order at a steady rate of their own until they leave for good, which nobody sees."""

    @classmethod
    def fit(cls, cells: Cells) -> Self:
        """The likeliest parameters; finite for any shop, also for one customer or one day."""
        ...

    def log_likelihood(self, cells: Cells) -> Numbers:
        """The logarithm of the probability density of one customer of every cell."""
        ...

    def p_alive(self, cells: Cells) -> Numbers:
        """The probability that a customer of every cell has not left, above 0 and at most 1."""
        ...

    def expected_orders(self, cells: Cells, days: float, *, alive: Numbers | None = None) -> Numbers:
        """Order days of one customer of every cell within the next ``days``, at least 0; ``alive`` is ``p_alive``, where it is known already."""
        ...

    def p_order(self, cells: Cells, days: float, *, alive: Numbers | None = None) -> Numbers:
        """The probability that a customer of every cell orders within the next ``days``; ``alive`` as in ``expected_orders``."""
        ...

    def as_dict(self) -> dict[str, float]:
        """The parameters, for JSON."""
        ...

    @classmethod
    def of_dict(cls, content: dict[str, float]) -> Self:
        """The inverse of ``as_dict``."""
        ...


BTYD: Mapping[str, type[BuyTillYouDie]] = MappingProxyType({"bg_nbd": BgNbd, "mbg_nbd": MbgNbd, "pareto_nbd": ParetoNbd})
"""All of them, by the name that files and columns use."""


def order_times(snapshot: Snapshot) -> pd.DataFrame:
    """What the models know of a snapshot's customers: ``order_days``, ``active_days`` and ``age`` (days), index customer_id."""
    return snapshot.customers()[["order_days", "active_days", "age"]]


def fitted(name: str, snapshot: Snapshot, *, doubt: float = 0.0) -> BuyTillYouDie:
    """The model of that name on all customers of a snapshot, and ``doubt`` of one who came back (``Cells.with_return``).

    Raises KeyError for a name that is not in ``BTYD``.
    """
    return BTYD[name].fit(Cells.for_fit(*order_times(snapshot).to_numpy().T).with_return(doubt))


def said_by(model: BuyTillYouDie, snapshot: Snapshot, days: float) -> pd.DataFrame:
    """What a model says of every customer of a snapshot for the next ``days``: ``p_alive``, ``expected_orders`` (order days) and ``p_order``.

    Float64, index customer_id; a customer's row does not depend on who else is asked about.
    """
    return said_for(model, snapshot, [days])[days]


def said_for(model: BuyTillYouDie, snapshot: Snapshot, days: Iterable[Days]) -> dict[Days, pd.DataFrame]:
    """The same for several numbers of days, by days: who has left by now is worked out once."""
    times = order_times(snapshot)
    cells, place = Cells.of(*times.to_numpy().T)
    alive = model.p_alive(cells)
    found = {}
    for each in days:
        orders, chance = model.expected_orders(cells, each, alive=alive), model.p_order(cells, each, alive=alive)
        columns = {"p_alive": alive, "expected_orders": orders, "p_order": chance}
        found[each] = pd.DataFrame({name: values[place] for name, values in columns.items()}, index=times.index)
    return found


def order_days_after(snapshot: Snapshot, days: int) -> Numbers:
    """On how many different days each customer of a snapshot ordered in ``[as_of, as_of + days)``."""
    orders = snapshot.shop.orders
    ahead = orders.filter(orders.day >= snapshot.day, orders.day < snapshot.day + days)
    found: pd.DataFrame = ahead.group_by("customer").agg(order_days=ahead.day.nunique()).to_pandas().set_index("customer")
    return found["order_days"].reindex(snapshot.codes).fillna(0).to_numpy(np.float64)


def poisson_deviance(expected: Numbers, came: Numbers) -> float:
    """How far expected counts lie from those that came, on average: 0 is perfect, and what was held impossible costs much.

    >>> poisson_deviance(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    0.0
    """
    given = np.maximum(expected, 1e-9)
    surprise = came * np.log(np.maximum(came, 1e-9) / given) - (came - given)
    return float(2.0 * surprise.mean())


def held_out(snapshot: Snapshot, days: int) -> dict[str, float]:
    """The Poisson deviance of every model that is fitted ``days`` before the snapshot's date, on the order days that came until then; best first.

    Empty when nobody had ordered by that earlier date.
    """
    earlier = snapshot.as_of - timedelta(days=days)
    if before(snapshot.shop.orders, snapshot.day - days).count().execute() == 0:
        return {}
    past = Snapshot(snapshot.shop, earlier, snapshot.horizon)
    came = order_days_after(past, days)
    found = {name: poisson_deviance(said_by(fitted(name, past), past, days)["expected_orders"].to_numpy(), came) for name in BTYD}
    return dict(sorted(found.items(), key=lambda each: each[1]))


def chosen(snapshot: Snapshot, days: int) -> str:
    """The name of the model that would have been nearest over the last ``days``; Pareto/NBD where there is no such past to judge by."""
    return next(iter(held_out(snapshot, days)), "pareto_nbd")
