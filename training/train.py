"""A shop folder becomes a bundle: fit on everything before a date, prove it on past dates, keep it, track it, publish it."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from features.config import Config
from features.errors import DataError, listed
from features.files import BUNDLES, locked, publish, read_current
from features.parts import shop_to_learn_from
from features.sections import ModelSection
from features.snapshot import Snapshot
from models.blend import BlendConfig
from models.bundle import Bundle
from models.customers.likelihood import LikelihoodConfig
from models.customers.outlook import Outlook, OutlookConfig
from models.drift import BINS, binned
from models.kept import older, remove_older
from models.pairs.interest import InterestConfig
from models.pairs.ruled import RuleAlone, Ruled
from training.backtest import Backtest, backtest, backtest_dates
from training.contest import USUAL_RULE
from training.fits import Fits, Recipe, Say

LIBRARIES = ("whobuys", "numpy", "scipy", "scikit-learn", "lightgbm", "implicit", "pandas", "duckdb")


DRAWN = 1_000_000
"""Pairs of one date up to which a training draws intervals; beyond, they take minutes: whobuys evaluate --origins draws them."""


def recipe_of(config: Config, *, horizon: int | None = None, threads: int = 2) -> Recipe:
    """The recipe that whobuys.toml asks for; ``horizon`` overrides its horizon."""
    settings = config.train
    likelihood = LikelihoodConfig(seed=settings.seed, threads=threads)
    interest = laid_over(InterestConfig(seed=settings.seed, threads=threads), config.model)
    return Recipe(
        horizon or settings.horizon,
        settings.origins,
        settings.customers,
        replace(interest, affinity=replace(interest.affinity, threads=threads)),
        likelihood,
        OutlookConfig(**config.customers.model_dump(), likelihood=likelihood),
    )


def laid_over(interest: InterestConfig, section: ModelSection) -> InterestConfig:
    """The settings with those that ``[model]`` states in their place.

    >>> found = laid_over(InterestConfig(), ModelSection(trees=300, half_life=90))
    >>> found.blend.trees, found.blend.leaves, found.half_life
    (300, 7, 90.0)
    """
    stated = section.stated()
    half_life = stated.pop("half_life", interest.half_life)
    return replace(interest, half_life=half_life, blend=BlendConfig(**asdict(interest.blend) | stated))


def train(
    folder: Path,
    *,
    config: Config,
    say: Say,
    as_of: date | None = None,
    horizon: int | None = None,
    promote: bool = False,
    recipe: Recipe | None = None,
    memory_limit: str | None = None,
    threads: int = 2,
) -> Bundle:
    """Fit on everything before ``as_of`` (default: the day after the last order), backtest, write ``bundles/<id>/`` and log to MLflow.

    The bundle is published when it is the shop's first, the published one made anew, or with ``promote``; older ones are removed as ``[train] keep``
    and ``keep_days`` say. ``recipe`` takes the place of that of the config. The id is made of the date, the tables, the recipe and the versions: the
    same call on the same orders gives the same bundle. Raises DataError for a shop that is too young or without orders, Refused when another run
    writes to the shop.
    """
    shop = shop_to_learn_from(folder, config=config, memory_limit=memory_limit, threads=threads, say=say)
    recipe = recipe or recipe_of(config, horizon=horizon, threads=threads)
    as_of = as_of or shop.default_as_of
    shop.check_date(as_of)
    fits = Fits(shop, recipe, say)
    from training.tracking import Store, forget, log_training, mirror_champion  # MLflow takes seconds to import

    Store.of(folder).reach()
    with locked(folder):
        bundle, test = fit_and_prove(fits, as_of, origins=config.train.backtest_origins)
        target = folder / BUNDLES / bundle.id
        bundle.save(target, origins=test.origins, tables={**test.tables, BINS: learnt_from(fits, as_of)})
        say("logging to MLflow")
        log_training(folder, target, bundle=bundle, tables=test.tables, name=config.shop.name)
        if promote or read_current(folder).get("bundle") in (None, f"{BUNDLES}/{bundle.id}"):
            publish(folder, bundle=f"{BUNDLES}/{bundle.id}")
            mirror_champion(folder, config.shop.name, bundle_id=bundle.id)
        limits = {"keep": config.train.keep, "keep_days": config.train.keep_days}
        forget(folder, config.shop.name, bundles=[each.name for each in older(folder, **limits)])
        if removed := remove_older(folder, **limits):
            say(f"removed what is old: {listed([f'{BUNDLES}/{each}' for each in removed])}")
    return bundle


def fit_and_prove(fits: Fits, as_of: date, *, origins: int) -> tuple[Bundle, Backtest]:
    """The bundle as of a date and its backtest on ``origins`` earlier dates (fewer for a young shop), whose lessons it has.

    A shop that is too young or too small to learn from gets the outlook of its customers alone; what is missing is said.
    """
    name = bundle_id(fits, as_of, origins)
    test = backtest(fits, backtest_dates(fits, as_of, origins), bundle_id=name)
    test = test.surely() if all(each.given.size <= DRAWN for each in test.compared) else test
    try:
        bundle, missing = test.learnt.correct(fits.bundle(as_of, name=name)), ""
    except DataError as error:
        bundle, missing = Bundle(name, as_of, fits.recipe.horizon, None, None), str(error)
        fits.say(f"note: {missing}; until then simple rules answer for product sets, and buy-till-you-die models for customers")
    facts = {
        "tables": fits.shop.tables_id,
        "customers": len(fits.snapshot(as_of).customer_ids),
        "share_of_customers": fits.shop.share,
        "recipe": asdict(fits.recipe),
        "training_dates": [each.isoformat() for each in fits.training_dates(as_of)] if fits.can_learn(as_of) else [],
        "backtest_dates": [each.as_of.isoformat() for each in test.origins],
        "measures": test.measures() if test.origins else {},
        "learnt": test.learnt.facts(),
        "versions": {name: version(name) for name in LIBRARIES},
        "missing": missing,
    }
    outlook = fits.outlook(bundle)
    if missing and fits.shop.has_lines:
        bundle = replace(bundle, pair_model=RuleAlone(untaught_rule(fits.snapshot(as_of), outlook)))
    return replace(bundle, outlook_model=outlook, facts=facts | {"rule": bundle.rule or ""}), test


def learnt_from(fits: Fits, as_of: date) -> pd.DataFrame:
    """What the shop was like on the newest date learnt from, and how far up to three dates before it were from that (``models.drift``)."""
    dates = fits.training_dates(as_of) if fits.can_learn(as_of) else [as_of]
    newest, *earlier = (fits.snapshot(each) for each in dates[:4])
    return binned(newest, earlier)


def untaught_rule(snapshot: Snapshot, outlook: Outlook) -> Ruled:
    """The usual rule for a shop without a date to learn from: as many buyers as of late, by how many more or fewer orders the outlook expects."""
    lately = float((snapshot.customers()["recency"] <= snapshot.horizon).mean())
    expected = float(outlook.predict(snapshot, None)[f"likelihood_{snapshot.horizon}"].mean())
    return Ruled.untaught(USUAL_RULE, level=expected / lately if lately else 1.0)


def bundle_id(fits: Fits, as_of: date, origins: int) -> str:
    """``<as_of>-<8 hex digits>`` of the tables, the recipe and the versions."""
    content = [fits.shop.tables_id, as_of.isoformat(), origins, asdict(fits.recipe), {name: version(name) for name in LIBRARIES}]
    return f"{as_of}-{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]}"
