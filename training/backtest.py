"""Fits as of past dates, and what then happened, become tables that say how good the answers were."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.products import Catalogue
from models import metrics
from models.baselines import BASELINES
from models.bundle import Bundle
from models.intervals import Spread
from models.training_sets import main_sets
from training.fits import Fits
from training.level import Outcome, Probabilities, learnt_level, shifted

OURS = "whobuys"
BACKTEST_SETS = 50
RULES = ("recency", "orders_from_set_then_orders", "orders_from_set_then_sets", "decayed_orders_120_times_lines_90")


@dataclass(frozen=True, eq=False)
class Backtest:
    """Fits that knew only what came before their date, compared with what came after it.

    ``origins`` oldest first; ``tables``: ``methods`` (origin, method, measures), ``sets`` (origin, product_set, measures of ours),
    ``calibration`` (origin, bins of equal count), ``gain`` (origin, method, share, gain, lift), ``customers`` (origin, measures of the likelihood).
    ``spread`` is how far the sums of probabilities strayed from what came; ``interest_level`` and ``likelihood_level`` are what was learnt of
    the level from all origins, ``..._earned`` whether it beat the raw level.
    """

    origins: tuple[Bundle, ...]
    tables: dict[str, pd.DataFrame]
    spread: Spread
    interest_level: float
    interest_earned: bool
    likelihood_level: float
    likelihood_earned: bool

    def measures(self) -> dict[str, float]:
        """Means over the origins of the main measures, by plain names."""
        found = {f"likelihood_{name}": float(self.tables["customers"][name].mean()) for name in ("auc", "log_loss", "level")}
        if "methods" in self.tables:
            ours = self.tables["methods"].query("method == @OURS")
            found |= {name: float(ours[name].mean()) for name in ("ap", "new_ap", "rp", "new_rp", "lift_1", "lift_5", "level")}
        return found


def backtest_dates(fits: Fits, as_of: date, count: int) -> list[date]:
    """Up to ``count`` dates, oldest first, one horizon apart, whose horizon has passed by ``as_of`` and that have something to learn from."""
    dates = [as_of - timedelta(days=fits.recipe.horizon * (k + 1)) for k in reversed(range(count))]
    return [each for each in dates if _can_learn(fits, each)]


def backtest(fits: Fits, dates: list[date], *, bundle_id: str) -> Backtest:
    """Fit as of each date and compare with what came. A level is only ever learnt from windows that had closed by the origin's date."""
    interest: list[tuple[Probabilities, Outcome]] = []
    likelihood: list[tuple[Probabilities, Outcome]] = []
    bundles: list[Bundle] = []
    tables: dict[str, list[pd.DataFrame]] = {}
    for as_of in dates:
        raw = fits.bundle(as_of, name=f"{bundle_id}/{as_of}")
        bundle = _proven(raw, Spread.learnt(interest), interest=learnt_level(interest)[0], likelihood=learnt_level(likelihood)[0])
        bundles.append(bundle)
        fits.say(f"comparing the fit as of {as_of} with what came")
        found = {"customers": _customers(fits, bundle, likelihood)}
        if bundle.has_interest:
            found |= _interests(fits, bundle, interest)
        for name, table in found.items():
            table.insert(0, "origin", as_of.isoformat())
            tables.setdefault(name, []).append(table)
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    return Backtest(tuple(bundles), joined, Spread.learnt(interest), *learnt_level(interest), *learnt_level(likelihood))


def proven(bundle: Bundle, test: Backtest) -> Bundle:
    """The bundle with the levels and the spread that a backtest learnt."""
    return _proven(bundle, test.spread, interest=test.interest_level, likelihood=test.likelihood_level)


def _proven(bundle: Bundle, spread: Spread, *, interest: float, likelihood: float) -> Bundle:
    pair_model = bundle.pair_model and bundle.pair_model.proven(level=interest, spread=spread)
    return replace(bundle, pair_model=pair_model, customer_model=replace(bundle.customer_model, level=likelihood))


def _can_learn(fits: Fits, as_of: date) -> bool:
    try:
        fits.training_dates(as_of)
    except DataError:
        return False
    return True


def _customers(fits: Fits, bundle: Bundle, windows: list[tuple[Probabilities, Outcome]]) -> pd.DataFrame:
    snapshot = fits.snapshot(bundle.as_of)
    given = bundle.customers(snapshot).iloc[:, 0].to_numpy()
    ordered = snapshot.ordered()
    windows.append((shifted(given, -bundle.customer_model.level), ordered))
    recency = -snapshot.customers()["recency"].to_numpy()
    row = {
        "customers": len(given),
        "ordered": int(ordered.sum()),
        "expected": float(given.sum()),
        "level": metrics.level(given, ordered),
        "auc": metrics.auc(given, ordered),
        "auc_recency": metrics.auc(recency, ordered),
        "log_loss": metrics.log_loss(given, ordered),
        "calibration_error": metrics.calibration_error(given, ordered),
        "lift_quality": metrics.lift_quality(given, ordered),
    }
    return pd.DataFrame([row])


def _interests(fits: Fits, bundle: Bundle, windows: list[tuple[Probabilities, Outcome]]) -> dict[str, pd.DataFrame]:
    snapshot = fits.snapshot(bundle.as_of)
    sets = main_sets(snapshot, Catalogue.of(fits.shop), limit=BACKTEST_SETS)
    pairs = snapshot.pairs(sets)
    outcome, bought = snapshot.outcome(sets), pairs.bought()
    given = bundle.interest(snapshot, sets)
    pair_model = bundle.pair_model
    assert pair_model is not None
    windows.append((shifted(given, -pair_model.level), outcome.toarray()))
    scores = {OURS: given} | {name: BASELINES[name].scores(snapshot, pairs) for name in RULES}
    by_set = {name: metrics.by_set(values, outcome, bought) for name, values in scores.items()}
    methods = [{"method": name, **metrics.summary(table)} for name, table in by_set.items()]
    labels = pd.DataFrame({"product_set": [one.label for one in sets], "kind": [one.kind for one in sets]})
    return {
        "methods": _with_level(pd.DataFrame(methods), given, outcome.toarray()),
        "sets": pd.concat([labels, by_set[OURS]], axis=1),
        "calibration": metrics.calibration_table(given, outcome),
        "gain": metrics.gain_curve(given.ravel(), outcome.toarray().ravel()),
    }


def _with_level(methods: pd.DataFrame, given: Probabilities, outcome: NDArray[np.bool_]) -> pd.DataFrame:
    ours = methods["method"] == OURS
    methods["level"] = np.where(ours, metrics.level(given, outcome), np.nan)
    methods["log_loss"] = np.where(ours, metrics.log_loss(given, outcome), np.nan)
    return methods
