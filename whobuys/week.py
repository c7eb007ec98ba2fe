"""A shop's week: take in new orders, check them, train, compare recipes, score and publish what is better, rebuild audiences and reports.

Every step is whole or not done, and none is done twice: a run that was killed is made good by the next one. What is published changes in one moment,
bundle and scores together; until then, and whenever a step refuses or fails, what was there stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from features.checks import RULES, Finding, Weeks, check_tables, refuse_stops
from features.config import Config
from features.errors import DataError, UsageError, did_you_mean
from features.files import BUNDLES, MANIFEST, check_seal, read_current, read_json
from features.imports import import_files
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.known import recall
from serving.published import bundle_folder, load_bundle
from serving.scores import Scores, score
from training.fits import Fits, Recipe
from training.match import Match, differences, match
from training.train import LIBRARIES, bundle_id, recipe_of, train
from whobuys.week_runs import log_comparison, log_scores

State = Literal["done", "skipped", "refused", "failed"]
Say = Callable[[str], None]


class Skipped(Exception):
    """A step that has nothing to do, and why."""


class Planned(Exception):
    """A dry run that has seen what it wanted to see, and what that is."""


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
        self._tell(check_tables(Weeks.of(self.folder, tables, self.today, memory_limit=self.memory_limit, threads=self.threads)))
        refuse_stops(self.findings, accepted=self.accepted)
        if self.dry:
            raise Planned(self._would_be(tables))

    def _would_be(self, tables: Path) -> str:
        """What the files come to, beside what is published, for a dry run."""
        before = read_current(self.folder).get("tables")
        if before is not None and Path(before).name == tables.name:
            return "the files can be read, and hold nothing new"
        then = _counts(self.folder / before) if before is not None else {}
        counts = ", ".join(f"{count:,} {name}{f' ({count - then[name]:+,})' if name in then else ''}" for name, count in _counts(tables).items())
        warned = f"{len(self.findings)} finding{'s' * (len(self.findings) != 1)}, see above" if self.findings else "nothing odd"
        return f"the files can be read, with them there would be {counts}; {warned}"

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
        """Whether a bundle is there, as it was made, and was logged: a kill may lie between the two."""
        from training.tracking import registered

        return self._is_whole(self.folder / BUNDLES / bundle) and bundle in registered(self.folder, self.config.shop.name)

    def _is_whole(self, folder: Path) -> bool:
        """Whether a bundle or scores are there, and all their files as they were sealed; what is damaged is said, and will be made anew."""
        if not (folder / MANIFEST).is_file():
            return False
        try:
            check_seal(folder)
        except DataError as error:
            self.say(f"note: {error}")
            return False
        return True

    def compare(self) -> str:
        """Compare the new recipe with the one in use, where they differ."""
        if self.published in (None, self.chosen):
            raise Skipped("the new bundle is the one in use")
        if not self._is_whole(bundle_folder(self.folder)):
            return f"the bundle in use, {self.published}, is damaged, so it is not compared"
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
        if scores is None or self.published != self.chosen or not self._is_whole(self.folder / scores):
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
        bundle = load_bundle(self.folder)
        snapshot = Snapshot(self.fits.shop, self.as_of, bundle.horizon)
        recall(bundle, snapshot)
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
            paths.append(write_evaluation(self.folder, self.folder / FOLDER / f"evaluation{PAGE}", log=self._scored, findings=self.findings))
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

    def watch(self) -> str:
        """Hold what is published now against what the model learnt from, the runs before and what came; what is odd is a warning."""
        from serving.history import remember_drift
        from serving.watch import WATCHED, Watch, watch_run

        watch = Watch.of(self.folder)
        found = watch_run(watch)
        remember_drift(self.folder, watch.scores.as_of, [*watch.moved_facts, *watch.moved_scores])
        self._tell(found)
        return f"{len(found)} warning{'s' * (len(found) != 1)}: see above" if found else f"nothing odd: {', '.join(WATCHED)}"

    def _tell(self, found: Sequence[Finding]) -> None:
        self.findings += found
        for each in found:
            self.say(f"{each.severity}: {each.rule}: {each.text}")


def _counts(tables: Path) -> dict[str, int]:
    """How many orders, customers and products there are in tables."""
    coverage = read_json(tables / MANIFEST).get("coverage")
    return {name: int(coverage[name]) for name in ("orders", "customers", "products")} if isinstance(coverage, dict) else {}


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
    "watch": Week.watch,
    "reports": Week.report,
}
"""What a week is made of, in order."""
