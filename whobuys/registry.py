"""The bundles of a shop's folder become a listing, a description and a comparison, and one of them is published or the one before it again.

``current.json`` is the truth; the registry of MLflow follows it, and what it does not know of is left empty.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pandas as pd

from features.config import load_config
from features.errors import DataError, UsageError
from features.files import (
    BUNDLES,
    MANIFEST,
    SCORES,
    check_seal,
    locked,
    manifests,
    publications,
    publish,
    publish_former,
    read_current,
    written_at,
)
from models.bundle import Bundle
from serving.published import bundle_folder
from training.tracking import Registered, Store, mirror_champion
from training.tracking.trainings import flat
from whobuys.terminal import Say

Known = Mapping[str, Registered]
MEASURES = ("ap", "level", "likelihood_auc")
"""What the listing shows of the backtest."""
FACTS = ("tables", "customers", "training_dates", "backtest_dates", "learnt", "recipe", "versions")
UNKNOWN = Registered("", ())


@dataclass(frozen=True)
class Kept:
    """A bundle that is kept, as its manifest has it, without loading a model."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def facts(self) -> Mapping[str, Any]:
        """What training kept of it: recipe, dates, measures, what was learnt, versions."""
        return cast(Mapping[str, Any], self.manifest["facts"])

    @property
    def made(self) -> str:
        """When it was written: ISO 8601, UTC."""
        return written_at(self.folder / MANIFEST).isoformat()

    @property
    def megabytes(self) -> float:
        """The size of its files."""
        return float(sum(each["bytes"] for each in self.manifest["files"].values())) / 1e6

    @property
    def answers(self) -> str:
        """What answers for product sets: the model, or a rule."""
        return "rule" if self.facts.get("rule") else "model"

    def settings(self) -> dict[str, object]:
        """Everything that decides what it is: date, tables, recipe and versions; not the number of threads, which changes nothing."""
        versions = {f"version of {name}": value for name, value in self.facts.get("versions", {}).items()}
        dates = {name: ", ".join(self.facts.get(name, [])) for name in ("training_dates", "backtest_dates")}
        recipe = {name: value for name, value in flat(self.facts.get("recipe", {})).items() if not name.endswith("threads")}
        return {"as_of": self.manifest["as_of"], "tables": self.facts.get("tables"), **recipe, **dates, **versions}


def kept(shop: Path) -> list[Kept]:
    """The bundles of a shop's folder, the newest first; a damaged manifest is left out."""
    return [Kept(folder, manifest) for folder, manifest in manifests(shop / BUNDLES).items()]


def one(shop: Path, bundle: str | None) -> Kept:
    """The published bundle or the one with that id, after every file was compared with its sha256. Raises DataError as ``bundle_folder`` does."""
    folder = bundle_folder(shop, bundle)
    return Kept(folder, check_seal(folder))


def published(shop: Path) -> str | None:
    """The id of the published bundle; None before the first training."""
    return Path(name).name if (name := read_current(shop).get("bundle")) else None


def listing(shop: Path, known: Known) -> pd.DataFrame:
    """A row for every bundle, the newest first: bundle, as_of, horizon, made, megabytes, measures of its own backtest, answers (``model``, ``rule``),
    published, alias and version in MLflow (null where it does not know the bundle)."""
    in_use = published(shop)
    rows = [_row(each, known.get(each.id, UNKNOWN), in_use=each.id == in_use) for each in kept(shop)]
    columns = ["bundle", "as_of", "horizon", "made", "megabytes", *MEASURES, "answers", "published", "alias", "version"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(MEASURES, "float64") | {"version": "Int64"})


def _row(bundle: Kept, known: Registered, *, in_use: bool) -> dict[str, object]:
    measures = bundle.facts.get("measures", {})
    return {
        "bundle": bundle.id,
        "as_of": bundle.manifest["as_of"],
        "horizon": bundle.manifest["horizon"],
        "made": bundle.made,
        "megabytes": bundle.megabytes,
        **{name: measures.get(name) for name in MEASURES},
        "answers": bundle.answers,
        "published": in_use,
        "alias": ", ".join(known.aliases) or None,
        "version": int(known.number) if known.number else None,
    }


def description(shop: Path, bundle: Kept, known: Known) -> dict[str, object]:
    """Everything of one bundle: what the listing has, its facts, when it was published, and the scores that it made."""
    registered = known.get(bundle.id, UNKNOWN)
    row = _row(bundle, registered, in_use=published(shop) == bundle.id)
    facts = {name: bundle.facts.get(name) for name in FACTS}
    measures = {name: value if math.isfinite(value) else None for name, value in bundle.facts.get("measures", {}).items()}
    return {
        **{name: value for name, value in row.items() if name not in (*MEASURES, "alias")},
        "published_at": [each.when for each in publications(shop) if Path(each.bundle).name == bundle.id],
        "aliases": list(registered.aliases),
        "folder": str(bundle.folder),
        "files": len(bundle.manifest["files"]),
        "rule": bundle.facts.get("rule") or None,
        "missing": bundle.facts.get("missing") or None,
        **facts,
        "measures": measures,
        "scores": [folder.name for folder in _scores_of(shop, bundle.id)],
    }


