"""An audience and the fits of past dates become its back-test: who would have been in it, how many were expected to buy, how many did, and how many
a plain rule of the same size would have found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from features.conditions import Evidence, hold
from features.conditions.purchases import chosen_products
from features.errors import DataError
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import ORIGINS, Bundle
from models.pairs.intervals import SHARE
from serving.audiences.definitions import Audience
from serving.audiences.members import build, evidence_of
from serving.who import best_first

EVERYBODY = "customers taken at random"
RULES = (EVERYBODY, "bought it last", "ordered last", "highest RFM", "spent most")
SURE = 0.95
FEW = 20
"""Fewer real buyers than this, over all dates, tell nothing."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Check:
    """A back-test. ``origins``: a row per past date with origin, size, expected, low, high (80 % interval), bought, customers, buyers (among all
    customers). ``rules``: a row per date and plain rule with as many customers, of those whom the audience's other conditions allow: origin, rule,
    bought (of its customers), alone and ours_alone (buyers that only the rule, and only the audience, has)."""

    audience: Audience
    about: str
    horizon: int
    origins: pd.DataFrame
    rules: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def lift(self) -> tuple[float, float, float]:
        """How many times as often as customers taken at random members bought, and its 95 % interval; NaN when nobody did."""
        size, bought, customers, buyers = (float(self.origins[name].sum()) for name in ("size", "bought", "customers", "buyers"))
        if not size or not buyers:
            return (float("nan"),) * 3
        rate = buyers / customers
        low, high = _wilson(bought, size)
        return bought / size / rate, low / rate, high / rate

    def summary(self) -> dict[str, object]:
        """Plain values for JSON."""
        lift, low, high = self.lift
        return {
            "audience": self.audience.audience,
            "about": self.about,
            "horizon": self.horizon,
            "lift": lift,
            "lift_low": low,
            "lift_high": high,
            "verdict": list(verdict(self)),
            "origins": self.origins.to_dict("records"),
            "rules": self.rules.to_dict("records"),
        }


def check(audience: Audience, shop: Shop, bundle: Path, *, saved: Mapping[str, Audience], consented: Iterable[str] = ()) -> Check:
    """Ask an audience as of every past date of which the bundle's folder keeps a fit that knew only what came before, and compare with what came.

    Raises DataError when there is no such fit, and for names that the shop does not know.
    """
    folders = sorted((bundle / ORIGINS).glob("[0-9]*"))
    if not folders:
        raise DataError(f"{bundle}: keeps no fits of past dates to test an audience with; train with older orders, or more backtest_origins")
    rows, rules, notes, about, horizon = [], [], [], "", 0
    for folder in folders:
        fit = Bundle.load(folder)
        evidence = evidence_of(fit, Snapshot(shop, fit.as_of, fit.horizon), Catalogue.of(shop), saved=saved, consented=consented)
        found = build(audience, evidence)
        about, horizon = found.ranked_by, fit.horizon
        came = _outcome(audience, evidence)
        chosen = np.isin(evidence.customer_ids, found.frame["customer_id"].to_numpy())
        probability = found.frame["probability"].to_numpy(np.float64)
        probability = probability[~np.isnan(probability)]
        low, high = fit.spread.of_sets(probability.sum(), (probability * (1 - probability)).sum())
        known = np.isin(evidence.codes, evidence.snapshot.codes)
        rows.append(
            {
                "origin": fit.as_of.isoformat(),
                "size": len(found),
                "expected": probability.sum(),
                "low": float(low),
                "high": float(high),
                "bought": int(came[chosen].sum()),
                "customers": int(known.sum()),
                "buyers": int(came[known].sum()),
            }
        )
        rules += list(_rules(audience, evidence, chosen, came, origin=fit.as_of))
        if not len(found) and found.unknown:
            notes.append(f"as of {fit.as_of}: of {found.unknown:,} customers it cannot be said; fits of past dates know the main horizon only")
    return Check(audience, about, horizon, pd.DataFrame(rows), pd.DataFrame(rules), tuple(notes))


def verdict(found: Check) -> Iterator[str]:
    """Sentences, the most important first: is it better than plain rules, did the numbers come true, and what is wrong with it."""
    origins, rules = found.origins, found.rules
    dates = f"{len(origins)} past date{'s' * (len(origins) != 1)}"
    bought, expected, size = int(origins["bought"].sum()), float(origins["expected"].sum()), int(origins["size"].sum())
    if not size:
        yield f"Nobody would have been in it on {dates}: nothing can be said."
        yield from found.notes
        return
    if bought + expected < FEW:
        yield f"Too few to tell: {bought} members bought within {found.horizon} days, on {dates} together."
    else:
        lift, low, high = found.lift
        often = f"{lift:.1f} times as often as customers taken at random (95 %: {low:.1f} to {high:.1f})"
        yield f"Members bought {often}: {bought:,} of {size:,}, on {dates}."
        yield from _against(rules, bought)
    inside = int(((origins["bought"] >= origins["low"]) & (origins["bought"] <= origins["high"])).sum())
    share = f"{SHARE * 100:.0f} %"
    yield f"Expected {expected:,.0f} buyers, real {bought:,}; the {share} interval held on {inside} of {len(origins)}."
    if bought + expected >= FEW and abs(expected - bought) > 0.25 * max(bought, 1) and not inside:
        yield "Do not trust its number of buyers: it was wrong by more than a quarter, outside the interval each time."
    yield from found.notes


