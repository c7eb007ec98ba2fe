"""What each customer will do next, on real data: who orders again, how often, what it brings, how they live and how much they matter.

    python benchmarks/customers.py [--data FOLDER] [--only cdnow,online_retail] [--write]

The orders are imported through the real command line. What really happened is read from the raw file, not from whobuys' tables; a customer whom
whobuys does not know (orders free of charge only) is expected to do nothing. With --write the result replaces its section of docs/evaluation.md.
Ends with 1 when a stated figure is missed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import names_among, whobuys
from _customers_origins import Origin, origin_of
from _customers_tables import (
    calibration,
    came_next,
    further,
    likelihoods,
    missed_likelihoods,
    missed_returns,
    missed_vips,
    next_orders,
    returns,
    revenue_of_the_best,
    totals,
    vip_revenue,
    vips,
)
from _grounds import GROUNDS, SEED, there
from _page import DATA, figure, table_of, write_section

from features.config import Config
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.customers.any_horizon import AnyHorizon, ReturnCurve
from models.customers.btyd import BTYD, chosen, fitted, poisson_deviance, said_by
from models.customers.btyd_cells import Numbers
from models.customers.gamma_gamma import GammaGamma
from models.customers.rhythm import Rhythm, return_rates
from training.fits import Fits
from training.train import recipe_of

AS_OF, HORIZON = date(1997, 10, 1), 273
LATER = date(1998, 1, 1)
RETAIL = tuple(GROUNDS["online_retail"].as_of - timedelta(days=30 * step) for step in range(4))
"""The dates of Online Retail, newest first."""
PASSED = (30, 60, 90)
FACTS = (23_570, 19_684, 776_961)
"""Customers, order days of the outcome, and what they brought."""
NAMES = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD"}
OURS = "**whobuys**"
HEADS = ("model", "AUC orders again", "log loss", "buyers", "MAE orders", "Poisson deviance", "orders", "revenue", "seconds")
LEAST_AUC, MOST_OFF, MOST_OFF_REVENUE = 0.772, 0.10, 0.15


@dataclass(frozen=True, eq=False)
class Truth:
    """The customers with an order before the date, and what each did in the horizon: order days and their revenue."""

    customers: pd.Index
    orders: Numbers
    revenue: Numbers


@dataclass(frozen=True, eq=False)
class Said:
    """What a model says: by what it ranks who orders again, the probability of it, order days, revenue; and how long it took."""

    score: Numbers
    p_order: Numbers
    orders: Numbers
    revenue: Numbers
    seconds: float


def truth_of(raw: pd.DataFrame) -> Truth:
    """By the protocol: calendar days, all customers, a purchase day is one order. Stops when it is not the stated ground."""
    days = raw.assign(day=raw["date"].dt.normalize()).groupby(["customer_id", "day"], as_index=False)["amount"].sum()
    days["customer_id"] = days["customer_id"].astype(str)
    start, end = pd.Timestamp(AS_OF), pd.Timestamp(AS_OF + timedelta(days=HORIZON))
    customers = pd.Index(sorted(days.loc[days["day"] < start, "customer_id"].unique()))
    ahead = days[(days["day"] >= start) & (days["day"] < end)].groupby("customer_id")["amount"].agg(["count", "sum"]).reindex(customers).fillna(0)
    truth = Truth(customers, ahead["count"].to_numpy(np.float64), ahead["sum"].to_numpy(np.float64))
    found = (len(customers), int(truth.orders.sum()), round(truth.revenue.sum()))
    assert found == FACTS, f"the ground must be {FACTS}, found {found}; the raw file is another"
    return truth


def answers(snapshot: Snapshot, truth: Truth) -> dict[str, Said]:
    """What every model says of the customers, by name."""
    facts = snapshot.customers()
    mean_value = facts["spent"] / facts["order_days"]
    value = GammaGamma.fit(facts["order_days"], mean_value).expected_value(facts["order_days"], mean_value)

    def said(given: pd.DataFrame, score: Numbers, began: float) -> Said:
        seconds = time.perf_counter() - began
        table = given.assign(score=score, revenue=given["expected_orders"] * value).reindex(truth.customers)
        known = table.fillna({"score": table["score"].min() - 1}).fillna(0.0)
        score, p_order, orders, revenue = known[["score", "p_order", "expected_orders", "revenue"]].to_numpy(np.float64).T
        return Said(score, p_order, orders, revenue, seconds)

    found: dict[str, Said] = {}
    for name in BTYD:
        began = time.perf_counter()
        given = said_by(fitted(name, snapshot), snapshot, HORIZON)
        found[NAMES[name]] = said(given, given["expected_orders"].to_numpy(), began)
    began = time.perf_counter()
    learnt = AnyHorizon.fit(snapshot, horizon=HORIZON, seed=SEED).predict(snapshot)
    found[OURS] = said(learnt, learnt["p_order"].to_numpy(), began)
    return found


def measured(each: Said, truth: Truth) -> dict[str, float]:
    """The figures of one model."""
    again = truth.orders > 0
    return {
        "auc": metrics.auc(each.score, again),
        "log_loss": metrics.log_loss(each.p_order, again),
        "buyers": metrics.level(each.p_order, again),
        "mae": metrics.mae(each.orders, truth.orders),
        "deviance": poisson_deviance(np.maximum(each.orders, 1e-3), truth.orders),
        "orders": float(each.orders.sum() / truth.orders.sum()),
        "revenue": float(each.revenue.sum() / truth.revenue.sum()),
        "seconds": each.seconds,
    }


def section(table: dict[str, dict[str, float]], snapshot: Snapshot, truth: Truth) -> str:
    """The result as Markdown."""
    rows = []
    for name, row in table.items():
        shares = [figure(row[key]) for key in ("log_loss", "buyers", "mae", "deviance", "orders", "revenue")]
        rows.append([name, f"{row['auc']:.4f}".lstrip("0"), *shares, f"{row['seconds']:.0f}"])
    customers, orders, revenue = FACTS
    lines = [
        f"As of {AS_OF}, {HORIZON} days ahead from {HORIZON} days of history. {customers:,} customers, {orders:,} order days,",
        f"{revenue:,} in revenue; {int((truth.orders > 0).sum()):,} ordered again. Buyers, orders and revenue are predicted over real: 1 is right.",
        "Buy-till-you-die models rank by expected orders, which is better than by their probability; revenue is expected orders times Gamma-Gamma's",
        "value of an order day.",
        "",
        *table_of(HEADS, rows),
        "",
        f"Nearest of the three over the last quarter of a year before the date: {NAMES[chosen(snapshot, 91)]}. The shop's return curve:",
        f"order days a week fall with the weeks since the first order to the power of {ReturnCurve.fit(snapshot).fall:.2f}.",
        "How the model was found, and what did not help: [decisions](decisions/customers.md).",
        "",
    ]
    return "\n".join(lines)


def missed(table: dict[str, dict[str, float]]) -> list[str]:
    """Which stated figures the learnt model misses."""
    ours, rivals = table[OURS], [table[name] for name in NAMES.values()]
    found = []
    if ours["auc"] < LEAST_AUC:
        found.append(f"AUC {ours['auc']:.4f}: must be at least {LEAST_AUC}")
    if ours["mae"] >= min(each["mae"] for each in rivals):
        found.append(f"MAE of orders {ours['mae']:.3f}: must be below that of every rival, {min(each['mae'] for each in rivals):.3f}")
    for name, most in (("orders", MOST_OFF), ("revenue", MOST_OFF_REVENUE)):
        if abs(ours[name] - 1) > most:
            found.append(f"{name} {ours[name]:.3f} of what came: must be within {most:.0%}")
    return found


def cdnow(data: Path, *, write: bool) -> list[str]:
    """From the raw file to its section; gives back the figures that are missed."""
    file = data / "cdnow" / "transactions.parquet"
    truth = truth_of(pd.read_parquet(file))
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "cdnow"
        whobuys("import", file, "--shop", shop, "--map", "customer_id=customer_id", "--map", "ordered_at=date", "--map", "revenue=amount")
        snapshot = Snapshot(Shop.open(shop), AS_OF, HORIZON)
        print(f"  {len(snapshot.codes):,} of {len(truth.customers):,} customers are known after the import", flush=True)
        table = {name: measured(each, truth) for name, each in answers(snapshot, truth).items()}
        rates = {str(each): return_rates(snapshot.shop, each, days=PASSED[0]) for each in (LATER, AS_OF)}
        held = next_orders({str(AS_OF): (Rhythm.fit(snapshot).predict(snapshot), came_next(snapshot))})
        problems = [*missed(table), *missed_returns(rates)]
        text = "\n".join([section(table, snapshot, truth), *returns(rates, PASSED[0]), "", *held, "", *not_holding(problems)])
    return told("cdnow", text, problems, write=write)


def online_retail(data: Path, *, write: bool) -> list[str]:
    """From the raw file to its section; gives back the figures that are missed."""
    ground = GROUNDS["online_retail"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = ground.files(data / "online_retail", work)
        whobuys("import", *files.values(), "--shop", work / "shop", *ground.how())
        fits = Fits(Shop.open(work / "shop"), recipe_of(Config()), lambda words: print(f"  {words}", flush=True))
        purchases = ground.purchases(files)
        origins = [origin_of(fits, purchases, as_of, horizons=PASSED) for as_of in RETAIL]
        rates = {str(as_of): return_rates(fits.shop, as_of, days=PASSED[0]) for as_of in RETAIL}
        held = {str(each.as_of): (each.table, came_next(fits.snapshot(each.as_of))) for each in origins}
    text, problems = retail_section(origins, rates, next_orders(held))
    return told("online_retail", text, problems, write=write)


def retail_section(origins: Sequence[Origin], rates: dict[str, pd.DataFrame], held: list[str]) -> tuple[str, list[str]]:
    """All tables as Markdown, and what does not hold."""
    days, of_vips = PASSED[0], vip_revenue(origins)
    tables = [
        likelihoods(origins),
        calibration(origins),
        further(origins),
        totals(origins),
        returns(rates, days),
        held,
        vips(of_vips, days),
        revenue_of_the_best(origins),
    ]
    problems = [*missed_likelihoods(origins), *missed_returns(rates), *missed_vips(of_vips)]
    lines = [
        f"{len(origins)} dates, {days} days apart, each predicted by models that knew nothing after it. Buyers are expected over real: 1 is right."
    ]
    lines += [line for table in tables for line in ("", *table)] + ["", *not_holding(problems)]
    return "\n".join(lines), problems


def not_holding(problems: Sequence[str]) -> list[str]:
    """A line for each stated figure that is missed."""
    return [*(f"* Does not hold: {each}." for each in problems), ""]


def told(name: str, text: str, problems: list[str], *, write: bool) -> list[str]:
    """Print a section, write it if asked to, and give back its problems with the name of the data set."""
    print(f"\n{text}", flush=True)
    if write:
        write_section(f"customers {name}", text)
    return [f"{name}: {each}" for each in problems]


PROOFS = {"cdnow": cdnow, "online_retail": online_retail}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets")
    parser.add_argument("--only", type=names_among(PROOFS), default=list(PROOFS), help="names, separated by commas")
    parser.add_argument("--write", action="store_true", help="write the result into docs/evaluation.md")
    given = parser.parse_args()
    names = there(given.only, given.data)
    problems = [each for name in names for each in PROOFS[name](given.data, write=given.write)]
    print("\n".join(f"missed: {each}" for each in problems) or ("every stated figure is reached" if names else "nothing is measured"))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
