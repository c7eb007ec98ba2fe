"""Past dates of a shop become tables for docs/evaluation.md, and what of the stated figures does not hold."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from _customers_origins import BG_NBD, GAMMA, OURS, OWN_RATE, PARETO, RECENCY, RFM, RFM_SUM, SPENT, Origin, captured
from _grounds import SEED
from _page import figure, ratio, table_of
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from features.snapshot import Snapshot
from models import metrics
from models.customers.btyd_cells import Numbers
from models.customers.importance import VIP

MOST_ECE = 0.02
RIVALS = {RECENCY: ("AUC",), BG_NBD: ("AUC", "log loss"), RFM: ("AUC", "log loss")}
MEASURES: dict[str, Callable[[Numbers, NDArray[np.bool_]], float]] = {
    "AUC": metrics.auc,
    "log loss": metrics.log_loss,
    "calibration error": metrics.calibration_error,
    "buyers": metrics.level,
}
FALLING = ("active", "slipping away", "lost")


DRAWS = 200


def chance_error(given: Numbers) -> float:
    """The calibration error that these probabilities have on average when they are all true: what is left to chance."""
    draws = np.random.default_rng(SEED).random((DRAWS, len(given))) < given
    return float(np.mean([metrics.calibration_error(given, drawn) for drawn in draws]))


def same_level(given: Numbers, came: NDArray[np.bool_]) -> Numbers:
    """The probabilities with log-odds moved alike until they add up to what came: as if the level of the coming days were known."""
    odds = logit(given)
    shift = brentq(lambda step: expit(odds + step).sum() - came.sum(), -9.0, 9.0)
    return np.asarray(expit(odds + shift), np.float64)


def calibration(origins: Sequence[Origin]) -> list[str]:
    """How much of our calibration error is chance, and how much the level of the coming days."""
    rows = []
    for each in origins:
        given = each.chance[OURS]
        errors = (
            chance_error(given),
            metrics.calibration_error(same_level(given, each.again), each.again),
            metrics.calibration_error(given, each.again),
        )
        rows.append([str(each.as_of), *(figure(error) for error in errors), figure(metrics.level(given, each.again)), f"{each.again.mean():.1%}"])
    heads = ("as of", "were all probabilities true (chance)", "were the level known", "as it is", "buyers", "who really ordered")
    return ["**Where the calibration error comes from** (20 bins of equal count).", "", *table_of(heads, rows)]


def likelihoods(origins: Sequence[Origin]) -> list[str]:
    """Who orders within the horizon: every method at every date."""
    rows = []
    for each in origins:
        for name, given in each.chance.items():
            known = [figure(MEASURES[measure](given, each.again)) if name != RECENCY or measure == "AUC" else "" for measure in MEASURES]
            quality = metrics.lift_quality(given, each.again)
            rows.append([str(each.as_of), name, *known, f"{quality:.0f}, {metrics.band(quality)}"])
    return [f"**Who orders within {origins[0].horizon} days.**", "", *table_of(("as of", "method", *MEASURES, "Lift Quality"), rows)]


def further(origins: Sequence[Origin]) -> list[str]:
    """The longer horizons that have passed."""
    rows = []
    for each in origins:
        for days in each.passed()[1:]:
            given, orders = (each.table[f"{column}_{days}"].to_numpy(np.float64) for column in ("likelihood", "expected_orders"))
            again, came = each.ordered(days), each.came[f"orders_{days}"].to_numpy()
            rows.append([str(each.as_of), str(days), *(figure(measure(given, again)) for measure in MEASURES.values()), over(orders, came)])
    return ["**Longer horizons**, where they have passed.", "", *table_of(("as of", "days", *MEASURES, "orders"), rows)]


def totals(origins: Sequence[Origin]) -> list[str]:
    """Orders and revenue expected over real, and the mean error per customer."""
    rows = []
    for each in origins:
        orders, revenue = (each.came[f"{name}_{each.horizon}"].to_numpy() for name in ("orders", "revenue"))
        for name, value in ((OWN_RATE, OWN_RATE), (PARETO, GAMMA), (OURS, OURS)):
            counts, money = each.orders[name], each.value[value]
            errors = [figure(metrics.mae(counts, orders)), f"{metrics.mae(money, revenue):.0f}"]
            rows.append([str(each.as_of), name, over(counts, orders), errors[0], over(money, revenue), errors[1]])
    heads = ("as of", "method", "orders, expected / real", "MAE orders", "revenue, expected / real", "MAE revenue")
    return [f"**Orders and revenue of {origins[0].horizon} days.** Pareto/NBD's revenue is by Gamma-Gamma.", "", *table_of(heads, rows)]


def revenue_of_the_best(origins: Sequence[Origin]) -> list[str]:
    """The share of revenue that the first tenth of customers by each value brought."""
    names = (RFM_SUM, OWN_RATE, SPENT, GAMMA, OURS)
    shares = np.array([[captured(each, name) for name in names] for each in origins])
    rows = [[str(each.as_of), *map(figure, row)] for each, row in zip(origins, shares, strict=True)]
    rows.append(["mean", *map(figure, shares.mean(axis=0))])
    return [f"**Share of the revenue of {origins[0].horizon} days from the first 10 % of customers by**", "", *table_of(("as of", *names), rows)]


def vip_revenue(origins: Sequence[Origin]) -> pd.DataFrame:
    """What each customer brought (``revenue``) by date (``as_of``), and who was a VIP (``vip``), or would have been among as many by past revenue
    (``by_past``), or by our revenue expected in the horizon, of those with more than one order like VIPs (``soon``): flags, a row per customer."""
    frames = []
    for each in origins:
        vip = (each.table["importance"] == VIP).to_numpy()
        soon = np.where(each.table["frequency"].to_numpy() > 1, each.value[OURS], -1.0)
        flags = {"vip": vip, "by_past": first(each.value[SPENT], int(vip.sum())), "soon": first(soon, int(vip.sum()))}
        frames.append(pd.DataFrame({"as_of": str(each.as_of), "revenue": each.came[f"revenue_{each.horizon}"], **flags}))
    return pd.concat(frames)


def first(values: Numbers, count: int) -> NDArray[np.bool_]:
    """Which customers are the first so many."""
    found = np.zeros(len(values), dtype=bool)
    found[metrics.order_of(values)[:count]] = True
    return found


def ratio_draws(found: pd.DataFrame) -> NDArray[np.float64]:
    """Revenue of VIPs over that of as many by past revenue, in draws of customers with replacement; a customer is drawn on all dates together."""
    sums = pd.DataFrame({name: found["revenue"] * found[name] for name in ("vip", "by_past")}).groupby(level=0).sum().to_numpy()
    times = np.random.default_rng(SEED).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
    drawn = times @ sums
    return np.asarray(drawn[:, 0] / drawn[:, 1], np.float64)


def vips(found: pd.DataFrame, days: int) -> list[str]:
    """The revenue of VIPs beside that of the best by past revenue, each date and all of them."""
    cells = []
    for name, rows in [*found.groupby("as_of", sort=False), ("together", found)]:
        sums = {flag: float(rows.loc[rows[flag], "revenue"].sum()) for flag in ("vip", "by_past", "soon")}
        shares = [f"{each:,.0f} ({each / rows['revenue'].sum():.1%})" for each in sums.values()]
        cells.append([str(name), f"{rows['vip'].sum():,}", *shares, ratio(sums["vip"] / sums["by_past"], ratio_draws(rows))])
    heads = (
        "as of",
        "customers",
        "revenue of VIPs",
        "of as many by past revenue",
        f"of as many by revenue expected in {days} days",
        "VIPs over past",
    )
    about = f"with the highest geometric mean of the revenue so far and of that expected in {days} days; the last column has the middle 95 % of draws"
    return [f"**VIPs**: what they brought in {days} days, with the share of all; they are those {about}.", "", *table_of(heads, cells)]


def returns(rates: dict[str, pd.DataFrame], days: int) -> list[str]:
    """Who came back, by stage of life."""
    rows = []
    for name, table in rates.items():
        cells = [f"{row.returned:.1%} of {row.customers:,}" for row in table.itertuples()]
        rows.append([name, *cells, "yes" if falls(table) else "no"])
    stages = next(iter(rates.values())).index
    return [f"**Who came back within {days} days**, by stage of life.", "", *table_of(("as of", *stages, "falls from active to lost"), rows)]


def falls(rates: pd.DataFrame) -> bool:
    """Whether fewer come back from one stage of life to the next; a stage without customers says nothing."""
    known = rates.loc[list(FALLING), "returned"].dropna()
    return bool((known.diff().dropna() < 0).all())


def came_next(snapshot: Snapshot) -> pd.Series:
    """The day of each customer's next order in the records, days since the epoch; NaN where none came; index customer_id."""
    orders = snapshot.shop.orders
    ahead = orders.filter(orders.day >= snapshot.day)
    first = ahead.group_by("customer").agg(day=ahead.day.min()).to_pandas().set_index("customer")["day"]
    return pd.Series(first.reindex(snapshot.codes).to_numpy(np.float64), index=snapshot.customer_ids)


