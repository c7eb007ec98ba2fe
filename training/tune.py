"""A shop folder becomes settings that suit it better than the defaults, or the knowledge that none do: drawn at random, judged on past dates."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import ParameterSampler

from features.config import Config, add_section, check_no_section
from features.dates import day_number
from features.errors import DataError
from features.files import locked
from features.products import Catalogue
from features.sections import ModelSection
from features.shop import Shop
from models import metrics, set_metrics
from models.base import Floats
from models.pairs.affinity import Affinity
from models.pairs.interest import BLOCK, Interest, InterestConfig, PairSample
from models.pairs.pair_features import PairColumns
from models.resampling import Draws, ap_draws, drawn_customers, interval
from training.backtest import backtest_dates
from training.choice import Measured, Trial, Tuning, chosen
from training.evaluation.ground import QUICK_SETS, Ground, quick_sets
from training.fits import Fits, Say
from training.train import laid_over, recipe_of

SECTION = "model"
ROWS = 1_000_000
"""Pairs of an origin that a trial is judged on at most: their columns are held in memory for all trials. A larger shop is judged by a part of its
customers, the same on every origin."""
SAMPLES = 200
"""Draws of customers that say how sure a difference is."""


@dataclass(frozen=True)
class Range:
    """Values of a setting that are tried, the default among them, and why these."""

    values: tuple[float, ...]
    reason: str


SPACE: Mapping[str, Range] = {
    "trees": Range((80, 120, 160, 240, 320), "from half to twice: the regression carries a shop with few orders, more orders bear more trees"),
    "leaves": Range((4, 7, 12, 20, 31), "up to LightGBM's own 31; past that, trees learn customers by heart"),
    "learning_rate": Range((0.03, 0.05, 0.1, 0.15), "smaller steps need more trees than are tried, larger ones overshoot"),
    "least_in_leaf": Range((150, 300, 600, 1200, 2400), "a quarter to four times: how rare a kind of buyer may be and still be told apart"),
    "column_share": Range((0.1, 0.2, 0.35, 0.5, 0.8), "columns say nearly the same: a small share makes trees differ, a large one makes each better"),
    "ridge": Range((1, 5, 20, 80), "from hardly any restraint to four times the default"),
    "logistic_strength": Range((1e-4, 3e-4, 1e-3, 3e-3, 1e-2), "a tenth to ten times: how much a few buyers may teach the regression"),
    "half_life": Range((20, 45, 90, 180, 365), "from a shop whose months differ to one whose year is one"),
}
"""What trials draw from. Only what acts while fitting: the pairs, their columns and affinities are the same for all trials, so each costs a fit."""


def tune(
    folder: Path,
    *,
    config: Config,
    say: Say,
    trials: int,
    origins: int,
    seed: int | None = None,
    as_of: date | None = None,
    horizon: int | None = None,
    write: bool = False,
    memory_limit: str | None = None,
    threads: int = 2,
) -> Tuning:
    """Try ``trials`` settings beside the defaults (and those of ``[model]`` in whobuys.toml, if it states any), log all to MLflow, and with ``write``
    put what is better into whobuys.toml.

    They are judged on ``origins`` past dates and confirmed on one more, the newest; see ``search``. ``seed`` draws settings and customers (default:
    that of ``[train]``). Raises DataError for a shop without order lines, too young, or with too few buyers; Refused when the section is there
    already or another run writes to the shop.
    """
    shop = Shop.open(folder, memory_limit=memory_limit, threads=threads)
    as_of = as_of or shop.default_as_of
    shop.check_date(as_of)
    if not shop.has_lines:
        raise DataError("the orders have no lines, so there is no model of who buys what, and nothing to tune; import order lines first")
    if write:
        check_no_section(folder, SECTION)
    fits = Fits(shop, recipe_of(config.model_copy(update={SECTION: ModelSection()}), horizon=horizon, threads=threads), say)
    seed = config.train.seed if seed is None else seed
    stated = [config.model] if laid_over(fits.recipe.interest, config.model) != fits.recipe.interest else []
    tuning_dates(fits, as_of, origins)
    from training.tracking import Store, log_tuning  # MLflow takes seconds to import

    Store.of(folder).reach()
    with locked(folder) if write else nullcontext():
        found = search(fits, as_of, [*stated, *drawn_settings(trials, seed=seed)], origins=origins, seed=seed)
        say("logging to MLflow")
        log_tuning(folder, found, seed=seed, tables=shop.tables_id or "frames", name=config.shop.name)
        if write:
            keep(folder, found, say=say)
    return found


def keep(folder: Path, found: Tuning, *, say: Say) -> None:
    """Put what is better than the defaults, if anything is, into whobuys.toml, behind what stands there. Raises Refused as ``add_section``."""
    if found.settings:
        say(f"wrote [{SECTION}] into {add_section(folder, SECTION, found.settings)}")


def drawn_settings(trials: int, *, seed: int) -> list[ModelSection]:
    """So many different settings from ``SPACE``, every value as likely as the others of its range (Bergstra, Bengio 2012: few settings matter, and
    nobody knows which, so drawing all of them finds more than a grid)."""
    space = {name: list(each.values) for name, each in SPACE.items()}
    return [ModelSection.model_validate(each) for each in ParameterSampler(space, trials, random_state=seed % 2**32)]


def tuning_dates(fits: Fits, as_of: date, origins: int) -> tuple[list[date], date]:
    """Up to ``origins`` dates that choose, oldest first, and the newest, which confirms. Raises DataError for a shop too young for one of each."""
    dates = backtest_dates(fits, as_of, origins + 1)
    if len(dates) < 2:
        known, horizon = max(day_number(as_of) - fits.shop.days[0], 0), fits.recipe.horizon
        raise DataError(
            f"as of {as_of} the orders go back {known} days; tuning needs {4 * horizon}: two horizons of {horizon} days that have passed, to "
            "choose and to confirm, one to learn from before them, and one of history; "
            f"import older orders, or tune with --horizon {max(1, known // 4)} or less"
        )
    return dates[:-1], dates[-1]


def search(fits: Fits, as_of: date, candidates: Sequence[ModelSection], *, origins: int, seed: int) -> Tuning:
    """Fit every candidate and the defaults (the settings of the fits' recipe) as of past dates, on what was known then, and compare what they say.

    The dates lie one horizon apart and all had closed by ``as_of``. The older ones choose; the newest plays no part in that, and only the defaults
    and what was chosen are fitted there. Raises DataError when no product set had enough buyers on any date that chooses.
    """
    choosing, newest = tuning_dates(fits, as_of, origins)
    if len(choosing) < origins:
        fits.say(f"the orders are old enough for {len(choosing)} of {origins} origins that choose, and one that confirms")
    configs = [fits.recipe.interest, *(laid_over(fits.recipe.interest, each) for each in candidates)]
    found = {each: answers for each in choosing if (answers := _tried(fits, each, configs, seed=seed))}
    if not found:
        raise DataError(
            f"on the origins {', '.join(map(str, choosing))} no product set had {set_metrics.MIN_BUYERS} buyers, so nothing tells good settings from "
            "bad ones; the defaults stay"
        )
    trials = _trials(configs, list(found.values()))
    choice = chosen(trials)
    last = _tried(fits, newest, [configs[0], configs[choice]], seed=seed, confirms=True) if choice else []
    confirmed = _trials([configs[0], configs[choice]], [last]) if last else ()
    both = (confirmed[0], confirmed[1]) if confirmed else None
    return Tuning(as_of, fits.recipe.horizon, tuple(found), newest, settings_of(configs[0]), trials, both)


def settings_of(config: InterestConfig) -> dict[str, float]:
    """All settings that can be tuned, by name.

    >>> settings_of(InterestConfig())["half_life"]
    45.0
    """
    known = {**asdict(config.blend), "half_life": config.half_life}
    return {name: known[name] for name in ModelSection.model_fields}


@dataclass(frozen=True, eq=False)
class _Answer:
    """What a trial came to on an origin; ``draws`` (sets x draws) is AP in draws of customers, kept for the defaults and what is better than they."""

    measured: Measured
    draws: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class _Origin:
    """A past date as every trial meets it: what it learns from, ``columns`` of the pairs that it is asked about, set by set, in blocks, what came and
    what was bought before (customers x sets), and the draws of the customers."""

    samples: tuple[PairSample, ...]
    affinity: Affinity
    columns: tuple[pd.DataFrame, ...]
    outcome: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    customers: Draws

    @classmethod
    def of(cls, fits: Fits, as_of: date, *, seed: int) -> "_Origin":
        """Made once for all trials."""
        snapshot, catalogue = fits.snapshot(as_of), Catalogue.of(fits.shop)
        ground = Ground(snapshot, tuple(quick_sets(snapshot, catalogue)))
        samples, affinity = tuple(fits.sample(each) for each in fits.training_dates(as_of)), fits.affinity(as_of)
        asked = _asked(len(fits.shop.customer_ids), seed=seed)
        rows = np.flatnonzero(np.isin(snapshot.codes, asked))
        columns = PairColumns(ground.pairs, affinity.of(snapshot, catalogue))
        width = max(1, BLOCK // len(snapshot.customer_ids))
        blocks = [np.arange(first, min(first + width, len(ground.sets))) for first in range(0, len(ground.sets), width)]
        parts = tuple(columns.of(np.tile(rows, len(sets)), np.repeat(sets, len(rows))) for sets in blocks)
        draws = drawn_customers(len(asked), samples=SAMPLES, seed=seed)[np.searchsorted(asked, snapshot.codes[rows])]
        return cls(samples, affinity, parts, ground.outcome[rows], ground.bought[rows], draws)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which sets have enough buyers."""
        return np.asarray(self.outcome.sum(axis=0) >= set_metrics.MIN_BUYERS)

    def answer(self, config: InterestConfig, *, than: float) -> _Answer:
        """Fit with these settings and compare; customers are drawn when the AP is higher ``than`` that."""
        began = time.monotonic()
        model = Interest.fit(self.samples, self.affinity, config=config)
        given = np.concatenate([model.probability(each) for each in self.columns]).reshape(self.outcome.shape[::-1]).T
        seconds = time.monotonic() - began
        found = set_metrics.summary(set_metrics.by_set(given, self.outcome, self.bought))
        loss = metrics.log_loss(given, self.outcome)
        measured = Measured(int(found["sets"]), found["ap"], int(found["new_sets"]), found["new_ap"], loss, seconds)
        return _Answer(measured, self._drawn(given) if found["ap"] > than else None)

    def _drawn(self, given: Floats) -> NDArray[np.float64]:
        return ap_draws(given, self.outcome, np.ones_like(self.bought), self.customers, measured=self.measured)[self.measured]


def _asked(customers: int, *, seed: int) -> NDArray[np.int64]:
    """Which customers of the shop are looked at: their codes, ascending.

    >>> _asked(3, seed=1).tolist()
    [0, 1, 2]
    """
    return np.sort(np.random.default_rng(seed).permutation(customers)[: ROWS // QUICK_SETS])


def _tried(fits: Fits, as_of: date, configs: Sequence[InterestConfig], *, seed: int, confirms: bool = False) -> list[_Answer]:
    """An answer for every config, the defaults first; none where no product set had enough buyers. What ``confirms`` always has its draws."""
    fits.say(f"what was known and what came, as of {as_of}")
    origin = _Origin.of(fits, as_of, seed=seed)
    if not origin.measured.any():
        fits.say(f"no product set had {set_metrics.MIN_BUYERS} buyers in the horizon from {as_of} on: that origin says nothing")
        return []
    answers: list[_Answer] = []
    for place, config in enumerate(configs):
        trial = "what was chosen" if confirms else f"trial {place} of {len(configs) - 1}"
        fits.say(f"as of {as_of}: {trial if place else 'the defaults'}")
        answers.append(origin.answer(config, than=answers[0].measured.ap if answers and not confirms else -np.inf))
    return answers


def _trials(configs: Sequence[InterestConfig], origins: Sequence[Sequence[_Answer]]) -> tuple[Trial, ...]:
    """The answers of each config on all origins; where all were better than the defaults', with the interval of the ratio."""
    by_config = list(zip(*origins, strict=True))
    defaults, settings = by_config[0], [settings_of(each) for each in configs]
    trials = []
    for place, answers in enumerate(by_config):
        other = {name: value for name, value in settings[place].items() if value != settings[0][name]}
        low, high = _ratio(answers, defaults) if place else (np.nan, np.nan)
        trials.append(Trial(other, tuple(each.measured for each in answers), low, high))
    return tuple(trials)


def _ratio(answers: Sequence[_Answer], defaults: Sequence[_Answer]) -> tuple[float, float]:
    """The middle 95 % of AP over that of the defaults, in the same draws; NaN when the defaults were better somewhere."""
    ours, theirs = ([each.draws for each in found if each.draws is not None] for found in (answers, defaults))
    if len(ours) < len(answers):
        return np.nan, np.nan
    return interval(np.nanmean(np.vstack(ours), axis=0) / np.nanmean(np.vstack(theirs), axis=0))
