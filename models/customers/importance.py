"""What customers brought and are expected to bring becomes how much each matters: one-time, VIP, exclusive, frequent or loyal, by today's limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from features.expressions import Feature
from models.customers.gaps import Values

ONE_TIME, VIP, EXCLUSIVE, FREQUENT, LOYAL = "one-time", "VIP", "exclusive", "frequent", "loyal"
TOP = {"worth": 0.9, "order_value": 0.9, "revenue": 0.5, "orders": 0.75}
"""The quantile, among customers with more than one order, above which a value is high."""
LIMIT_OF = {VIP: "worth", EXCLUSIVE: "order_value", FREQUENT: "orders"}
GROUPS = (
    Feature(ONE_TIME, "exactly one order so far"),
    Feature(
        VIP,
        f"worth in the top {100 - 100 * TOP['worth']:.0f} % of those with more than one order: the geometric mean of the revenue so far and of the "
        "revenue predicted for the main horizon",
    ),
    Feature(
        EXCLUSIVE,
        f"not VIP, and predicted revenue per order in the top {100 - 100 * TOP['order_value']:.0f} %, with predicted revenue in the upper half: "
        "seldom, but dear",
    ),
    Feature(FREQUENT, f"neither of these, and predicted orders in the top {100 - 100 * TOP['orders']:.0f} %: often, but cheap"),
    Feature(LOYAL, "all others with more than one order"),
)
"""Every group with its written definition; who fits several belongs to the first."""
GROUP_NAMES = tuple(group.name for group in GROUPS)


@dataclass(frozen=True)
class Importance:
    """``limits``: above which ``worth``, predicted ``order_value`` (revenue per order), predicted ``revenue`` and predicted ``orders`` are high.

    A value equal to a limit is not above it, so customers with equal values are always in one group, and no more than the stated share (rounded up to
    a whole customer) is in a high one. A limit is ``inf`` where nothing is predicted of anybody with more than one order.
    """

    limits: dict[str, float]

    @classmethod
    def of(cls, customers: pd.DataFrame) -> Self:
        """The limits of customers with the columns ``frequency`` (orders so far), ``orders`` and ``revenue`` (predicted) and ``worth``, a row each.

        >>> customers = pd.DataFrame({"frequency": [1, 2, 2], "orders": [9.0, 1.0, 2.0], "revenue": [9.0, 5.0, 5.0], "worth": [9.0, 7.0, 7.0]})
        >>> Importance.of(customers).limits
        {'worth': 7.0, 'order_value': 2.5, 'revenue': 5.0, 'orders': 1.0}
        """
        known = _values(customers)[customers["frequency"] > 1]
        limits = {name: float(known[name].quantile(share, interpolation="lower")) for name, share in TOP.items()}
        return cls({name: np.inf if np.isnan(limit) else limit for name, limit in limits.items()})

    def group(self, customers: pd.DataFrame) -> pd.Series:
        """The group of each customer (columns as for ``of``), in the order of the rows; a customer without an order has none.

        The frame need not be the one that made the limits. An unknown prediction is not high.
        """
        values, frequency = _values(customers), customers["frequency"]
        high = [values[name] > self.limits[name] for name in LIMIT_OF.values()]
        high[list(LIMIT_OF).index(EXCLUSIVE)] &= values["revenue"] >= self.limits["revenue"]
        found = np.select([frequency < 1, frequency == 1, *high], ["", ONE_TIME, *LIMIT_OF], LOYAL)
        return pd.Series(found, index=customers.index, name="importance", dtype="str").where(frequency >= 1)

    def sentences(self, group: pd.Series, *, money: Callable[[float], str]) -> list[str]:
        """The limits for people, a line each; ``group`` are the groups of the customers, ``money`` writes an amount."""
        limits = {name: "" if np.isinf(limit) else f"{limit:,.2f}" if name == "orders" else money(limit) for name, limit in self.limits.items()}
        told = {
            VIP: f"worth above {limits['worth']}",
            EXCLUSIVE: f"predicted revenue per order above {limits['order_value']}, and predicted revenue from {limits['revenue']} on",
            FREQUENT: f"predicted orders above {limits['orders']}",
        }
        members = group.value_counts()
        return [f"{name}: {words if members.get(name, 0) else 'nobody yet'}" for name, words in told.items()]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; a limit that nobody can pass is empty."""
        return {name: None if np.isinf(limit) else limit for name, limit in self.limits.items()}

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        return cls({name: np.inf if limit is None else float(limit) for name, limit in content.items()})


def worth(spent: pd.Series, soon: pd.Series) -> pd.Series:
    """What makes a VIP, in the shop's currency: the geometric mean of the revenue so far and of the revenue predicted for the main horizon.

    Who brought much once and is not expected soon is worth as little as who is expected and brought little; 0 where either is not above 0.

    >>> worth(pd.Series([400.0, 100.0, -5.0]), pd.Series([1.0, 4.0, 9.0])).tolist()
    [20.0, 20.0, 0.0]
    """
    return pd.Series(np.sqrt(spent.clip(lower=0) * soon.clip(lower=0)), index=spent.index, name="worth")


def shares(group: pd.Series, customers: pd.DataFrame) -> pd.DataFrame:
    """What each group is of the whole: shares of ``customers``, ``orders`` and ``revenue`` (columns of the frame, predicted or real), 0 to 1.

    Index importance, all groups in the order of ``GROUPS``; each column adds up to 1, or is 0 where there is nothing to share.
    """
    rows = customers[["orders", "revenue"]].fillna(0).assign(customers=1.0)[["customers", "orders", "revenue"]]
    sums = rows[group.notna()].groupby(group).sum().reindex(pd.Index(GROUP_NAMES, name="importance"), fill_value=0.0)
    total = sums.sum()
    return sums / total.where(total != 0, 1.0)


def _values(customers: pd.DataFrame) -> pd.DataFrame:
    orders, revenue = (customers[name].to_numpy(np.float64) for name in ("orders", "revenue"))
    each: Values = np.divide(revenue, orders, out=np.zeros(len(orders)), where=orders > 0)
    return pd.DataFrame({"worth": customers["worth"], "order_value": each, "revenue": revenue, "orders": orders}, index=customers.index)