def next_orders(held: dict[str, tuple[pd.DataFrame, pd.Series]]) -> list[str]:
    """How many next orders came within their interval of 80 %, of the customers whose next order is in the records: by date, what was said
    (``next_order_low``, ``next_order_high``) and the days of ``came_next``. Later ones are not in the records, so late bounds look safer."""
    rows = []
    for name, (said, came) in held.items():
        known = came.notna()
        low, middle, high = (
            said[f"next_order_{each}"].to_numpy().astype("datetime64[D]").astype(np.int64)[known.to_numpy()] for each in ("low", "date", "high")
        )
        day = came[known].to_numpy()
        shares = [np.mean((low <= day) & (day <= high)), np.mean(day < low), np.mean(day > high), np.mean(day < middle)]
        rows.append([name, f"{int(known.sum()):,} of {len(came):,}", *(f"{share:.1%}" for share in shares)])
    heads = ("as of", "customers who ordered again", "within the interval of 80 %", "before it", "after it", "before the median")
    about = "of customers whose next order is in the records; those who would have come later are not, so too many come early"
    return [f"**When the next order came**, {about}.", "", *table_of(heads, rows)]


def over(expected: Numbers, came: Numbers) -> str:
    """Expected over real, of all customers together."""
    return f"{expected.sum() / came.sum():.2f}"


