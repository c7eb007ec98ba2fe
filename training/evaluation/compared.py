"""A fit that knew only what came before a date, and what came after it, become tables: ours beside plain rules, in all and for parts of the pairs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import metrics, set_metrics
from models.base import Floats
from models.bundle import Bundle
from models.pairs.calibrated import LiftCurve
from models.pairs.intervals import SHARE, Spread
from training.evaluation.ground import POPULATIONS, Choose, Ground, quick_sets

OURS = "whobuys"
COUNTS = ("sets", "new_sets", "buyers", "new_buyers")
RULES = ("recency", "orders_from_set_then_orders", "orders_from_set_then_sets", "decayed_orders_120_times_lines_90")


@dataclass(frozen=True)
class Plan:
    """What a backtest looks at: which ``sets``, beside which ``rules``; with ``calibrated`` the rules become probabilities, too, which takes time."""

    sets: Choose = quick_sets
    rules: Sequence[str] = RULES
    calibrated: bool = False


@dataclass(frozen=True, eq=False)
class Compared:
    """A fit as of the date of a ground, and its interest in the ground's sets: ``given``, customers x sets."""

    bundle: Bundle
    ground: Ground
    given: Floats

    @classmethod
    def of(cls, bundle: Bundle, ground: Ground) -> "Compared":
        """Ask the bundle."""
        return cls(bundle, ground, bundle.interest(ground.snapshot, ground.sets))

    def scores(self, method: str) -> Floats:
        """Those of ours, or of a rule."""
        return self.given if method == OURS else self.ground.scores(method)

    @cached_property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The lowest and the highest number of buyers of each set, as the bundle told it."""
        spread = self._spread
        expected, sampling = (each.sum(axis=0, dtype=np.float64) for each in (self.given, self.given * (1 - self.given)))
        return spread.of_sets(expected, sampling, sold=self.ground.bought.any(axis=0))

    def coverage(self) -> pd.DataFrame:
        """How many sets had as many buyers as the intervals said (``share`` of them should), whether all buyers together did, and
        what answered, the model or a rule: one row."""
        (low, high), came = self.interval, self.ground.outcome.sum(axis=0)
        expected, total = float(self.given.sum(dtype=np.float64)), int(came.sum())
        lowest, highest = (float(each) for each in self._spread.of_shop(expected))
        row = {
            "share": SHARE,
            "sets": len(came),
            "sets_covered": int(((came >= low) & (came <= high)).sum()),
            "expected": expected,
            "low": lowest,
            "high": highest,
            "outcomes": total,
            "covered": lowest <= total <= highest,
            "answered": self.bundle.rule or OURS,
        }
        return pd.DataFrame([row])

    def sets(self, table: pd.DataFrame) -> pd.DataFrame:
        """Each set: what it is, the interval of its buyers, and ``table``, the measures of ours."""
        low, high = self.interval
        sets = self.ground.sets
        labels = {"product_set": [one.label for one in sets], "kind": [one.kind for one in sets], "products": [len(one) for one in sets]}
        return pd.concat([pd.DataFrame({**labels, "low": low, "high": high}), table], axis=1)

    @property
    def _spread(self) -> Spread:
        assert self.bundle.pair_model is not None
        return self.bundle.pair_model.spread


def tables_of(compared: Compared, plan: Plan, *, windows: Iterable[Ground]) -> dict[str, pd.DataFrame]:
    """``methods``, ``cases``, ``sets``, ``calibration``, ``gain`` and ``coverage`` of one date; see ``Backtest``.

    ``windows`` are the earlier dates from which the rules learn to be probabilities.
    """
    ground, learnt = compared.ground, list(windows)
    methods, cases, gains = [], [], []
    for method in (OURS, *plan.rules):
        scores = compared.scores(method)
        given = scores if method == OURS else calibrated(method, scores, ground, learnt) if plan.calibrated and learnt else None
        by_set = set_metrics.by_set(scores, ground.outcome, ground.bought)
        methods.append({"method": method, **set_metrics.summary(by_set), **truth(given, ground)})
        cases.append(cases_of(ground, method, scores, by_set, given))
        if given is not None:
            gains.append(metrics.gain_curve(given.ravel(), ground.outcome.ravel()).assign(method=method))
        if method == OURS:
            sets = compared.sets(by_set)
    return {
        "methods": pd.DataFrame(methods).astype(dict.fromkeys(COUNTS, np.int64)),
        "cases": pd.concat(cases, ignore_index=True),
        "sets": sets,
        "calibration": metrics.calibration_table(compared.given, ground.outcome),
        "gain": pd.concat(gains, ignore_index=True),
        "coverage": compared.coverage(),
    }


def calibrated(rule: str, scores: Floats, ground: Ground, windows: Iterable[Ground]) -> Floats:
    """The scores of a rule as probabilities, by a curve that earlier dates taught."""
    return LiftCurve.of_tallies(window.tally(rule) for window in windows).probability(scores, ground.usual)


def truth(given: Floats | None, ground: Ground) -> dict[str, float]:
    """How true probabilities are; unknown for scores that are none."""
    if given is None:
        return dict.fromkeys(("expected", "level", "log_loss", "calibration_error"), np.nan)
    return {
        "expected": float(given.sum(dtype=np.float64)),
        "level": metrics.level(given, ground.outcome),
        "log_loss": metrics.log_loss(given, ground.outcome),
        "calibration_error": metrics.calibration_error(given, ground.outcome),
    }


def cases_of(ground: Ground, method: str, scores: Floats, by_set: pd.DataFrame, given: Floats | None) -> pd.DataFrame:
    """Each population in each set, a row: method, population, set (its position), ap, outcomes, expected, and the set's groups.

    ``by_set`` is what was measured already: everybody and new buyers.
    """
    known: Mapping[str, str] = {"everybody": "ap", "new": "new_ap"}
    parts = []
    for population, mask_of in POPULATIONS.items():
        among = mask_of(ground)
        measured = ground.measured(population)
        ap = by_set[known[population]] if population in known else set_metrics.ap_among(scores, ground.outcome, among, measured=measured)
        sums = np.nan if given is None else np.where(among, given, 0).sum(axis=0, dtype=np.float64)
        found = {"set": np.arange(len(ground.sets)), "ap": ap, "outcomes": (ground.outcome & among).sum(axis=0), "expected": sums}
        parts.append(pd.DataFrame({"method": method, "population": population, **found}).join(ground.groups))
    return pd.concat(parts, ignore_index=True)
