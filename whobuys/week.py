"""A shop's week: take in new orders, check them, train, compare recipes, score and publish what is better, rebuild audiences and reports.

Every step is whole or not done, and none is done twice: a run that was killed is made good by the next one. What is published changes in one moment,
bundle and scores together; until then, and whenever a step refuses or fails, what was there stays.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from features.checks import RULES, Finding, Weeks, check_tables, refuse_stops
from features.config import Config
from features.errors import DataError, UsageError, WhobuysError, did_you_mean
from features.files import BUNDLES, MANIFEST, locked, read_current, read_json, write_json
from features.imports import import_files
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.published import bundle_folder, load_bundle
from serving.scores import Scores, score
from training.fits import Fits, Recipe
from training.match import Match, differences, match
from training.train import LIBRARIES, bundle_id, recipe_of, train
from whobuys.week_runs import compared, log_comparison, log_scores, week_run

LOCK = ".weekly.lock"
RESULT = "run_result.json"
State = Literal["done", "skipped", "refused", "failed"]
Say = Callable[[str], None]


class Skipped(Exception):
    """A step that has nothing to do, and why."""


class Planned(Exception):
    """A dry run that has seen what it wanted to see."""


@dataclass(frozen=True)
class Step:
    """What became of a step, in a word and in a sentence, and how many seconds it took."""

    step: str
    state: State
    said: str
    seconds: float


@dataclass(eq=False)
class Week:
    """One run. ``files`` are what is imported, those of the config when there are none; ``accepted`` are rules whose findings somebody looked at."""

    folder: Path
    config: Config
    files: Sequence[Path]
    today: date
    say: Say
    accepted: Sequence[str] = ()
    dry: bool = False
    memory_limit: str | None = None
    threads: int = 2
    findings: list[Finding] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    compared: Match | None = None
    chosen: str = ""

    def take_in(self) -> str:
        """Import; new tables are held against the shop's past before they are published."""
        before = read_current(self.folder).get("tables")
        if not self.files and not self.config.imports.files:
            if before is None:
                raise DataError(f"{self.folder}: no orders were imported here yet; name files, or list them as files in [import] of whobuys.toml")
            raise Skipped("no files are named, so the orders are those that are there")
        coverage = import_files(
            self.folder,
            self.files,
            config=self.config,
            memory_limit=self.memory_limit,
            today=self.today,
            add=self.config.imports.add,
            approve=self._approve,
        )
        if read_current(self.folder).get("tables") == before:
            raise Skipped("the files hold nothing new")
        return f"{coverage.orders:,} orders of {coverage.customers:,} customers, {coverage.first_day} to {coverage.last_day}"

    def _approve(self, tables: Path) -> None:
        before = read_current(self.folder).get("tables")
        if before != str(tables.relative_to(self.folder)):
            shop = Shop.of_tables(tables, memory_limit=self.memory_limit, threads=self.threads, spill=self.folder / ".spill")
            self.findings = check_tables(Weeks(shop, self.folder / before if before else None, self.today))
            for each in self.findings:
                self.say(f"{each.severity}: {each.rule}: {each.text}")
            refuse_stops(self.findings, accepted=self.accepted)
        if self.dry:
            raise Planned

    @cached_property
    def fits(self) -> Fits:
        """The recipe of the config on the tables that are published."""
        shop = Shop.open(self.folder, memory_limit=self.memory_limit, threads=self.threads)
        return Fits(shop, recipe_of(self.config, threads=self.threads), self.say)

    @property
    def as_of(self) -> date:
        """The day after the last order."""
        return self.fits.shop.default_as_of

    @property
    def published(self) -> str | None:
        """The id of the bundle in use."""
        name = read_current(self.folder).get("bundle")
        return Path(name).name if name else None

    def learn(self) -> str:
        """Train a challenger, unless the same orders and recipe made it already."""
        self.chosen = bundle_id(self.fits, self.as_of, self.config.train.backtest_origins)
        if self._is_kept(self.chosen):
            raise Skipped(f"the bundle {self.chosen} was made of the same orders by the same recipe")
        first = self.published is None
        made = train(self.folder, config=self.config, say=self.say, memory_limit=self.memory_limit, threads=self.threads)
        rule = f", where a simple rule answers ({made.rule})" if made.rule else ""
        return f"the bundle {made.id} as of {made.as_of}{rule}" + (", the shop's first" if first else "")

    def _is_kept(self, bundle: str) -> bool:
        """Whether a bundle is there and was logged: a kill may lie between the two."""
        from training.tracking import registered

        return (self.folder / BUNDLES / bundle / MANIFEST).is_file() and bundle in registered(self.folder, self.config.shop.name)

    def compare(self) -> str:
        """Compare the new recipe with the one in use, where they differ."""
        if self.published in (None, self.chosen):
            raise Skipped("the new bundle is the one in use")
        versions = {name: version(name) for name in LIBRARIES}
        different = differences(self.fits.recipe, self._champion, versions)
        if not different:
            raise Skipped("the recipe is the one in use, learnt anew from newer orders: there is nothing to compare")
        self.compared = match(self.fits, bundle_folder(self.folder), self.as_of, seed=self.config.train.seed)
        if self.compared is None:
            return f"no past date to compare on; what differs: {'; '.join(different)}"
        log_comparison(self.folder, self.config, self.compared, as_of=self.as_of, challenger=self.chosen, champion=str(self.published))
        return f"{self.compared.sentence()}; what differs: {'; '.join(different)}"

    @cached_property
    def _champion(self) -> Bundle:
        return load_bundle(self.folder)

    def choose(self) -> str:
        """Take the new bundle, unless its recipe is worse: then that of the recipe in use, fitted anew, or where that is gone the one in use."""
        if self.published in (None, self.chosen):
            raise Skipped(f"{self.chosen} is in use")
        if self.compared is None or not self.compared.worse:
            return f"{self.chosen} takes the place of {self.published}"
        versions = {name: version(name) for name in LIBRARIES}
        if versions != self._champion.facts.get("versions"):
            self.chosen = self._champion.id
            return f"{self.chosen} stays in use: the new recipe is worse, and the libraries that made it are others now"
        recipe = TypeAdapter(Recipe).validate_python(self._champion.facts["recipe"])
        again = bundle_id(Fits(self.fits.shop, recipe, self.say), self.as_of, self.config.train.backtest_origins)
        if not self._is_kept(again):
            train(self.folder, config=self.config, say=self.say, recipe=recipe, memory_limit=self.memory_limit, threads=self.threads)
        self.chosen = again
        return f"{again}, by the recipe in use, takes the place of {self.published}: the new recipe is worse"

    def score(self) -> str:
        """Score with the chosen bundle, and publish both in one step."""
        from training.tracking import mirror_champion

        if self._is_scored():
            mirror_champion(self.folder, self.config.shop.name, bundle_id=self.chosen)  # a kill may lie between publishing and this
            raise Skipped("the scores are of the same orders, by the same bundle")
        made = score(
            self.folder,
            config=self.config,
            bundle=self.chosen,
            promote=True,
            memory_limit=self.memory_limit,
            threads=self.threads,
            say=self.say,
        )
        mirror_champion(self.folder, self.config.shop.name, bundle_id=self.chosen)
        log_scores(self.folder, self.config, made)
        return f"{made.folder.name}, {len(made.customers):,} customers"

    def _is_scored(self) -> bool:
        scores = read_current(self.folder).get("scores")
        if scores is None or self.published != self.chosen:
            return False
        facts = read_json(self.folder / scores / MANIFEST)
        return (facts.get("tables"), facts.get("bundle"), facts.get("as_of")) == (self.fits.shop.tables_id, self.chosen, str(self.as_of))

    def rebuild(self) -> str:
        """Build every saved audience anew, with who entered and who left."""
        from features.products import Catalogue
        from serving.audiences import build_all, evidence_of, saved_audiences
        from serving.destinations.gate import Gate
        from whobuys.audience_verbs import write_members

        saved = saved_audiences(self.folder)
        if not saved:
            raise Skipped("audiences.yaml names none")
        bundle, snapshot = load_bundle(self.folder), Snapshot(self.fits.shop, self.as_of, load_bundle(self.folder).horizon)
        gate = Gate.of(snapshot.shop, self.config)
        evidence = evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop), saved=saved, consented=gate.basis)
        sizes = []
        for members in build_all(list(saved.values()), evidence):
            write_members(members, evidence, shop=self.folder, output=None, gate=gate, bundle=bundle.id, tell=self.say)
            sizes.append(f"{members.audience.audience} {len(members):,}")
        return "; ".join(sizes)

    def report(self) -> str:
        """Write the pages about customers, audiences and the model, for a shop old enough that it was measured."""
        from serving.audiences import saved_audiences
        from serving.published import evaluation_tables
        from whobuys.report_verbs import FOLDER, PAGE, write_audiences, write_customers, write_evaluation, write_history

        paths = [self.folder / FOLDER / f"customers{PAGE}"]
        write_customers(self.folder, paths[0], None, memory_limit=self.memory_limit, threads=self.threads, tell=self.say)
        if saved_audiences(self.folder):
            paths.append(self.folder / FOLDER / f"audiences{PAGE}")
            write_audiences(self.folder, paths[-1], None, None, memory_limit=self.memory_limit, threads=self.threads, tell=self.say)
        if evaluation_tables(self.folder, load_bundle(self.folder)):
            paths.append(write_evaluation(self.folder, self.folder / FOLDER / f"evaluation{PAGE}", log=self._scored))
        paths.append(write_history(self.folder, self.folder / FOLDER / f"history{PAGE}"))
        return ", ".join(str(path.relative_to(self.folder)) for path in paths)

    @property
    def _scored(self) -> bool:
        return any(each.step == "score" and each.state == "done" for each in self.steps)

    def remember(self) -> str:
        """Keep the run's figures, and what came of earlier ones."""
        from serving.history import alerts, remember

        told = alerts(remember(self.folder, Scores.open(self.folder)))
        for each in told:
            self.say(f"note: {each}")
        return "; ".join(told) or "nothing changed by more than chance within a month"