@dataclass(frozen=True)
class Comparison:
    """Two bundles beside each other: ``settings`` (setting, first, second) that differ, ``measures`` (measure, first, second, difference)."""

    first: Kept
    second: Kept
    settings: pd.DataFrame
    measures: pd.DataFrame

    @property
    def note(self) -> str | None:
        """Why the measures are not to be compared, and what would compare them; None when both are of the same dates and days ahead."""
        dates = [", ".join(each.facts.get("backtest_dates", [])) or "no date" for each in (self.first, self.second)]
        days = [str(each.manifest["horizon"]) for each in (self.first, self.second)]
        told = [f"{what} {' and '.join(pair)}" for what, pair in (("backtests of", dates), ("days ahead:", days)) if len(set(pair)) > 1]
        if not told:
            return None
        return f"{', '.join(told)}: what their measures differ by is no fair comparison; whobuys weekly compares recipes on the same dates"


def comparison(shop: Path, bundle: str, other: str | None) -> Comparison:
    """A bundle beside another, by default the published one. Raises DataError as ``one`` does, UsageError for a bundle beside itself."""
    first, second = one(shop, bundle), one(shop, other)
    if first.id == second.id:
        raise UsageError(f"{bundle}: is compared with itself{'' if other else ', as it is the published one'}; name another bundle beside it")
    settings = [each.settings() for each in (first, second)]
    differ = [name for name in {**settings[0], **settings[1]} if settings[0].get(name) != settings[1].get(name)]
    measures = pd.DataFrame({"first": _measures(first), "second": _measures(second)})
    return Comparison(
        first,
        second,
        pd.DataFrame([(name, *(_text(each.get(name)) for each in settings)) for name in differ], columns=["setting", "first", "second"]),
        measures.assign(difference=measures["first"] - measures["second"]).rename_axis("measure").reset_index(),
    )


def _measures(bundle: Kept) -> pd.Series:
    return pd.Series(bundle.facts.get("measures", {}), dtype="float64")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True)
class Change:
    """The ``bundle`` that is in use now, the one ``before`` (None: there was none), the ``scores`` that were published with it (None: those in use
    stayed), and the ``version`` that is the champion in MLflow (empty: it does not know the bundle)."""

    bundle: str
    before: str | None
    scores: str | None
    version: str

    @property
    def is_none(self) -> bool:
        """Whether the bundle was in use already."""
        return self.bundle == self.before


def promote(shop: Path, bundle: str, *, say: Say) -> Change:
    """Publish a bundle, with scores that it made of the same tables where there are any, and mirror it in the registry.

    When it is the published one already, only the registry is mirrored again. Raises DataError for an id that is not known, a bundle that is damaged
    and a registry that does not answer, all before anything was changed; Refused when another run writes.
    """
    name = _reached(shop)
    with locked(shop):
        Bundle.load(bundle_folder(shop, bundle))
        before, scores = published(shop), None
        if before != bundle:
            scores = _fitting_scores(shop, bundle, say)
            publish(shop, bundle=f"{BUNDLES}/{bundle}", **({"scores": scores} if scores else {}))
        version = mirror_champion(shop, name, bundle_id=bundle)
    return Change(bundle, before, scores, version.number if version else "")


def rollback(shop: Path, *, say: Say) -> Change:
    """Publish the bundle that was published before the present one, with the scores that were in use with it, and mirror it in the registry.

    The present one is forgotten, so that a second rollback goes further back. Where those scores are gone, others that the bundle made of the same
    tables take their place. Raises DataError when nothing is remembered, and otherwise as ``promote`` does, before anything was changed.
    """
    name = _reached(shop)
    with locked(shop):
        found = publications(shop)
        if len(found) < 2:
            raise DataError(
                f"{shop}: no bundle was in use before the present one; publish another of whobuys model list by: whobuys model promote ID"
            )
        former, last = found[-2:]
        bundle = Bundle.load(bundle_folder(shop, Path(former.bundle).name)).id
        scores = former.scores if _whole(shop, former.scores, say) else _fitting_scores(shop, bundle, say)
        publish_former(shop, replace(former, scores=scores))
        version = mirror_champion(shop, name, bundle_id=bundle)
    return Change(bundle, Path(last.bundle).name, scores, version.number if version else "")


def _reached(shop: Path) -> str:
    """The shop's name in the registry, once the registry answers: what cannot be mirrored is not begun."""
    Store.of(shop).reach()
    return load_config(shop).shop.name


def _scores_of(shop: Path, bundle: str) -> dict[Path, dict[str, object]]:
    return {folder: facts for folder, facts in manifests(shop / SCORES).items() if facts.get("bundle") == bundle}


def _fitting_scores(shop: Path, bundle: str, say: Say) -> str | None:
    """The latest whole scores that a bundle made of the tables in use."""
    tables = Path(read_current(shop).get("tables", "")).name
    made = {folder: facts for folder, facts in _scores_of(shop, bundle).items() if facts.get("tables") == tables}
    latest = sorted(made, key=lambda folder: date.fromisoformat(str(made[folder]["as_of"])), reverse=True)
    return next((name for folder in latest if _whole(shop, name := f"{SCORES}/{folder.name}", say)), None)


def _whole(shop: Path, scores: str | None, say: Say) -> bool:
    if scores is None or not (shop / scores).is_dir():
        return False
    try:
        check_seal(shop / scores)
    except DataError as error:
        say(f"note: these scores are left out: {error}")
        return False
    return True
