"""One past date of a shop with order lines: what whobuys and its rivals said of every customer then, and what each did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.snapshot import Snapshot
from models import metrics
from models.bundle import Bundle
from models.customers.btyd import fitted, said_by
from models.customers.btyd_cells import Numbers
from models.customers.gamma_gamma import GammaGamma
from models.customers.outlook import Learnt, Outlook
from models.customers.volume import usual_volume
from serving.customers import Customers
from training.fits import Fits

OURS, OWN_RATE = "**whobuys**", "own mean rate"
BG_NBD, RECENCY, RFM = "BG/NBD", "recency", "logistic regression on RFM"
PARETO, GAMMA, SPENT, RFM_SUM = "Pareto/NBD", "Gamma-Gamma x Pareto/NBD", "past revenue", "RFM sum"
TOP = 0.1
"""The share of customers whose revenue is added up."""


@dataclass(frozen=True, eq=False)
class Origin:
    """A date: ``table`` is what whobuys says (a row per customer), ``chance``, ``orders`` and ``value`` what each method says by its name, and
    ``came`` what really happened: ``orders_H`` and ``revenue_H`` for every horizon that has passed."""

    as_of: date
    horizon: int
    table: pd.DataFrame
    chance: dict[str, Numbers]
    orders: dict[str, Numbers]
    value: dict[str, Numbers]
    came: pd.DataFrame

    @property
    def again(self) -> NDArray[np.bool_]:
        """Who ordered within the horizon."""
        return self.ordered(self.horizon)

    def ordered(self, days: int) -> NDArray[np.bool_]:
        """Who ordered within so many days."""
        return self.came[f"orders_{days}"].to_numpy() > 0

    def passed(self) -> list[int]:
        """The horizons whose outcome is known."""
        return [int(str(name).removeprefix("orders_")) for name in self.came if str(name).startswith("orders_")]


def origin_of(fits: Fits, purchases: pd.DataFrame, as_of: date, *, horizons: Sequence[int]) -> Origin:
    """Everything said as of a date by what was fitted on what was known then, and what came. Stops when whobuys knows other customers."""
    dates = fits.training_dates(as_of)
    past, snapshot = [fits.snapshot(each) for each in dates], fits.snapshot(as_of)
    learnt = Learnt.of(past, config=fits.recipe.likelihood)
    outlook = Outlook.fit(snapshot, learnt, config=fits.recipe.outlook)
    bundle = Bundle(f"as of {as_of}", as_of, snapshot.horizon, None, learnt.likelihood, learnt.volume, outlook)
    table = Customers.of(bundle, snapshot).table
    came = came_of(purchases, as_of, horizons)
    assert came.index.tolist() == table.index.tolist(), f"as of {as_of} whobuys knows {len(table):,} customers, the raw file {len(came):,}"
    orders, value = volumes(snapshot, table)
    return Origin(as_of, snapshot.horizon, table, chances(past, snapshot, table, half_life=fits.recipe.likelihood.half_life), orders, value, came)


def came_of(purchases: pd.DataFrame, as_of: date, horizons: Sequence[int]) -> pd.DataFrame:
    """Orders and revenue of every customer with an order before the date, for those horizons that end before the purchases do; index customer."""
    start, last = pd.Timestamp(as_of), purchases["at"].max().normalize()
    known = pd.Index(sorted(purchases.loc[purchases["at"] < start, "customer"].unique()))
    table = pd.DataFrame(index=known)
    for days in horizons:
        end = start + timedelta(days=days)
        if end > last + timedelta(days=1):
            continue
        ahead = purchases[(purchases["at"] >= start) & (purchases["at"] < end)].groupby("customer")
        table[f"orders_{days}"] = ahead["order"].nunique().reindex(known).fillna(0).astype(np.float64)
        table[f"revenue_{days}"] = ahead["amount"].sum().reindex(known).fillna(0.0)
    return table


def chances(past: Sequence[Snapshot], snapshot: Snapshot, table: pd.DataFrame, *, half_life: float) -> dict[str, Numbers]:
    """By what each method ranks who orders within the horizon; all but recency are probabilities."""
    steady = said_by(fitted("bg_nbd", snapshot), snapshot, snapshot.horizon)
    return {
        RECENCY: -snapshot.customers()["recency"].to_numpy(np.float64),
        BG_NBD: steady["p_order"].to_numpy(np.float64),
        RFM: by_rfm(past, snapshot, half_life=half_life),
        OURS: table[f"likelihood_{snapshot.horizon}"].to_numpy(np.float64),
    }


def by_rfm(past: Sequence[Snapshot], snapshot: Snapshot, *, half_life: float) -> Numbers:
    """The probability by a logistic regression on the logarithms of RFM (mean revenue per order), with our dates and weights."""
    rows = np.concatenate([_rfm(each) for each in past])
    ordered = np.concatenate([each.ordered() for each in past])
    ages = np.concatenate([np.full(len(each.codes), past[0].day - each.day) for each in past])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    model.fit(rows, ordered, logisticregression__sample_weight=0.5 ** (ages / half_life))
    return np.asarray(model.predict_proba(_rfm(snapshot))[:, 1], np.float64)


def _rfm(snapshot: Snapshot) -> Numbers:
    return np.asarray(np.log1p(snapshot.customers()[["recency", "frequency", "monetary"]].clip(lower=0).to_numpy(np.float64)), np.float64)


def volumes(snapshot: Snapshot, table: pd.DataFrame) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """Orders, and revenue, that each method expects within the horizon. Pareto/NBD counts order days: times the shop's orders per order day."""
    facts, horizon = snapshot.customers(), snapshot.horizon
    days = said_by(fitted("pareto_nbd", snapshot), snapshot, horizon)["expected_orders"].to_numpy(np.float64)
    mean = facts["spent"] / facts["order_days"]
    each = GammaGamma.fit(facts["order_days"], mean).expected_value(facts["order_days"], mean)
    usual = usual_volume(snapshot)["orders"].to_numpy(np.float64)
    orders = {
        OWN_RATE: usual,
        PARETO: days * float(facts["frequency"].sum() / facts["order_days"].sum()),
        OURS: table[f"expected_orders_{horizon}"].to_numpy(np.float64),
    }
    value = {
        OWN_RATE: usual * facts["monetary"].to_numpy(np.float64),
        GAMMA: days * each,
        SPENT: facts["spent"].to_numpy(np.float64),
        RFM_SUM: table[["rfm_recency", "rfm_frequency", "rfm_monetary"]].sum(axis=1).to_numpy(np.float64),
        OURS: table[f"expected_revenue_{horizon}"].to_numpy(np.float64),
    }
    return orders, value


def captured(origin: Origin, name: str, *, count: int | None = None) -> float:
    """The share of the horizon's revenue that the first customers by a method's value bring: ``TOP`` of them, or so many."""
    revenue = origin.came[f"revenue_{origin.horizon}"].to_numpy()
    first = metrics.order_of(origin.value[name])[: int(len(revenue) * TOP) if count is None else count]
    return float(revenue[first].sum() / revenue.sum())