def _against(rules: pd.DataFrame, bought: int) -> Iterator[str]:
    totals = rules.groupby("rule", sort=False)[["bought", "alone", "ours_alone"]].sum().drop(index=EVERYBODY, errors="ignore").to_dict("index")
    judged = {str(rule): _better(float(row["ours_alone"]), float(row["alone"])) for rule, row in totals.items()}
    words = {True: "better than", None: "not surely better than", False: "worse than"}
    for says, sentence in words.items():
        names = [f"{rule} ({totals[rule]['bought']:,.0f} buyers)" for rule, each in judged.items() if each is says]
        if names:
            yield f"As large a group by a plain rule: {bought:,} buyers are {sentence} {', '.join(names)}."
    if not any(judged.values()):
        yield "Nothing to gain over plain rules: use the simplest of them, or ask for something else."


def _better(ours: float, theirs: float) -> bool | None:
    """Whether one of two groups has more buyers, by those that only one of them has (McNemar 1947); None when that is not sure."""
    apart = (ours - theirs) / max(np.sqrt(ours + theirs), 1e-9)
    sure = float(norm.ppf((1 + SURE) / 2))
    return True if apart > sure else False if apart < -sure else None


def _wilson(hits: float, size: float) -> tuple[float, float]:
    """The interval of a share (Wilson 1927)."""
    z = float(norm.ppf((1 + SURE) / 2))
    middle = (hits + z * z / 2) / (size + z * z)
    half = z / (size + z * z) * np.sqrt(hits * (size - hits) / size + z * z / 4)
    return float(middle - half), float(middle + half)


def _outcome(audience: Audience, evidence: Evidence) -> Mask:
    """Which of the evidence's customers bought what the audience is ranked by, or anything when it is about nothing else, within the horizon."""
    snapshot, products = evidence.snapshot, audience.about(evidence.catalogue)
    shop, day = snapshot.shop, snapshot.day
    rows = shop.orders if products is None else chosen_products(shop.lines, products, shop)
    ahead = rows.filter(rows.customer.notnull(), rows.day >= day, rows.day < day + snapshot.horizon)
    return np.isin(evidence.codes, ahead.select("customer").distinct().to_pyarrow()["customer"].to_numpy())


def _rules(audience: Audience, evidence: Evidence, chosen: Mask, came: Mask, *, origin: date) -> Iterator[dict[str, object]]:
    """What plain rules would have found with as many customers as the audience has; those taken at random find their share."""
    size = int(chosen.sum())
    known = np.isin(evidence.codes, evidence.snapshot.codes)
    usual = came[known].mean() * size if known.any() else 0.0
    yield {"origin": origin.isoformat(), "rule": EVERYBODY, "bought": usual, "alone": usual, "ours_alone": float(came[chosen].sum())}
    allowed = _allowed(audience, evidence)
    for rule, scores in _plain_scores(audience, evidence):
        picked = np.zeros(len(came), dtype=bool)
        picked[best_first(np.where(allowed, scores, -np.inf), size)] = True
        found = {"bought": (came & picked).sum(), "alone": (came & picked & ~chosen).sum(), "ours_alone": (came & chosen & ~picked).sum()}
        yield {"origin": origin.isoformat(), "rule": rule, **{name: float(value) for name, value in found.items()}}


def _allowed(audience: Audience, evidence: Evidence) -> Mask:
    """Whom a rule may take: those who meet what the audience asks besides a probability, and none of ``except``; so only the ranking is compared."""
    wanted = [clause for clause in audience.who if not clause.asks.is_probability]
    answers = [*hold(wanted, evidence, place="who."), *(~each for each in hold(audience.but_not or (), evidence, place="except."))]
    return np.asarray(np.logical_and.reduce([np.ones(len(evidence.codes), dtype=bool), *(answer.yes for answer in answers)]))


def _plain_scores(audience: Audience, evidence: Evidence) -> Iterator[tuple[str, NDArray[np.float32]]]:
    snapshot = evidence.snapshot
    facts = snapshot.customers()
    products = audience.about(evidence.catalogue)
    if products is not None and len(products):
        pairs = snapshot.pairs([products])
        ago = pairs.history(np.arange(len(facts)), np.zeros(len(facts), np.int64))["set_recency"]
        yield RULES[1], _spread(evidence, np.where(np.isnan(ago), -1e6 - facts["recency"], -ago))
    yield RULES[2], _spread(evidence, -facts["recency"])
    rfm: Sequence[pd.Series] = [(-facts["recency"]).rank(pct=True), facts["frequency"].rank(pct=True), facts["monetary"].rank(pct=True)]
    yield RULES[3], _spread(evidence, sum(rfm[1:], rfm[0]))
    yield RULES[4], _spread(evidence, facts["spent"])


def _spread(evidence: Evidence, values: pd.Series | NDArray[np.floating]) -> NDArray[np.float32]:
    return np.nan_to_num(evidence.spread(np.asarray(values, np.float32)), nan=-np.inf)
