"""What a run published is held against what the model learnt from, the runs before it and what came: what is odd is said, nothing is stopped."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.checks import Finding
from features.errors import DataError
from features.files import BUNDLES, SCORES, manifests
from models.bundle import EVALUATION
from models.drift import BINS, Drift, compared, drifts
from serving.history import CAME, EXPECTED, KEPT, LEAST, MOST, figures
from serving.scores import Scores

CLOSED = 4
"""Predictions whose days are over, the newest ones, that are looked at together."""
FEWEST = 20
"""Members below which it tells nothing that many left."""
USUAL_RUNS = 3
HALF, LESS = 0.5, 0.2
"""Of an audience without a past fewer members than half stayed; or so much less than usual."""
SURE = 3.0
TOLD = 5
"""Features that are named, those that drifted most."""


@dataclass(frozen=True, eq=False)
class Watch:
    """What the rules look at: the scores in use of a shop's ``folder`` and all ``figures`` of its history."""

    folder: Path
    scores: Scores
    figures: pd.DataFrame

    @classmethod
    def of(cls, folder: Path) -> "Watch":
        """The published scores and the history of a shop. Raises DataError when there are none."""
        return cls(folder, Scores.open(folder), figures(folder))

    @cached_property
    def before(self) -> Scores | None:
        """The newest scores of an earlier date that are kept, and whole."""
        days = {path.name: str(facts.get("as_of")) for path, facts in manifests(self.folder / SCORES).items()}
        for name in sorted((each for each, day in days.items() if day < self.scores.as_of.isoformat()), key=lambda name: days[name], reverse=True):
            with suppress(DataError):  # what is damaged is not compared with
                return Scores.open(self.folder, name)
        return None

    @cached_property
    def moved_facts(self) -> list[Drift]:
        """How far what is known of customers, and what they buy, are from what the bundle learnt from; empty for a bundle that kept no counts."""
        path = self.folder / BUNDLES / str(self.scores.facts["bundle"]) / EVALUATION / f"{BINS}.parquet"
        return drifts(pd.read_parquet(path), self.scores.snapshot) if path.is_file() else []

    @cached_property
    def moved_scores(self) -> list[Drift]:
        """How far the probabilities to order are from those of the run before; empty where none of the same horizon is kept."""
        if self.before is None or self.before.horizon != self.scores.horizon:
            return []
        name = f"likelihood_{self.scores.horizon}"
        then, now = (_with_orders(each)[name].reset_index(drop=True) for each in (self.before, self.scores))
        return [compared("probability to order", then, now)]

    def shop_figures(self, measure: str) -> pd.Series:
        """What is kept of the customers who order: the values of a measure, index as_of."""
        found = self.figures[self.figures["name"].str.startswith("customers who order within") & (self.figures["measure"] == measure)]
        return found.set_index("as_of")["value"]


def drift_of_facts(watch: Watch) -> Iterator[str]:
    """Facts of customers, and what is bought, that are far from what the model learnt from."""
    yield from _told(watch.moved_facts, "when the model learnt")


def drift_of_scores(watch: Watch) -> Iterator[str]:
    """Probabilities to order that are far from those of the run before."""
    if watch.before is not None:
        yield from _told(watch.moved_scores, f"as of {watch.before.as_of}")


def calibration(watch: Watch) -> Iterator[str]:
    """Predictions whose days are over and that were off by more than their ranges: the newest one, and half of the last ones."""
    names = (CAME, EXPECTED, LEAST, MOST)
    table = pd.DataFrame({name: watch.shop_figures(name) for name in names}).dropna().sort_index().tail(CLOSED)
    outside = (table[CAME] < table[LEAST]) | (table[CAME] > table[MOST])
    if len(table) and outside.iloc[-1] and outside.mean() >= HALF:
        last = table.iloc[-1]
        most = f"{last[EXPECTED]:,.0f} customers were expected to order ({last[LEAST]:,.0f} to {last[MOST]:,.0f}), {last[CAME]:,.0f} did"
        yield f"as of {table.index[-1]}, {most}; so it was with {outside.sum()} of the last {len(table)}: do not trust totals, and train anew"


def stability(watch: Watch) -> Iterator[str]:
    """Audiences of which many more members left than usual."""
    day = watch.scores.as_of.isoformat()
    of_audiences = watch.figures[(watch.figures["kind"] == "audience") & (watch.figures["as_of"] <= day)]
    for name, found in of_audiences.groupby("name", sort=True):
        table = found.pivot(index="as_of", columns="measure", values="value").sort_index()
        if KEPT in table and table.index[-1] == day and (usual := _left_more(table)) is not None:
            kept, size = table[KEPT].iloc[-1], table["size"].iloc[-1]
            least = f"{usual:.0%} do" if usual != HALF else "at least half should"
            yield f"{name}: {kept:.0%} of the members stayed, where {least}; it has {size:,.0f} now"


def _left_more(table: pd.DataFrame) -> float | None:
    """The share that usually stays, where far fewer did; None where all is as usual."""
    now, past = table.iloc[-1], table[KEPT].iloc[:-1].dropna()
    before = now["size"] - now["entered"] + now["left"]
    if np.isnan(now[KEPT]) or before < FEWEST:
        return None
    usual = float(past.median()) if len(past) >= USUAL_RUNS else HALF
    least = usual - (LESS if len(past) >= USUAL_RUNS else 0.0) - SURE * np.sqrt(usual * (1 - usual) / before)
    return usual if now[KEPT] < least else None


def _told(found: list[Drift], when: str) -> Iterator[str]:
    far = sorted((each for each in found if each.far), key=lambda each: -each.psi)[:TOLD]
    for each in far:
        yield f"{each.feature}: not as {when}; {each.moved} (PSI {each.psi:.2f}, {each.limit:.2f} and less is usual)"


def _with_orders(scores: Scores) -> pd.DataFrame:
    return scores.customers[scores.customers["frequency"] > 0]


WATCHED: dict[str, Callable[[Watch], Iterator[str]]] = {
    "drift of facts": drift_of_facts,
    "drift of scores": drift_of_scores,
    "calibration": calibration,
    "audience stability": stability,
}
"""All rules by their name; each finds what is odd, in sentences."""


def watch_run(watch: Watch) -> list[Finding]:
    """What all rules find, in their order; each is a warning."""
    return [Finding(name, "warn", text) for name, rule in WATCHED.items() for text in rule(watch)]
