"""Two recipes are compared on what came after the same past dates: the fits of those dates that are kept with the bundle in use, and fits by the new
recipe as of the same dates. Neither knew anything that came later; last week's own fit has seen those outcomes and is no witness."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.products import Catalogue
from models import set_metrics
from models.bundle import ORIGINS, Bundle
from models.resampling import ap_draws, drawn_customers, interval
from training.evaluation.ground import Ground, quick_sets
from training.fits import Fits, Recipe

SAMPLES = 200
Draws = NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """How two recipes ranked on ``dates``: mean average precision over ``sets`` product sets, and the ratio's middle 95 % in draws of customers."""

    dates: tuple[date, ...]
    sets: int
    ap: float
    champion_ap: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether the new recipe is worse beyond the interval."""
        return self.high < 1

    def sentence(self) -> str:
        """What it came to."""
        on = f"{len(self.dates)} past date{'s' * (len(self.dates) != 1)} ({', '.join(map(str, self.dates))}), {self.sets} product sets"
        how = "worse" if self.worse else "better" if self.low > 1 else "no worse"
        ratio = f"AP {self.ap:.4f} against {self.champion_ap:.4f}, {self.ap / self.champion_ap:.3f} times ({self.low:.3f} to {self.high:.3f})"
        return f"the new recipe is {how} than the one in use: {ratio} on {on}"


def differences(recipe: Recipe, champion: Bundle, versions: Mapping[str, str]) -> list[str]:
    """What makes the recipe another than that of a bundle: settings by their dotted names, and versions of the libraries that make models.

    How many threads fit is no difference: the same seed gives the same models.
    """
    kept = champion.facts.get("recipe", {})
    old = dict(_flat(kept)) if isinstance(kept, dict) else {}
    new = dict(_flat(asdict(recipe)))
    told = [f"{name}: {old.get(name)} -> {value}" for name, value in new.items() if old.get(name) != value and not name.endswith("threads")]
    were = champion.facts.get("versions", {})
    return told + [f"{name} {were.get(name)} -> {version}" for name, version in versions.items() if were.get(name) != version]


def match(fits: Fits, champion: Path, as_of: date, *, seed: int = 1) -> Match | None:
    """Compare the recipe of the fits with the kept fits of the bundle in the folder ``champion``, on its past dates that had closed by ``as_of``.

    None where there is nothing to compare on: no kept fit, another horizon, no order lines, or no product set with enough buyers.
    """
    rows = [found for kept in _kept(champion, fits, as_of) if (found := _on(fits, kept, seed=seed)) is not None]
    if not rows:
        return None
    ours, theirs = (np.concatenate([row[place] for row in rows], axis=0) for place in (1, 2))
    aps, their_aps = (np.concatenate([row[place] for row in rows]) for place in (3, 4))
    low, high = interval(np.nanmean(ours, axis=0) / np.nanmean(theirs, axis=0))
    return Match(tuple(row[0] for row in rows), len(aps), float(aps.mean()), float(their_aps.mean()), low, high)


def _kept(champion: Path, fits: Fits, as_of: date) -> Iterator[Bundle]:
    horizon = timedelta(days=fits.recipe.horizon)
    for folder in sorted((champion / ORIGINS).glob("[0-9]*")):
        kept = Bundle.load(folder)
        if kept.horizon == fits.recipe.horizon and kept.has_interest and kept.as_of + horizon <= as_of and fits.can_learn(kept.as_of):
            yield kept


def _on(fits: Fits, kept: Bundle, *, seed: int) -> tuple[date, Draws, Draws, Draws, Draws] | None:
    """On one date: the date, draws of AP (sets x draws) of the new recipe and of the kept fit, and the AP of every set of both."""
    snapshot = fits.snapshot(kept.as_of)
    ground = Ground(snapshot, tuple(quick_sets(snapshot, Catalogue.of(fits.shop))))
    measured = ground.outcome.sum(axis=0) >= set_metrics.MIN_BUYERS
    if not measured.any():
        return None
    fits.say(f"comparing recipes on what came after {kept.as_of}")
    new = fits.bundle(kept.as_of, name="challenger")
    customers = drawn_customers(len(snapshot.customer_ids), samples=SAMPLES, seed=seed)
    everybody = np.ones_like(ground.bought)
    found = []
    for each in (new, kept):
        given = each.interest(snapshot, ground.sets)
        draws = ap_draws(given, ground.outcome, everybody, customers, measured=measured)[measured]
        found.append((draws, set_metrics.by_set(given, ground.outcome, ground.bought)["ap"].dropna().to_numpy()))
    return kept.as_of, found[0][0], found[1][0], found[0][1], found[1][1]


def _flat(content: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", list(value) if isinstance(value, tuple) else value
