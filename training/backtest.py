"""Fits as of past dates, and what then happened, become tables that say how good the answers were."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from features.errors import DataError
from features.products import Catalogue
from features.snapshot import Snapshot
from models import metrics, set_metrics
from models.base import Floats
from models.bundle import Bundle
from models.customers.volume import PARTS, usual_volume
from models.pairs.calibrated import LiftCurve
from models.pairs.interest import Interest, had
from models.pairs.intervals import Spread
from models.pairs.ruled import Ruled
from training.contest import Result, answering_rule
from training.correction import Window, learnt_correction
from training.evaluation.compared import OURS, Compared, Plan, tables_of
from training.evaluation.ground import Ground
from training.evaluation.slices import pooled_ours, slices_of, with_band, with_intervals
from training.fits import Fits

MEAN = ("ap", "new_ap", "rp", "new_rp", "lift_1", "lift_5", "recall_1", "recall_5", "lift_quality", "log_loss", "calibration_error", "level")
"""Measures of product sets that are told over all dates."""
OF_CUSTOMERS = ("auc", "log_loss", "level")
WINDOWS = 3
"""Closed windows, newest first, from which a rule learns to be a probability."""
Stored = Callable[[date], Bundle | None]


@dataclass(frozen=True, eq=False)
class Backtest:
    """Fits that knew only what came before their date, compared with what came after it.

    ``origins`` oldest first, ``compared`` the same with what they said; ``tables``: ``methods`` (origin, method, measures), ``slices`` (all origins
    together), ``sets`` (origin, product_set, measures of ours), ``calibration`` (origin, bins of equal count), ``gain`` (origin, method, share, gain,
    lift), ``coverage`` (origin, how often intervals held), ``customers`` (origin, measures of the likelihood, and of expected orders and products);
    ``cases`` is what slices are made of. ``learnt`` is what all origins together taught, for the fit that comes next.
    """

    origins: tuple[Bundle, ...]
    compared: tuple[Compared, ...]
    tables: dict[str, pd.DataFrame]
    cases: pd.DataFrame
    learnt: "Learnt"

    def measures(self) -> dict[str, float]:
        """The main measures over all origins, by plain names."""
        return measures_of(self.tables)

    def surely(self) -> "Backtest":
        """The same with intervals: ratio_low and ratio_high in ``slices``, gain_low and gain_high of ours in ``gain``."""
        if not self.compared:
            return self
        slices = with_intervals(self.tables["slices"], self.cases, self.compared)
        return replace(self, tables=self.tables | {"slices": slices, "gain": with_band(self.tables["gain"], self.compared)})


@dataclass(eq=False)
class Grounds:
    """The ground of every date that is looked at, made once a date: an origin of one comparison is a closed window of the next."""

    fits: Fits
    plan: Plan
    _kept: dict[date, Ground] = field(default_factory=dict)

    def of(self, as_of: date) -> Ground:
        """The ground of a date, with sets that were known then."""
        if as_of not in self._kept:
            snapshot = self.fits.snapshot(as_of)
            self._kept[as_of] = Ground(snapshot, tuple(self.plan.sets(snapshot, Catalogue.of(self.fits.shop))))
        return self._kept[as_of]

    def windows(self, as_of: date) -> Iterator[Ground]:
        """What had closed by a date and rules learn from."""
        return (self.of(each) for each in self.fits.training_dates(as_of)[:WINDOWS])


@dataclass(eq=False)
class Learnt:
    """What closed windows teach of the fits that saw them: how to correct both models, and how far totals stray.

    ``interest`` and ``likelihood`` are the windows, oldest first; ``totals`` probabilities and outcomes, customers x sets that had
    been bought from; ``results`` how the
    model and the rules ranked.
    """

    grounds: Grounds
    interest: list[Window] = field(default_factory=list)
    likelihood: list[Window] = field(default_factory=list)
    totals: list[tuple[Floats, NDArray[np.bool_]]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def correct(self, raw: Bundle) -> Bundle:
        """The bundle with what was learnt."""
        correction, spread = learnt_correction(self.interest, shape=True)[0], Spread.learnt(self.totals)
        pair_model = raw.pair_model
        if isinstance(pair_model, Interest):
            pair_model = pair_model.proven(correction=correction, spread=spread, rule=self._rule(raw.as_of))
        level = learnt_correction(self.likelihood, shape=False)[0].level
        return replace(raw, pair_model=pair_model, customer_model=raw.customer_model and replace(raw.customer_model, level=level))

    def _rule(self, as_of: date) -> Ruled | None:
        """What answers instead of the model, its curve learnt from windows that had closed by then."""
        fits = self.grounds.fits
        buyers = sum(int(fits.snapshot(each).ordered().sum()) for each in fits.training_dates(as_of))
        rule = answering_rule(self.results, buyers=buyers)
        return Ruled(rule, LiftCurve.of_tallies(window.tally(rule) for window in self.grounds.windows(as_of))) if rule else None

    def facts(self) -> dict[str, object]:
        """Corrections, what of them earned its place, and the spread: for people and for tracking."""
        found: dict[str, object] = {"spread": asdict(Spread.learnt(self.totals))}
        for name, windows, shape in (("interest", self.interest, True), ("likelihood", self.likelihood, False)):
            correction, earned = learnt_correction(windows, shape=shape)
            found[name] = {**asdict(correction), "earned": earned}
        return found


def measures_of(tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    """The main measures of an evaluation's tables over all origins: ours, and those of the likelihood."""
    found = {f"likelihood_{name}": float(tables["customers"][name].mean()) for name in OF_CUSTOMERS}
    if "methods" in tables:
        ours = pooled_ours(tables["methods"])
        found |= {name: ours[name] for name in MEAN}
    return found


