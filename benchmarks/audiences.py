"""Audiences of all sorts, asked as of several past dates: do their expected buyers, intervals and sizes come true?

    python benchmarks/audiences.py [--data FOLDER] [--only online_retail,...] [--origins 4] [--write]

Audiences are drawn by a seed from the language: product sets of the shop (categories, brands, keywords, single products) with conditions on who has
bought from them, stages of life, orders and likelihoods. Each is asked as ``whobuys audience preview`` asks it, by fits that knew only what came
before the date; what came is read from the raw files. Three dates before the oldest are fitted, too, and not counted, so that corrections and
intervals are learnt as after any training. Ends with 1 when intervals of 80 % hold fewer than 70 or more than 90 % of the cases, when the expected
buyers of a kind of audience, over all dates, are off by more than 10 %, or when the sizes for 50, 70 and 90 % of the buyers catch 5 points more or
less than that.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from _audience_draws import LIFECYCLE, Drawn, audiences
from _commands import whobuys
from _dates import measured_on_dates
from _grounds import HORIZON, SEED, Ground, truth_of
from _page import table_of

from features.config import Config
from features.products import Catalogue, ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.metrics import CAUGHT
from serving.audiences import evidence_of, members_of_all
from serving.audiences.costs import Costs
from serving.audiences.numbers import numbers
from training.backtest import backtest, backtest_dates
from training.fits import Fits
from training.train import recipe_of

COUNT = 240
"""Audiences, as many of each kind."""
WARM_UP = 3
"""Dates before the oldest that corrections and intervals are learnt from, as many as a training looks back on."""
HELD, TOTAL, SIZE = (0.7, 0.9), 0.10, 0.05
BUYERS = 400
"""A kind with fewer real buyers is shown, and not judged: chance alone moves so many by 5 %."""


def fitted(shop: Shop, newest: date, *, origins: int) -> list[Bundle]:
    """The fits of the newest dates, oldest first, with what three dates before them and each other taught."""
    fits = Fits(shop, recipe_of(Config()), lambda words: print(f"  {words}", flush=True))
    dates = backtest_dates(fits, newest + timedelta(days=HORIZON), origins + WARM_UP)
    return list(backtest(fits, dates, bundle_id="audiences").origins)[-origins:]


def asked(fit: Bundle, shop: Shop, drawn: Sequence[Drawn], purchases: pd.DataFrame) -> pd.DataFrame:
    """A row per audience that has members as of the fit's date: what was expected, and what came."""
    evidence = evidence_of(fit, Snapshot(shop, fit.as_of, fit.horizon), Catalogue.of(shop))
    about = [each.audience.about(evidence.catalogue) or ProductSet.of("anything", shop.product_ids) for each in drawn]
    truth = truth_of(purchases, about, fit.as_of)
    rows = []
    for place, members in enumerate(members_of_all([each.audience for each in drawn], evidence)):
        if not len(members):
            continue
        told = {each.name: each for each in numbers(members, evidence, fit.spread, Costs())}
        expected = told["expected buyers"]
        at = truth.customers.get_indexer(pd.Index(members.frame["customer_id"]))
        came = np.where(at >= 0, truth.outcome[at, place], False)
        sizes = {f"size_{share:.0%}": int(told[f"size for {share * 100:.0f} %"].value) for share in CAUGHT if expected.value > 0}
        caught = {f"caught_{share:.0%}": int(came[: sizes.get(f"size_{share:.0%}", 0)].sum()) for share in CAUGHT}
        row = {"origin": fit.as_of.isoformat(), "audience": members.audience.audience, "kind": drawn[place].kind, "size": len(members)}
        rows.append(row | {"expected": expected.value, "low": expected.low, "high": expected.high, "bought": int(came.sum())} | sizes | caught)
    return pd.DataFrame(rows)


def measured(ground: Ground, data: Path, *, origins: int) -> pd.DataFrame:
    """The rows of every audience and date."""
    with tempfile.TemporaryDirectory() as folder:
        files = ground.files(data, Path(folder))
        whobuys("import", *files.values(), "--shop", Path(folder) / "shop", *ground.how())
        shop = Shop.open(Path(folder) / "shop")
        fits = fitted(shop, ground.as_of, origins=origins)
        drawn = audiences(shop, fits[0].as_of, count=COUNT, seed=SEED)
        purchases = ground.purchases(files)
        return pd.concat([asked(fit, shop, drawn, purchases) for fit in fits], ignore_index=True)


