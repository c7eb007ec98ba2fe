"""The tables of an evaluation become a verdict in plain words."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from models import metrics, set_metrics
from models.pairs.baselines import BASELINES
from training.evaluation.compared import OURS
from training.evaluation.slices import named, pooled, pooled_ours

Tables = Mapping[str, pd.DataFrame]
LEAST = 5
"""From so many measured sets on a slice is judged."""
ENOUGH, FAR_OFF = 1000, 0.1
"""From so many outcomes on a total is judged, and so far from the truth it is told."""


def verdict(tables: Tables) -> list[str]:
    """Sentences, the most important first: against the rules, in numbers, in slices, as a ranking, as probabilities, and in intervals."""
    if "slices" not in tables:
        return list(_customers(tables["customers"]))
    slices, methods, coverage = tables["slices"], tables["methods"], tables["coverage"]
    levels = (_level(slices), _off(slices))
    parts = (_rules(slices, methods), _answered(coverage), *levels, _slices(slices), _ranking(methods), _truth(methods), _coverage(coverage))
    return [sentence for part in (*parts, _customers(tables["customers"])) for sentence in part]


def better(row: pd.Series) -> bool | None:
    """Whether ours is better than the best rule in a slice, by its interval if it has one; None when that is not sure, or too little is known."""
    low, high = row["ratio_low"], row["ratio_high"]
    if row["sets"] < LEAST or pd.isna(row["ratio"]):
        return None
    if pd.isna(low):
        return bool(row["ratio"] > 1)
    return True if low > 1 else False if high < 1 else None


def _rules(slices: pd.DataFrame, methods: pd.DataFrame) -> Iterator[str]:
    row = slices.iloc[0]
    if pd.isna(row["ap"]):
        yield f"No product set had {set_metrics.MIN_BUYERS} buyers: nothing can be said of the ranking."
        return
    best = "Better than every simple rule" if set(BASELINES) <= set(methods["method"]) else "Better than the strongest simple rules"
    found = {True: best, None: "Not surely better than the simple rules", False: "Not better than the simple rules"}
    yield f"{found[better(row)]}: AP {digits(row['ap'])} against {digits(row['rule_ap'])} ({named(row['rule'])}){_ratio(row)}."


def _level(slices: pd.DataFrame) -> Iterator[str]:
    row = slices.iloc[0]
    off = row["level"] - 1
    if pd.isna(off):
        yield f"Expected buyers: {row['expected']:,.0f}, real: none."
        return
    words = "right to the per cent" if abs(off) < 0.005 else f"{abs(off):.0%} too {'many' if off > 0 else 'few'}"
    yield f"Expected buyers: {row['expected']:,.0f}, real: {row['outcomes']:,} ({words.replace('%', ' %')})."


def _off(slices: pd.DataFrame) -> Iterator[str]:
    """The slices whose total is far off although the whole may be right."""
    parts = slices.iloc[1:]
    off = parts["level"] - 1
    far = parts[(parts["outcomes"] >= ENOUGH) & (off.abs() > FAR_OFF)]
    if len(far):
        words = (f"{row['slice']} ({abs(row['level'] - 1) * 100:.0f} % too {'many' if row['level'] > 1 else 'few'})" for _, row in far.iterrows())
        yield f"But expected buyers are off by more than {FAR_OFF * 100:.0f} % among: {', '.join(words)}."


def _slices(slices: pd.DataFrame) -> Iterator[str]:
    parts = slices.iloc[1:]
    known = parts["ap"].notna() & (parts["sets"] >= LEAST)
    judged = [(row, better(row)) for _, row in parts[known].iterrows()]
    if good := [str(row["slice"]) for row, each in judged if each]:
        yield f"Better also for {', '.join(good)}."
    for row, each in judged:
        if not each:
            words = "No sure difference" if each is None else "Not better"
            rule = "the same rule" if row["rule"] == slices["rule"].iloc[0] else named(row["rule"])
            yield f"{words} for {row['slice']}: AP {digits(row['ap'])} against {digits(row['rule_ap'])} ({rule}){_ratio(row)}."
    if few := parts.loc[~known, "slice"].tolist():
        yield f"Too few product sets with enough buyers to tell: {', '.join(few)}."


def _ranking(methods: pd.DataFrame) -> Iterator[str]:
    ours = pooled_ours(methods)
    if np.isnan(ours["lift_quality"]):
        return
    yield f"Lift Quality {ours['lift_quality']:.0f} of 100: {metrics.band(ours['lift_quality'])}."
    first, *others = (f"{share * 100:.0f} %" for share in metrics.CAUGHT)
    sizes = [f"{ours[f'catch_{share * 100:.0f}'] * 100:.3g} %" for share in metrics.CAUGHT]
    later = ", ".join(f"{share} of them {size}" for share, size in zip(others, sizes[1:], strict=True))
    yield f"To catch {first} of a product set's buyers, ask the likeliest {sizes[0]} of all customers; {later}."


def _truth(methods: pd.DataFrame) -> Iterator[str]:
    means = pooled(methods)
    rules = means["log_loss"].drop(OURS).dropna()
    if not len(rules):
        return
    best = str(rules.idxmin())
    (ours, other), errors = means.loc[[OURS, best], ["log_loss", "calibration_error"]].to_numpy(np.float64).T.tolist()
    words = "Truer than" if ours < other else "No truer than"
    loss, error = (" against ".join(digits(each, 4) for each in both) for both in ((ours, other), errors))
    yield f"{words} every rule that was made a probability: log loss {loss} ({named(best)}); calibration error {error}."


def _coverage(coverage: pd.DataFrame) -> Iterator[str]:
    sets, share = coverage["sets"].sum(), coverage["share"].iloc[0]
    held = coverage["sets_covered"].sum() / sets
    yield (
        f"Intervals that should hold {share * 100:.0f} % held the real buyers of {held * 100:.0f} % of the product sets, "
        f"and those of all together on {coverage['covered'].sum()} of {len(coverage)} dates."
    )


def _answered(coverage: pd.DataFrame) -> Iterator[str]:
    rules = coverage.loc[coverage["answered"] != OURS, "answered"]
    if len(rules):
        yield (
            f"On {len(rules)} of {len(coverage)} dates a simple rule answered ({'; '.join(rules.unique())}), "
            "as the dates before did not show that the model is better."
        )


def _customers(customers: pd.DataFrame) -> Iterator[str]:
    expected, ordered = customers["expected"].sum(), customers["ordered"].sum()
    yield (
        f"Who orders anything: expected {expected:,.0f} customers, real {ordered:,}; "
        f"AUC {digits(customers['auc'].mean())} against {digits(customers['auc_recency'].mean())} (who ordered last)."
    )


def _ratio(row: pd.Series) -> str:
    interval = "" if pd.isna(row["ratio_low"]) else f", 95 %: {row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
    return f"; {row['ratio']:.2f} times as good{interval}"


def digits(value: float, places: int = 3) -> str:
    """A fraction without the 0 before its point.

    >>> digits(0.278), digits(1.0), digits(0.0312, 4)
    ('.278', '1.000', '.0312')
    """
    return f"{value:.{places}f}".removeprefix("0")