def backtest_dates(fits: Fits, as_of: date, count: int) -> list[date]:
    """Up to ``count`` dates, oldest first, one horizon apart, whose horizon has passed by ``as_of`` and that have something to learn from."""
    dates = [as_of - timedelta(days=fits.recipe.horizon * (k + 1)) for k in reversed(range(count))]
    return [each for each in dates if fits.can_learn(each)]


def backtest(fits: Fits, dates: list[date], *, bundle_id: str, plan: Plan | None = None, stored: Stored = lambda as_of: None) -> Backtest:
    """Fit as of each date and compare with what came. A correction is only ever learnt from windows that had closed by the origin's date.

    A fit that is ``stored`` is taken as it is.
    """
    grounds = Grounds(fits, plan or Plan())
    learnt = Learnt(grounds)
    bundles: list[Bundle] = []
    compared: list[Compared] = []
    tables: dict[str, list[pd.DataFrame]] = {}
    for as_of in dates:
        try:
            bundle = stored(as_of) or learnt.correct(fits.bundle(as_of, name=f"{bundle_id}/{as_of}"))
        except DataError as error:
            fits.say(f"nothing is compared as of {as_of}: {error}")
            continue
        bundles.append(bundle)
        fits.say(f"comparing the fit as of {as_of} with what came")
        found = {"customers": _customers(fits, bundle, learnt)}
        if bundle.has_interest:
            compared.append(_interests(fits, bundle, grounds.of(as_of), learnt))
            found |= tables_of(compared[-1], grounds.plan, windows=grounds.windows(as_of) if grounds.plan.calibrated else ())
            learnt.results.append(_result(compared[-1], found["methods"]))
        for name, table in found.items():
            table.insert(0, "origin", as_of.isoformat())
            tables.setdefault(name, []).append(table)
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    cases = joined.pop("cases", pd.DataFrame())
    joined |= {"slices": slices_of(cases)} if len(cases) else {}
    return Backtest(tuple(bundles), tuple(compared), joined, cases, learnt)


def _interests(fits: Fits, bundle: Bundle, ground: Ground, learnt: Learnt) -> Compared:
    """The window is seen through the sample that later fits learn from, which holds sets of all kinds."""
    assert isinstance(bundle.pair_model, Interest)
    compared = Compared.of(bundle, ground)
    sample = fits.sample(bundle.as_of)
    learnt.interest.append(Window(bundle.pair_model.log_odds(sample.columns), sample.bought, sample.weight, had(sample.columns)))
    sold = ground.bought.any(axis=0)
    learnt.totals.append((compared.given[:, sold], ground.outcome[:, sold]))
    return compared


def _result(compared: Compared, methods: pd.DataFrame) -> Result:
    """How the model itself ranked, also where a rule answered in its place."""
    result = {str(row["method"]): (float(row["sets"]), float(row["ap"])) for row in methods.to_dict("records")}
    model, ground = compared.bundle.pair_model, compared.ground
    assert isinstance(model, Interest)
    if model.rule is not None:
        own = replace(model, rule=None).predict(ground.snapshot, ground.sets, Catalogue.of(ground.snapshot.shop))
        found = set_metrics.summary(set_metrics.by_set(own, ground.outcome, ground.bought))
        result[OURS] = (found["sets"], found["ap"])
    return result


def _customers(fits: Fits, bundle: Bundle, learnt: Learnt) -> pd.DataFrame:
    assert bundle.customer_model is not None
    snapshot = fits.snapshot(bundle.as_of)
    predicted = bundle.customers(snapshot)
    given = predicted[f"likelihood_{bundle.horizon}"].to_numpy()
    ordered = snapshot.ordered()
    raw = logit(given) - np.float32(bundle.customer_model.level)
    learnt.likelihood.append(Window.of_customers(raw, ordered))
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
    return pd.DataFrame([row | _volumes(snapshot, predicted)])


def _volumes(snapshot: Snapshot, predicted: pd.DataFrame) -> dict[str, float]:
    """Expected and real orders and products of all customers, and how far those of one customer lie apart, beside the mean rate of their own past."""
    came, usual = snapshot.volume(), usual_volume(snapshot)
    row: dict[str, float] = {}
    for name in PARTS:
        expected = predicted.get(f"expected_{name}_{snapshot.horizon}")
        if expected is not None and expected.notna().all():
            row |= {f"{name}_expected": float(expected.astype(np.float64).sum()), name: int(came[name].sum())}
            row |= {f"{name}_mae": metrics.mae(expected, came[name]), f"{name}_mae_rate": metrics.mae(usual[name], came[name])}
    return row