def by_kind(cases: pd.DataFrame) -> pd.DataFrame:
    """Sums and the share of intervals that held: a row per kind, those of a stage of life by their stage and together, then all."""
    parts = {str(kind): rows for kind, rows in cases.groupby("kind", sort=False)}
    parts[LIFECYCLE] = cases[cases["kind"].str.startswith(LIFECYCLE)]
    parts["all"] = cases
    return pd.DataFrame([{"kind": kind, **_sums(rows)} for kind, rows in parts.items()])


def _sums(cases: pd.DataFrame) -> dict[str, float]:
    held = (cases["bought"] >= cases["low"]) & (cases["bought"] <= cases["high"])
    expected, bought = float(cases["expected"].sum()), int(cases["bought"].sum())
    return {
        "cases": len(cases),
        "members": int(cases["size"].sum()),
        "expected": expected,
        "bought": bought,
        "ratio": expected / max(bought, 1),
        "held": float(held.mean()),
        "below": float((cases["bought"] < cases["low"]).mean()),
        "above": float((cases["bought"] > cases["high"]).mean()),
    }


def caught(cases: pd.DataFrame) -> dict[float, float]:
    """For each share, the share of all buyers that the sizes told for it caught, pooled over the audiences."""
    bought = max(int(cases["bought"].sum()), 1)
    return {share: float(cases[f"caught_{share:.0%}"].sum()) / bought for share in CAUGHT}


def missed(kinds: pd.DataFrame, shares: dict[float, float]) -> Iterator[str]:
    """What does not hold."""
    held = float(kinds.loc[kinds["kind"] == "all", "held"].iloc[0])
    if not HELD[0] <= held <= HELD[1]:
        yield f"intervals of 80 % held {held:.0%} of the cases"
    for row in kinds[kinds["bought"] >= BUYERS].to_dict("records"):
        if abs(row["ratio"] - 1) > TOTAL:
            yield f"{row['kind']}: expected over real is {row['ratio']:.2f}"
    for share, found in shares.items():
        if abs(found - share) > SIZE:
            yield f"the size for {share:.0%} caught {found:.0%}"


def measure(ground: Ground, data: Path, *, origins: int) -> tuple[str, list[str]]:
    """The section of one data set, and what does not hold."""
    cases = measured(ground, data, origins=origins)
    kinds, shares = by_kind(cases), caught(cases)
    problems = list(missed(kinds, shares))
    dates = sorted(cases["origin"].unique())
    heads = ("audiences", "cases", "members", "expected", "real", "expected / real", "intervals held", "fewer came", "more came")
    rows = [
        [
            str(row["kind"]),
            *(f"{row[name]:,.0f}" for name in ("cases", "members", "expected", "bought")),
            f"{row['ratio']:.2f}",
            *(f"{row[name]:.0%}" for name in ("held", "below", "above")),
        ]
        for row in kinds.to_dict("records")
    ]
    lines = [
        f"### {ground.title.split(':')[0]}: {cases['audience'].nunique()} audiences on {len(dates)} dates from {dates[0]} to {dates[-1]}",
        "",
        *table_of(heads, rows),
        "",
        f"* By date, expected over real and intervals held: {'; '.join(_of_date(day, cases[cases['origin'] == day]) for day in dates)}.",
        f"* The sizes for {_percent(CAUGHT)} of the buyers caught {_percent(shares.values())}.",
        *(f"* Does not hold: {each}." for each in problems),
        "",
    ]
    return "\n".join(lines), problems


def _percent(shares: Iterable[float]) -> str:
    return ", ".join(f"{each:.0%}" for each in shares)


def _of_date(day: str, cases: pd.DataFrame) -> str:
    sums = _sums(cases)
    return f"{day} {sums['ratio']:.2f}, {sums['held']:.0%}"


if __name__ == "__main__":
    sys.exit(measured_on_dates(__doc__, measure, section="audiences", only="online_retail,complete_journey", origins=4))