def check_accepted(rules: Sequence[str]) -> None:
    """Raise UsageError for a rule that is none."""
    for rule in rules:
        if rule not in RULES:
            raise UsageError(f"--accept {rule!r}: there is no such rule{did_you_mean(rule, RULES)}")


STEPS: Mapping[str, Callable[[Week], str]] = {
    "import": Week.take_in,
    "train": Week.learn,
    "compare": Week.compare,
    "choose": Week.choose,
    "score": Week.score,
    "audiences": Week.rebuild,
    "history": Week.remember,
    "reports": Week.report,
}
"""What a week is made of, in order."""


def run(week: Week, *, now: Callable[[], datetime], wait_seconds: float = 0) -> dict[str, object]:
    """All steps; what became of them is written to ``run_result.json``, also when one refuses or fails, which is then raised.

    Raises Refused when another weekly run is under way after ``wait_seconds``.
    """
    with locked(week.folder, wait_seconds=wait_seconds, name=LOCK):
        began, error = now(), None
        try:
            with week_run(week.folder, week.config, dry=week.dry) as results:
                for name, step in STEPS.items():
                    week.steps.append(_done(week, name, step))
                results.append(_result(week, began, now(), None))
        except Planned:
            week.steps += [Step(name, "skipped", "a dry run changes nothing", 0.0) for name in list(STEPS)[len(week.steps) :]]
        except (WhobuysError, OSError) as raised:
            error = raised
            raise
        finally:
            result = _result(week, began, now(), error)
            if not week.dry:
                write_json(week.folder / RESULT, result)
        return result


def _done(week: Week, name: str, step: Callable[[Week], str]) -> Step:
    began = time.monotonic()
    week.say(f"{name} ...")
    try:
        state: State = "done"
        said = step(week)
        if week.dry and name == "import":
            raise Planned
    except Skipped as reason:
        state, said = "skipped", str(reason)
    except WhobuysError as error:
        week.steps.append(Step(name, "refused" if error.exit_code == 4 else "failed", str(error), round(time.monotonic() - began, 1)))
        raise
    week.say(f"{name}: {said}")
    return Step(name, state, said, round(time.monotonic() - began, 1))


def _result(week: Week, began: datetime, ended: datetime, error: BaseException | None) -> dict[str, object]:
    current = read_current(week.folder)
    state = "done" if error is None else "refused" if getattr(error, "exit_code", 1) == 4 else "failed"
    return {
        "state": state,
        "exit_code": 0 if error is None else getattr(error, "exit_code", 1),
        "error": "" if error is None else str(error),
        "began": began.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "whobuys": version("whobuys"),
        **{name: current.get(name) for name in ("tables", "bundle", "scores")},
        "steps": [asdict(each) for each in week.steps],
        "findings": [asdict(each) for each in week.findings],
        "compared": compared(week.compared),
    }