def missed_likelihoods(origins: Sequence[Origin]) -> list[str]:
    """Where a rival is as good as ours, or ours is not calibrated."""
    found = []
    for each in origins:
        ours = {name: measure(each.chance[OURS], each.again) for name, measure in MEASURES.items()}
        for rival, names in RIVALS.items():
            for name in names:
                theirs = MEASURES[name](each.chance[rival], each.again)
                if (ours[name] - theirs) * (1 if name == "AUC" else -1) <= 0:
                    found.append(f"{each.as_of}: {name} {ours[name]:.4f} must be better than that of {rival}, {theirs:.4f}")
        error, level = ours["calibration error"], ours["buyers"]
        if error >= MOST_ECE:
            found.append(f"{each.as_of}: calibration error {error:.3f} must be below {MOST_ECE} (buyers expected over real {level:.2f})")
    return found


def missed_returns(rates: dict[str, pd.DataFrame]) -> list[str]:
    """Dates on which return rates do not fall from active to slipping away to lost."""
    return [f"{name}: return rates must fall from active to lost" for name, table in rates.items() if not falls(table)]


def missed_vips(found: pd.DataFrame) -> list[str]:
    """Whether VIPs bring less than as many customers picked by past revenue, all dates together."""
    ours, past = (float(found.loc[found[name], "revenue"].sum()) for name in ("vip", "by_past"))
    return [] if ours >= past else [f"VIPs brought {ours:,.0f}: must be at least what as many by past revenue brought, {past:,.0f}"]
