"""What an evaluation measured becomes answers in plain words: is it good, against what, where is it weak, and can a number be trusted."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from models import metrics, set_metrics
from serving.reports.blocks import count, percent
from training.evaluation.compared import OURS
from training.evaluation.slices import named, pooled_ours
from training.evaluation.verdict import ENOUGH, FAR_OFF, LEAST, better

Tables = Mapping[str, pd.DataFrame]
MANY = 0.1
"""How far the share of intervals that held may lie from the stated one before it is told."""
RULES = {
    "random": "by chance",
    "recency": "who ordered last",
    "orders": "who ordered most often",
    "recency_in_set": "who bought from these products last",
    "orders_from_set": "who bought from these products most often",
    "orders_from_set_then_orders": "who bought from these products most often, then who ordered most often",
    "orders_from_set_then_sets": "who bought from these products most often, then who bought most kinds of products",
    "orders_from_set_then_products": "who bought from these products most often, then who bought most different products",
    "decayed_orders_60": "who bought from these products most often lately",
    "orders_times_lines_90": "who bought from these products most often, times how much they bought lately",
    "decayed_orders_120_times_lines_90": "who bought from these products most often lately, times how much they bought lately",
    "shrunk_rate": "who buys from these products at the highest rate",
    "decayed_orders_120_times_expected_products": "who bought from these products most often lately, times how much they are expected to buy",
    "als": "a usual recommender (ALS)",
}
"""Rules in plain words."""


def rule_words(name: str) -> str:
    """A rule in plain words; one that is not listed by its own name."""
    return "whobuys" if name == OURS else RULES.get(name, named(name))


def answers(tables: Tables) -> Iterator[str]:
    """One sentence or two for each question, the most important first."""
    if "slices" not in tables:
        yield "Is it good? What is bought cannot be judged: the orders have no lines. " + _customers(tables["customers"])
        return
    slices = tables["slices"]
    yield f"Is it good? {_good(slices, all_ruled(tables['coverage']))}{_band(tables['methods'])}"
    yield f"Are its numbers right? {_level(slices.iloc[0])} {_customers(tables['customers'])}"
    yield f"Where is it weak? {_weak(slices)}"
    yield f"Can an audience’s number be trusted? {trust(tables['coverage'])}"
    if ruled := _ruled(tables["coverage"]):
        yield ruled


def all_ruled(coverage: pd.DataFrame) -> bool:
    """Whether a simple rule answered in the model's place on all dates."""
    return bool((coverage["answered"] != OURS).all())


def _good(slices: pd.DataFrame, ruled: bool) -> str:
    row = slices.iloc[0]
    if pd.isna(row["ratio"]):
        return f"Nobody can tell yet: no product set had {set_metrics.MIN_BUYERS} buyers."
    sure = (
        " (how sure that is was not measured)"
        if pd.isna(row["ratio_low"])
        else f" (surely between {row['ratio_low']:.2f} and {row['ratio_high']:.2f})"
    )
    times = f"{row['ratio']:.2f} times as good as the best simple rule, “{rule_words(row['rule'])}”{sure}"
    words = {True: "Yes: it finds buyers", None: "Not surely: it finds buyers", False: "No: a simple rule finds buyers better. It is"}[better(row)]
    if ruled:
        words = "As good as a simple rule, for one answers here: nothing showed in time that the model is better. What it answered is"
    return f"{words} {times}{', and which rule is best shows only afterwards' * ruled}."


def _band(methods: pd.DataFrame) -> str:
    ours = pooled_ours(methods)
    if np.isnan(ours["lift_quality"]):
        return ""
    quality = ours["lift_quality"]
    return f" On a scale from 0 (chance) to 100 (perfect) it is at {quality:.0f}, which is called {metrics.band(quality)}."


def _level(row: pd.Series) -> str:
    return f"{count(row['expected'])} buyers were expected, {count(row['outcomes'])} came{off_words(row['level'])}."


def off_words(level: float) -> str:
    """How far expected lies from real, as the end of a sentence.

    >>> off_words(0.93), off_words(1.001), off_words(float("nan"))
    (': 7 % too few were expected', ': right to the per cent', '')
    """
    if np.isnan(level):
        return ""
    off = level - 1
    words = "right to the per cent" if abs(off) < 0.005 else f"{percent(abs(off))} too {'many' if off > 0 else 'few'} were expected"
    return f": {words}"


def _customers(customers: pd.DataFrame) -> str:
    expected, ordered = float(customers["expected"].sum()), float(customers["ordered"].sum())
    off = off_words(expected / ordered if ordered else np.nan)
    return f"Of customers who order anything, {count(expected)} were expected, {count(ordered)} came{off}."


def _weak(slices: pd.DataFrame) -> str:
    found = list(weaknesses(slices))
    return f"{'; '.join(found)}." if found else "Nowhere that could be measured: no part is worse than a simple rule or far off in numbers."


def weaknesses(slices: pd.DataFrame) -> Iterator[str]:
    """Each part that is no better than a simple rule, or whose total is far off."""
    for _, row in slices.iloc[1:].iterrows():
        judged, far = better(row), row["outcomes"] >= ENOUGH and abs(row["level"] - 1) > FAR_OFF
        ranked = row["sets"] >= LEAST and pd.notna(row["ratio"]) and not judged
        words = [{False: "worse than a simple rule", None: "not surely better than a simple rule"}[judged]] if ranked else []
        words += [off_words(row["level"]).removeprefix(": ")] if far else []
        if words:
            yield f"{row['slice']} ({', '.join(words)})"


def trust(coverage: pd.DataFrame) -> str:
    """Whether intervals hold what they say."""
    held, share = held_share(coverage), float(coverage["share"].iloc[0])
    told = f"a range that should hold in {share * 10:.0f} of 10 cases held in {percent(held)} of {count(coverage['sets'].sum())}"
    if held < share - MANY:
        return f"Not by its range alone: {told}, so plan for more or fewer buyers than it says."
    return f"Yes, if you take its range (“low to high”) and not the one number: {told}{', so it is rather too wide' if held > share + MANY else ''}."


def held_share(coverage: pd.DataFrame) -> float:
    """The share of product sets whose real buyers lay within their interval."""
    return float(coverage["sets_covered"].sum() / max(coverage["sets"].sum(), 1))


def _ruled(coverage: pd.DataFrame) -> str:
    ruled = int((coverage["answered"] != OURS).sum())
    return f"On {ruled} of {len(coverage)} dates a simple rule answered in the model’s place, as nothing showed by then that the model is better." * (
        ruled > 0
    )
