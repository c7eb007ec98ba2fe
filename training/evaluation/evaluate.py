"""A bundle and a shop become an evaluation: its recipe at past dates, each fitted on what was known then, beside every rule and with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter

from features.dates import day_number
from features.errors import DataError
from features.products import ProductSet
from features.shop import Shop
from models.bundle import ORIGINS, Bundle
from models.pairs.baselines import BASELINES
from training.backtest import backtest, backtest_dates, measures_of
from training.evaluation.compared import Plan
from training.evaluation.ground import varied_sets
from training.evaluation.verdict import verdict
from training.fits import Fits, Recipe, Say


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good the answers of a bundle were: the tables of a ``Backtest``, slices with intervals if they were drawn. Nobody is named in it.

    ``as_of`` is the end of what was looked at: the horizon of the newest origin had passed by then.
    """

    bundle: str
    as_of: date
    horizon: int
    tables: dict[str, pd.DataFrame]

    @property
    def origins(self) -> list[str]:
        """The dates that were predicted, oldest first."""
        return [str(each) for each in self.tables["customers"]["origin"].unique()]

    def facts(self) -> dict[str, str]:
        """What was evaluated: bundle, as_of, horizon and origins, as texts."""
        return {"bundle": self.bundle, "as_of": self.as_of.isoformat(), "horizon": str(self.horizon), "origins": ", ".join(self.origins)}

    def verdict(self) -> list[str]:
        """What it comes to, a sentence or two each, the most important first."""
        return verdict(self.tables)

    def measures(self) -> dict[str, float]:
        """The main measures by name."""
        return measures_of(self.tables)


def evaluate(
    shop: Shop,
    bundle: Bundle,
    folder: Path,
    *,
    origins: int,
    say: Say,
    as_of: date | None = None,
    sets: Sequence[ProductSet] | None = None,
    threads: int = 2,
) -> Evaluation:
    """Put a bundle's recipe to the test at ``origins`` dates, one horizon apart, the newest such that its horizon has passed by ``as_of``
    (default: the day after the last order). ``sets`` are asked about; by default the shop's main ones, its best sold and its newest products.

    ``folder`` is where the bundle is kept: fits of its own backtest are used again if they are of the same orders. Nothing is written.
    Raises DataError when the shop is too young.
    """
    recipe = recipe_of(bundle, threads=threads)
    fits = Fits(shop, recipe, say)
    end = as_of or shop.default_as_of
    shop.check_date(end)
    dates = backtest_dates(fits, end, origins)
    if not dates:
        raise _too_young(shop, end, recipe.horizon)
    if len(dates) < origins:
        say(f"the orders are old enough for {len(dates)} of {origins} origins")
    plan = Plan(varied_sets if sets is None else lambda snapshot, catalogue: sets, tuple(BASELINES), calibrated=True)
    test = backtest(fits, dates, bundle_id=bundle.id, plan=plan, stored=stored_fits(bundle, folder, shop))
    if test.compared:
        say("drawing customers again and again, to see how sure the differences are")
    return Evaluation(bundle.id, end, recipe.horizon, test.surely().tables)


def recipe_of(bundle: Bundle, *, threads: int) -> Recipe:
    """How a bundle was made, from its facts."""
    recipe: Recipe = TypeAdapter(Recipe).validate_python(bundle.facts["recipe"])
    affinity = replace(recipe.interest.affinity, threads=threads)
    interest, likelihood = replace(recipe.interest, threads=threads, affinity=affinity), replace(recipe.likelihood, threads=threads)
    return replace(recipe, interest=interest, likelihood=likelihood)


def stored_fits(bundle: Bundle, folder: Path, shop: Shop) -> Callable[[date], Bundle | None]:
    """Look up the fit as of a date that a bundle's own backtest made; None when there is none, or when it learnt from other tables."""

    def look_up(as_of: date) -> Bundle | None:
        path = folder / ORIGINS / as_of.isoformat()
        return Bundle.load(path) if path.is_dir() and bundle.facts.get("tables") == shop.tables_id else None

    return look_up


def _too_young(shop: Shop, end: date, horizon: int) -> DataError:
    known = max(day_number(end) - shop.days[0], 0)
    return DataError(
        f"by {end} the orders go back {known} days; an evaluation needs {3 * horizon}: a horizon of {horizon} days that has passed, "
        f"one to learn from before it, and one of history; import older orders, or train with --horizon {max(1, known // 3)} or less"
    )
