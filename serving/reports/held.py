"""The fit of one horizon ago, and what customers did since, become tables: what VIPs really brought, and who ordered again by importance."""

import numpy as np
import pandas as pd
from scipy.stats import beta

from features.shop import MONEY
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.customers.importance import GROUP_NAMES, VIP, Importance, worth
from serving.reports.base import Base
from serving.reports.blocks import Cell, Row, Table, count, day, money, percent, shaded

SURE = (0.025, 0.975)


def importance_held(base: Base) -> list[Table]:
    """Importance as of one horizon ago beside what came since; nothing where no fit of that date is kept."""
    if base.past is None:
        return []
    found = came_since(base.past, base.snapshot.at(base.past.as_of))
    about = f"as of {day(base.past.as_of)}, and the {base.past.horizon} days after it"
    return [table for table in (_vips(found, f"{about}{base.unit}"), _again(found, about)) if table is not None]


def came_since(fit: Bundle, snapshot: Snapshot) -> pd.DataFrame:
    """Of every customer as of the fit's date: ``importance`` by what it expected then, ``spent`` so far, and what came within its horizon:
    ``orders`` and ``revenue``. Index customer_id. Orders are worth the customer's own mean, as a fit of a past date knows no other."""
    facts, horizon = snapshot.customers(), fit.horizon
    expected = fit.customers(snapshot)[f"expected_orders_{horizon}"].astype(np.float64)
    soon = expected * facts["monetary"].clip(lower=0).fillna(0)
    matters = pd.DataFrame({"frequency": facts["frequency"], "orders": expected, "revenue": soon, "worth": worth(facts["spent"], soon)})
    orders = snapshot.shop.orders
    ahead = orders.filter(orders.day >= snapshot.day, orders.day < snapshot.day + horizon)
    sums = ahead.group_by("customer").agg(orders=ahead.count(), revenue=ahead.revenue.sum()).to_pandas().set_index("customer")
    came = sums.reindex(snapshot.codes).fillna(0)
    columns = {"spent": facts["spent"], "orders": came["orders"].to_numpy(), "revenue": came["revenue"].to_numpy() / MONEY}
    return pd.DataFrame({"importance": Importance.of(matters).group(matters), **columns}, index=facts.index)


def _vips(found: pd.DataFrame, about: str) -> Table | None:
    vip = found[found["importance"] == VIP]
    if vip.empty:
        return None
    by_past = found.sort_values("spent", ascending=False, kind="stable").head(len(vip))
    total = float(found["revenue"].sum())
    rows = [_brought(name, each, total) for name, each in (("VIPs", vip), ("as many by past revenue", by_past), ("all", found))]
    return Table("picked", ["customers", "brought", "share"], rows, f"What VIPs brought, {about}")


def _brought(name: str, rows: pd.DataFrame, total: float) -> Row:
    brought = float(rows["revenue"].sum())
    share = brought / total if total > 0 else 0.0
    return Row(name, [count(len(rows)), money(brought), Cell(percent(share), shade=shaded(share, 1.0))])


def _again(found: pd.DataFrame, about: str) -> Table | None:
    sums = (found["orders"] > 0).groupby(found["importance"]).agg(["size", "sum"]).reindex(GROUP_NAMES).dropna()
    rows = []
    for name, size, again in zip(sums.index, sums["size"].astype(float), sums["sum"].astype(float), strict=True):
        low, high = (float(beta.ppf(each, again + 0.5, size - again + 0.5)) for each in SURE)
        rows.append(Row(str(name), [count(size), Cell(percent(again / size), shade=shaded(again / size, 1.0)), f"{percent(low)} to {percent(high)}"]))
    return Table("importance", ["customers", "ordered again", "95 % sure"], rows, f"Who ordered again, by importance {about}") if rows else None
