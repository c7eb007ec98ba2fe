"""Cases (date, method, population, set) become slices: how good the answers are for parts of the customers and sets, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.metrics import MEASURES
from models.pairs.baselines import BASELINES
from models.resampling import ap_draws, drawn_customers, gain_draws, interval
from training.evaluation.compared import OURS, Compared
from training.evaluation.ground import FEW, NEW_DAYS, POPULATIONS

SAMPLES, SEED = 200, 1
LEAST_DRAWS = 0.9
"""A slice so small that more draws than the rest hold none of its buyers has no interval."""
RANKINGS = [f"{new}{name}" for new in ("", "new_") for name in MEASURES]
TOTALS = ["sets", "new_sets", "buyers", "new_buyers", "expected"]
Draws = NDArray[np.float64]


@dataclass(frozen=True)
class Slice:
    """A part of all pairs: the customers of a ``population`` and the sets of a ``group``."""

    meaning: str
    population: str = "everybody"
    group: str = "all"


SLICES: dict[str, Slice] = {
    "all": Slice("all customers and product sets"),
    "repeat buyers": Slice("customers who had bought from the set before", population="repeat"),
    "new buyers": Slice("customers who had never bought from the set", population="new"),
    "one-order customers": Slice("customers with exactly one order so far", population="one_order"),
    "best sold sets": Slice("the fifth of the sets with the most orders in the last 90 days (head)", group="head"),
    "middle sets": Slice("the next three tenths of them", group="middle"),
    "little sold sets": Slice("the other half (tail)", group="tail"),
    "new sets": Slice(f"sets that were first sold less than {NEW_DAYS} days before", group="new"),
    "single products": Slice("sets of one product", group="single"),
    "small sets": Slice(f"sets of 2 to {FEW} products", group="few"),
    "large sets": Slice(f"sets of more than {FEW} products", group="many"),
}


def slices_of(cases: pd.DataFrame) -> pd.DataFrame:
    """A row per slice, over all dates together: sets (measured, a set at one date being one), outcomes and expected (of all sets), level,
    ap of ours (the mean over measured sets), the best rule there, its rule_ap, ratio (ap / rule_ap), and place for its interval.
    What cannot be known is NaN."""
    return pd.DataFrame([{"slice": name, **_row(_in(cases, each))} for name, each in SLICES.items()])


def pooled(methods: pd.DataFrame) -> pd.DataFrame:
    """The table ``methods`` over all dates together, a row per method (the index): rankings as means over all measured sets, so that they are those
    of the slices; totals as sums; level of the totals; log loss and calibration error as means over the dates."""
    by = methods["method"]
    weights = pd.DataFrame({name: methods["new_sets" if name.startswith("new_") else "sets"] for name in RANKINGS}).where(
        methods[RANKINGS].notna(), 0
    )
    sums = (methods[RANKINGS].fillna(0) * weights).groupby(by, sort=False).sum()
    totals = methods[TOTALS].groupby(by, sort=False).sum(min_count=1)
    truth = methods[["log_loss", "calibration_error"]].groupby(by, sort=False).mean()
    found = (sums / weights.groupby(by, sort=False).sum()).join(totals).join(truth)
    return found.assign(level=found["expected"] / found["buyers"])


def pooled_ours(methods: pd.DataFrame) -> dict[str, float]:
    """The row of ours in ``pooled``."""
    row = pooled(methods).loc[[OURS]]
    return dict(zip(row.columns, row.to_numpy(np.float64)[0].tolist(), strict=True))


def with_intervals(slices: pd.DataFrame, cases: pd.DataFrame, compared: Sequence[Compared], *, samples: int = SAMPLES) -> pd.DataFrame:
    """The same with ratio_low and ratio_high: the middle 95 % of ``samples`` draws of customers, the same draws for ours, for the rules and on
    every date (a paired bootstrap over customers; sets and dates share them)."""
    wanted = {(OURS, SLICES[name].population) for name in slices["slice"]}
    wanted |= {(rule, SLICES[name].population) for name, rule in zip(slices["slice"], slices["rule"], strict=True) if rule}
    drawn = _drawn(compared, wanted, samples=samples)
    ours = cases[(cases["method"] == OURS) & (cases["population"] == "everybody")]
    bounds = [_bounds(drawn, SLICES[name], rule, ours) for name, rule in zip(slices["slice"], slices["rule"], strict=True)]
    return slices.assign(**dict(zip(("ratio_low", "ratio_high"), np.transpose(bounds), strict=True)))


def with_band(gain: pd.DataFrame, compared: Sequence[Compared], *, samples: int = SAMPLES) -> pd.DataFrame:
    """The table ``gain`` with gain_low and gain_high for ours: the middle 95 % of the same draws."""
    found = gain.assign(gain_low=np.nan, gain_high=np.nan)
    for each in compared:
        ground = each.ground
        rows = (gain["method"] == OURS) & (gain["origin"] == ground.snapshot.as_of.isoformat())
        people = drawn_customers(len(ground.snapshot.shop.customer_ids), samples=samples, seed=SEED)[ground.snapshot.codes]
        drawn = gain_draws(each.given, ground.outcome, people, gain.loc[rows, "share"].to_numpy(np.float64))
        found.loc[rows, ["gain_low", "gain_high"]] = np.quantile(drawn, [0.025, 0.975], axis=1).T
    return found


def _in(cases: pd.DataFrame, part: Slice) -> pd.DataFrame:
    return cases[(cases["population"] == part.population) & cases[part.group]]


def _row(cases: pd.DataFrame) -> dict[str, object]:
    ours = cases[cases["method"] == OURS]
    aps = cases.groupby("method", sort=False)["ap"].mean()
    rules = aps.drop(OURS, errors="ignore").dropna()
    rule = str(rules.idxmax()) if len(rules) else ""
    outcomes, expected = int(ours["outcomes"].sum()), float(ours["expected"].sum())
    ap, rule_ap = float(aps.get(OURS, np.nan)), float(rules.max()) if rule else np.nan
    return {
        "sets": int(ours["ap"].notna().sum()),
        "outcomes": outcomes,
        "expected": expected,
        "level": expected / outcomes if outcomes else np.nan,
        "ap": ap,
        "rule": rule,
        "rule_ap": rule_ap,
        "ratio": ap / rule_ap if rule_ap else np.nan,
        "ratio_low": np.nan,
        "ratio_high": np.nan,
    }


def _drawn(compared: Sequence[Compared], wanted: set[tuple[str, str]], *, samples: int) -> Mapping[tuple[str, str], Draws]:
    """Average precision in every draw, by method and population: the sets of all dates below each other x draws."""
    parts: dict[tuple[str, str], list[Draws]] = {key: [] for key in sorted(wanted)}
    for each in compared:
        ground = each.ground
        people = drawn_customers(len(ground.snapshot.shop.customer_ids), samples=samples, seed=SEED)[ground.snapshot.codes]
        for method in sorted({method for method, _ in wanted}):
            scores = each.scores(method)
            for population in [name for name in POPULATIONS if (method, name) in wanted]:
                among, measured = POPULATIONS[population](ground), ground.measured(population)
                parts[method, population].append(ap_draws(scores, ground.outcome, among, people, measured=measured))
    return {key: np.vstack(found) for key, found in parts.items()}


def _bounds(drawn: Mapping[tuple[str, str], Draws], part: Slice, rule: str, cases: pd.DataFrame) -> tuple[float, float]:
    if not rule:
        return np.nan, np.nan
    chosen = cases[part.group].to_numpy()
    ours, other = (_mean(drawn[method, part.population][chosen]) for method in (OURS, rule))
    ratios = (ours / other)[~np.isnan(ours)]
    return interval(ratios) if len(ratios) > LEAST_DRAWS * len(ours) else (np.nan, np.nan)


def _mean(values: Draws) -> Draws:
    """Over the sets; NaN for a draw that holds no buyer of any of them."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.asarray(np.divide(np.where(known, values, 0).sum(axis=0), count, out=np.full(len(count), np.nan), where=count > 0))


def named(rule: str) -> str:
    """What a rule is called."""
    return BASELINES[rule].meaning if rule in BASELINES else rule
