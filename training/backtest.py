"""Fits as of past dates, and what then happened, become tables that say how good the answers were."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pandas as pd

from features.errors import DataError
from features.products import Catalogue
from models import metrics
from models.bundle import Bundle
from models.intervals import Spread
from training.evaluation.compared import Compared, Plan, tables_of
from training.evaluation.ground import Ground
from training.evaluation.slices import pooled_ours, slices_of
from training.fits import Fits
from training.level import Outcome, Probabilities, learnt_level, shifted

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
    lift), ``coverage`` (origin, how often intervals held), ``customers`` (origin, measures of the likelihood); ``cases`` is what slices are made of.
    ``spread`` is how far the sums of probabilities strayed from what came; ``interest_level`` and ``likelihood_level`` are what was learnt of
    the level from all origins, ``..._earned`` whether it beat the raw level.
    """

    origins: tuple[Bundle, ...]
    compared: tuple[Compared, ...]
    tables: dict[str, pd.DataFrame]
    cases: pd.DataFrame
    spread: Spread
    interest_level: float
    interest_earned: bool
    likelihood_level: float
    likelihood_earned: bool

    def measures(self) -> dict[str, float]:
        """The main measures over all origins, by plain names."""
        return measures_of(self.tables)


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
    return [each for each in dates if _can_learn(fits, each)]


def backtest(fits: Fits, dates: list[date], *, bundle_id: str, plan: Plan | None = None, stored: Stored = lambda as_of: None) -> Backtest:
    """Fit as of each date and compare with what came. A level is only ever learnt from windows that had closed by the origin's date.

    A fit that is ``stored`` is taken as it is.
    """
    grounds = Grounds(fits, plan or Plan())
    interest: list[tuple[Probabilities, Outcome]] = []
    likelihood: list[tuple[Probabilities, Outcome]] = []
    bundles: list[Bundle] = []
    compared: list[Compared] = []
    tables: dict[str, list[pd.DataFrame]] = {}
    for as_of in dates:
        bundle = stored(as_of) or _learnt(fits.bundle(as_of, name=f"{bundle_id}/{as_of}"), interest, likelihood)
        bundles.append(bundle)
        fits.say(f"comparing the fit as of {as_of} with what came")
        found = {"customers": _customers(fits, bundle, likelihood)}
        if bundle.has_interest:
            compared.append(_interests(bundle, grounds.of(as_of), interest))
            found |= tables_of(compared[-1], grounds.plan, windows=grounds.windows(as_of) if grounds.plan.calibrated else ())
        for name, table in found.items():
            table.insert(0, "origin", as_of.isoformat())
            tables.setdefault(name, []).append(table)
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    cases = joined.pop("cases", pd.DataFrame())
    joined |= {"slices": slices_of(cases)} if len(cases) else {}
    levels = (*learnt_level(interest), *learnt_level(likelihood))
    return Backtest(tuple(bundles), tuple(compared), joined, cases, Spread.learnt(interest), *levels)


def proven(bundle: Bundle, test: Backtest) -> Bundle:
    """The bundle with the levels and the spread that a backtest learnt."""
    return _proven(bundle, test.spread, interest=test.interest_level, likelihood=test.likelihood_level)


Windows = list[tuple[Probabilities, Outcome]]


def _learnt(raw: Bundle, interest: Windows, likelihood: Windows) -> Bundle:
    return _proven(raw, Spread.learnt(interest), interest=learnt_level(interest)[0], likelihood=learnt_level(likelihood)[0])


def _proven(bundle: Bundle, spread: Spread, *, interest: float, likelihood: float) -> Bundle:
    pair_model = bundle.pair_model and bundle.pair_model.proven(level=interest, spread=spread)
    return replace(bundle, pair_model=pair_model, customer_model=replace(bundle.customer_model, level=likelihood))


def _can_learn(fits: Fits, as_of: date) -> bool:
    try:
        fits.training_dates(as_of)
    except DataError:
        return False
    return True


def _interests(bundle: Bundle, ground: Ground, windows: Windows) -> Compared:
    compared = Compared.of(bundle, ground)
    assert bundle.pair_model is not None
    windows.append((shifted(compared.given, -bundle.pair_model.level), ground.outcome))
    return compared


def _customers(fits: Fits, bundle: Bundle, windows: Windows) -> pd.DataFrame:
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
