"""What is known of customers becomes likelihood and expected orders of any horizon, also one as long as the whole history, from shorter ones.

A model that was trained on 10 weeks and is asked about 39 has seen no such outcome. Here every time is told in horizons: who ordered half a horizon
ago, twice in a horizon. In these columns dates with a shorter horizon and a younger shop look like the date that is asked about.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from features.errors import DataError
from features.snapshot import Snapshot
from models.blend import Blend
from models.customers.btyd import BTYD, BuyTillYouDie, fitted, order_days_after, said_by
from models.customers.btyd_cells import WEEK, Numbers
from models.customers.likelihood import CUSTOMERS
from models.tree_tables import Trees
from models.trees import CUSTOMER_TREES, boosted

SHARES = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4)
"""Horizons that are learnt from, in those whose history is as long, in horizons, as that of the date that is asked about."""
LEAST = 7
"""No horizon is shorter, in days."""
PARTS = (8, 4, 2, 1)
STEEPEST = 3.0
SMALL = 1e-9
LIFETIMES = "pareto_nbd"
"""The buy-till-you-die model that takes part."""


@dataclass(frozen=True)
class ReturnCurve:
    """How often a customer orders again, by the weeks since the first order: ``level * weeks ** -fall`` order days a week, whoever it is."""

    level: float
    fall: float

    @classmethod
    def fit(cls, snapshot: Snapshot) -> Self:
        """The likeliest curve for the repeat order days of all customers from their second week on; level 0 where nobody came again."""
        days = _purchases(snapshot)
        ages = snapshot.customers()["age"].to_numpy()
        since = (ages[days["customer"]] - days["ago"].to_numpy()) // WEEK
        weeks = np.arange(1, max(int(ages.max() // WEEK), 1) + 1)
        came = np.bincount(since[since >= 1].astype(np.int64), minlength=len(weeks) + 1)[1:].astype(np.float64)
        # customers x weeks that were lived through at that age: a running sum of customers by age
        reached = np.bincount(np.minimum(ages // WEEK, len(weeks)).astype(np.int64), minlength=len(weeks) + 1)
        whole = len(ages) - np.cumsum(reached)
        part = np.bincount(np.minimum(ages // WEEK, len(weeks)).astype(np.int64), weights=(ages % WEEK) / WEEK, minlength=len(weeks) + 1)
        lived = (whole + part)[1:]
        middle, total = weeks + 0.5, came.sum()
        if not total:
            return cls(0.0, 1.0)

        from scipy.optimize import minimize_scalar

        def loss(fall: float) -> float:
            return float(total * np.log(lived @ middle**-fall) + came @ (fall * np.log(middle)))

        fall = float(minimize_scalar(loss, bounds=(0.0, STEEPEST), method="bounded").x)
        return cls(float(total / (lived @ middle**-fall)), fall)

    def expected(self, ages: Numbers, days: float) -> Numbers:
        """Order days within the next ``days`` of customers whose first order was ``ages`` days ago."""
        begin, end, rest = np.maximum(ages, 1.0) / WEEK, (np.maximum(ages, 1.0) + days) / WEEK, 1.0 - self.fall
        grown = np.log(end / begin) if abs(rest) < 1e-6 else (end**rest - begin**rest) / rest
        return np.asarray(self.level * grown, np.float64)


@dataclass(frozen=True, eq=False)
class AnyHorizon:
    """The fitted models of who orders and of how many order days, for one date and horizon: what was learnt, Pareto/NBD, and the shop's curve.

    ``curve`` is None where the total of Pareto/NBD was nearer to what came the last time.
    """

    horizon: int
    blend: Blend
    trees: Trees
    lifetimes: BuyTillYouDie
    curve: ReturnCurve | None

    @classmethod
    def fit(cls, snapshot: Snapshot, *, horizon: int, seed: int = 1, threads: int = 2) -> Self:
        """Learn from dates before the snapshot's whose shorter horizons have passed by it. Raises DataError where nobody came again, or all did."""
        found = [(Snapshot(snapshot.shop, snapshot.as_of - timedelta(days=days), days), days) for days in horizons_learnt(snapshot, horizon)]
        if not found:
            raise DataError(f"as of {snapshot.as_of} the orders do not go back far enough to learn from")
        columns = pd.concat([proportional(past, days) for past, days in found], ignore_index=True)
        came = np.concatenate([order_days_after(past, days) for past, days in found])
        if not came.any() or came.all():
            raise DataError("on the training dates nobody ordered within the horizon, or everybody did; train with another horizon")
        blend = Blend.fit(columns, came > 0, np.ones(len(came), np.float32), config=CUSTOMERS, seed=seed, threads=threads)
        trees = boosted(columns, came, None, objective="poisson", config=CUSTOMER_TREES, seed=seed, threads=threads)
        return cls(horizon, blend, trees, fitted(LIFETIMES, snapshot), _nearer_curve(snapshot, horizon))

    def predict(self, snapshot: Snapshot) -> pd.DataFrame:
        """``p_order`` and ``expected_orders`` (order days) within the horizon, of every customer, index customer_id.

        Both are means of what was learnt and of Pareto/NBD, in log-odds and in logarithms. Expected orders add up to what the return curve expects of
        the customers' ages, or to the total of Pareto/NBD, which then tells the number of buyers, too; if the curve expects c times what was learnt,
        as many buyers come as if every customer ordered c times as often.
        """
        columns, usual = proportional(snapshot, self.horizon), said_by(self.lifetimes, snapshot, self.horizon)
        learnt = np.exp(self.trees.raw_scores(columns.to_numpy(np.float32), threads=self.blend.threads))
        log_odds = np.asarray(self.blend.log_odds(columns), np.float64)
        orders = np.sqrt(learnt * np.maximum(usual["expected_orders"].to_numpy(), SMALL))
        both = (log_odds + logit(np.clip(usual["p_order"].to_numpy(), SMALL, 1.0 - SMALL))) / 2.0

        def levels() -> tuple[float, float]:
            total, buyers = float(usual["expected_orders"].sum()), float(usual["p_order"].sum())
            if self.curve is not None:
                total = float(self.curve.expected(snapshot.customers()["age"].to_numpy(), self.horizon).sum())
                buyers = float((1.0 - expit(-log_odds) ** (total / learnt.sum())).sum())
            return step_to(both, buyers), total / float(orders.sum())

        step, times = snapshot.shop.of_all(("levels", snapshot.day, self.horizon), levels)
        return pd.DataFrame({"p_order": expit(both + step), "expected_orders": orders * times}, index=usual.index)

    def save(self, folder: Path) -> None:
        """Write text models and JSON into a folder."""
        self.blend.save(folder)
        self.trees.save(folder / "orders.txt")
        curve = self.curve and asdict(self.curve)
        content = {"horizon": self.horizon, "threads": self.blend.threads, "lifetimes": self.lifetimes.as_dict(), "curve": curve}
        (folder / "any_horizon.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of ``save``."""
        content = json.loads((folder / "any_horizon.json").read_text(encoding="utf-8"))
        lifetimes, curve = BTYD[LIFETIMES].of_dict(content["lifetimes"]), content["curve"] and ReturnCurve(**content["curve"])
        return cls(content["horizon"], Blend.load(folder, threads=content["threads"]), Trees.load(folder / "orders.txt"), lifetimes, curve)


def step_to(log_odds: Numbers, total: float) -> float:
    """The step by which log-odds are moved so that the probabilities add up to ``total``, which is above 0 and below their number.

    >>> expit(np.array([0.0, 0.0]) + step_to(np.array([0.0, 0.0]), 0.5)).round(6).tolist()
    [0.25, 0.25]
    """
    from scipy.optimize import brentq

    return float(brentq(lambda step: float(expit(log_odds + step).sum()) - total, -50.0, 50.0))


def horizons_learnt(snapshot: Snapshot, horizon: int) -> Sequence[int]:
    """The horizons of the dates that are learnt from, in days, shortest first: each is over by the snapshot's date, and had orders before it.

    With a history of S and a horizon of H days the one of S H / (S + H) has the same proportion of history to horizon.
    """
    history = snapshot.day - snapshot.shop.days[0]
    alike = history * horizon / (history + horizon)
    found = {max(LEAST, round(alike * share)) for share in SHARES}
    return sorted(days for days in found if days <= min(horizon, history - LEAST))


def proportional(snapshot: Snapshot, horizon: int) -> pd.DataFrame:
    """A row per customer, float32: times in horizons, order days in parts of a horizon, and what was spent; index customer_id."""
    facts, days = snapshot.customers(), _purchases(snapshot)
    count, age = facts["order_days"], facts["age"]
    columns = pd.DataFrame({"order_days": count}, index=facts.index)
    for name in ("recency", "age", "active_days", "rhythm"):
        columns[f"{name}_h"] = facts[name] / horizon
    columns["recency_age"] = facts["recency"] / age
    columns["rate_h"], columns["repeat_rate_h"] = count / age * horizon, (count - 1) / age * horizon
    columns["lateness"] = facts["lateness"]
    gap = facts["active_days"] / (count - 1).where(count > 1)
    columns["gap_h"], columns["lateness_mean"] = gap / horizon, facts["recency"] / gap
    columns["monetary"], columns["spent"] = facts["spent"] / count, facts["spent"]
    customer, ago, revenue = (days[name].to_numpy() for name in ("customer", "ago", "revenue"))
    for part in PARTS:
        weight = 0.5 ** (ago * part / horizon)
        columns[f"decayed_{part}"] = np.bincount(customer, weight, minlength=len(facts))
        columns[f"orders_{part}"] = np.bincount(customer, ago <= horizon / part, minlength=len(facts))
    columns["spent_decayed"] = np.bincount(customer, revenue * 0.5 ** (ago * 2 / horizon), minlength=len(facts))
    first, last = days.groupby("customer")["ago"].idxmax(), days.groupby("customer")["ago"].idxmin()
    columns["first_spent"], columns["last_spent"] = revenue[first.to_numpy()], revenue[last.to_numpy()]
    return columns.astype(np.float32)


def _nearer_curve(snapshot: Snapshot, horizon: int) -> ReturnCurve | None:
    """The shop's return curve, if on the last date of the same proportion of history to horizon its total was nearer than that of Pareto/NBD."""
    history = snapshot.day - snapshot.shop.days[0]
    days = min(max(LEAST, round(history * horizon / (history + horizon))), horizon)
    past = Snapshot(snapshot.shop, snapshot.as_of - timedelta(days=days), days)
    came = float(order_days_after(past, days).sum())
    by_curve = float(ReturnCurve.fit(past).expected(past.customers()["age"].to_numpy(), days).sum())
    by_model = float(said_by(fitted(LIFETIMES, past), past, days)["expected_orders"].sum())
    curve = ReturnCurve.fit(snapshot)
    return curve if curve.level and abs(np.log1p(by_curve) - np.log1p(came)) < abs(np.log1p(by_model) - np.log1p(came)) else None


def _purchases(snapshot: Snapshot) -> pd.DataFrame:
    """A row per customer (position in the snapshot) and order day: days ``ago`` and ``revenue``, sorted."""
    orders = snapshot.shop.orders.filter(snapshot.shop.orders.day < snapshot.day)
    days: pd.DataFrame = orders.group_by("customer", "day").agg(revenue=orders.revenue.sum()).order_by("customer", "day").to_pandas()
    places = np.searchsorted(snapshot.codes, days["customer"].to_numpy())
    return pd.DataFrame({"customer": places, "ago": snapshot.day - days["day"].to_numpy(np.int64), "revenue": days["revenue"] / 10_000})
