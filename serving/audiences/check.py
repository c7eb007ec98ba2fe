"""An audience and the fits of past dates become its back-test: who would have been in it, how many were expected to buy, how many did, and how many
a plain rule of the same size would have found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from features.conditions import Evidence, hold
from features.conditions.purchases import chosen_products
from features.errors import DataError
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Codes, Snapshot
from models.bundle import ORIGINS, Bundle
from models.pairs.intervals import SHARE, Spread
from serving.audiences.definitions import Audience
from serving.audiences.members import Members, among, evidence_of, members_of_all
from serving.who import best_first

EVERYBODY = "customers taken at random"
RULES = (EVERYBODY, "bought it last", "ordered last", "highest RFM", "spent most")
SURE = 0.95
BAR = 1.25
"""How many times as often as customers taken at random members of a segment are commonly said to buy."""
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
        return lift_of(self.origins)

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


def lift_of(origins: pd.DataFrame) -> tuple[float, float, float]:
    """How many times as often as customers taken at random members bought, over all rows of ``Check.origins`` together, and its 95 % interval."""
    size, bought, customers, buyers = (float(origins[name].sum()) for name in ("size", "bought", "customers", "buyers"))
    if not size or not buyers:
        return (float("nan"),) * 3
    rate = buyers / customers
    low, high = _wilson(bought, size)
    return bought / size / rate, low / rate, high / rate


def check(audience: Audience, shop: Shop, bundle: Path, *, saved: Mapping[str, Audience], consented: Iterable[str] = ()) -> Check:
    """Ask an audience as of every past date of which the bundle's folder keeps a fit that knew only what came before, and compare with what came.

    Raises DataError when there is no such fit, and for names that the shop does not know.
    """
    (found,) = check_all([audience], shop, bundle, saved=saved, consented=consented)
    return found


def check_all(
    audiences: Sequence[Audience], shop: Shop, bundle: Path, *, saved: Mapping[str, Audience], consented: Iterable[str] = (), rules: bool = True
) -> list[Check]:
    """The same of several audiences, in order; what they share is asked once. Without ``rules`` they are compared with customers at random alone."""
    folders = sorted((bundle / ORIGINS).glob("[0-9]*"))
    if not folders:
        raise DataError(f"{bundle}: keeps no fits of past dates to test an audience with; train with older orders, or more backtest_origins")
    parts: list[list[Check]] = [[] for _ in audiences]
    for folder in folders:
        fit = Bundle.load(folder)
        evidence = evidence_of(fit, Snapshot(shop, fit.as_of, fit.horizon), Catalogue.of(shop), saved=saved, consented=consented)
        for part, found in zip(parts, members_of_all(audiences, evidence), strict=True):
            part.append(_at_origin(found, evidence, fit, rules=rules))
    return [_together(part) for part in parts]


def _at_origin(found: Members, evidence: Evidence, fit: Bundle, *, rules: bool) -> Check:
    """The check of one date."""
    codes = bought_within(found.audience, evidence.catalogue, evidence.snapshot.shop, evidence.snapshot.day, fit.horizon)
    came = np.isin(evidence.codes, codes)
    row = {"origin": fit.as_of.isoformat(), **compared(found, codes, evidence.snapshot.codes, evidence.snapshot.shop, fit.spread)}
    chosen = among(found, evidence)
    plain = list(_rules(found.audience, evidence, chosen, came, origin=fit.as_of, plain=rules))
    unsaid = f"as of {fit.as_of}: of {found.unknown:,} customers it cannot be said; fits of past dates know the main horizon only"
    notes = (unsaid,) if not len(found) and found.unknown else ()
    return Check(found.audience, found.ranked_by, fit.horizon, pd.DataFrame([row]), pd.DataFrame(plain), notes)


def _together(parts: Sequence[Check]) -> Check:
    origins, rules = (pd.concat([getattr(each, name) for each in parts], ignore_index=True) for name in ("origins", "rules"))
    last = parts[-1]
    return Check(last.audience, last.about, last.horizon, origins, rules, tuple(note for each in parts for note in each.notes))


def compared(found: Members, bought: Codes, known: Codes, shop: Shop, spread: Spread) -> dict[str, object]:
    """Members beside what came: size, expected, low, high (80 % interval), bought (members who did), customers (with an order before), buyers (among
    these). ``bought`` and ``known`` are codes of the shop's customers."""
    probability = found.frame["probability"].to_numpy(np.float64)
    probability = probability[~np.isnan(probability)]
    low, high = spread.of_sets(probability.sum(), (probability * (1 - probability)).sum())
    return {
        "size": len(found),
        "expected": probability.sum(),
        "low": float(low),
        "high": float(high),
        "bought": int(np.isin(np.searchsorted(shop.customer_ids, found.frame["customer_id"].to_numpy(object)), bought).sum()),
        "customers": len(known),
        "buyers": int(np.isin(known, bought).sum()),
    }


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
        surely = "surely more" if low > BAR else "surely less" if high < BAR else "not surely more"
        yield f"That is {(lift - 1) * 100:+,.0f} % against the broad audience, {surely} than the +{(BAR - 1) * 100:.0f} % that is commonly promised."
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
    sure = float(ndtri((1 + SURE) / 2))
    return True if apart > sure else False if apart < -sure else None


def _wilson(hits: float, size: float) -> tuple[float, float]:
    """The interval of a share (Wilson 1927)."""
    z = float(ndtri((1 + SURE) / 2))
    middle = (hits + z * z / 2) / (size + z * z)
    half = z / (size + z * z) * np.sqrt(hits * (size - hits) / size + z * z / 4)
    return float(middle - half), float(middle + half)


def bought_within(audience: Audience, catalogue: Catalogue, shop: Shop, day: int, horizon: int) -> Codes:
    """The codes of the customers who bought what the audience is ranked by, or anything when it is about nothing else, in ``horizon`` days from
    ``day`` on."""
    products = audience.about(catalogue)
    rows = shop.orders if products is None else chosen_products(shop.lines, products, shop)
    ahead = rows.filter(rows.customer.notnull(), rows.day >= day, rows.day < day + horizon)
    found: Codes = np.sort(ahead.select("customer").distinct().to_pyarrow()["customer"].to_numpy().astype(np.int32))
    return found


def _rules(audience: Audience, evidence: Evidence, chosen: Mask, came: Mask, *, origin: date, plain: bool) -> Iterator[dict[str, object]]:
    """What plain rules would have found with as many customers as the audience has; those taken at random find their share."""
    size = int(chosen.sum())
    known = np.isin(evidence.codes, evidence.snapshot.codes)
    usual = came[known].mean() * size if known.any() else 0.0
    yield {"origin": origin.isoformat(), "rule": EVERYBODY, "bought": usual, "alone": usual, "ours_alone": float(came[chosen].sum())}
    if not plain:
        return
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
