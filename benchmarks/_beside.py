"""A made-up shop that was trained and scored becomes a comparison: beside the script of a good data scientist, and beside libraries alone."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import pandas as pd
from _commands import Step, timed
from _page import ROOT, figure, table_of
from _rivals import FOLDER, THREADS, Rival, environment, version_of
from _told import quality, tell

from features.config import load_config
from features.files import read_current

P = ParamSpec("P")
R = TypeVar("R")
ALONE = (
    Rival("implicit, ALS alone", "als.py", "als.txt", "implicit", ("64", "5", "180", "8")),
    Rival("RecTools, two stages", "rectools_two_stage.py", "rectools.txt", "RecTools"),
    Rival("LensKit, ALS", "lenskit_als.py", "lenskit.txt", "lenskit"),
    Rival("lifetimes, BG/NBD", "bg_nbd.py", "lifetimes.txt", "lifetimes"),
)
OURS, SHARED, SCRIPT, EVERYBODY = "**whobuys** train + score", "whobuys, what the script does too", "pandas script", "pandas script, everybody"
LIKE_FOR_LIKE, PANDAS = ROOT / "benchmarks" / "_like_for_like.py", FOLDER / "pandas_script.py"


@dataclass(frozen=True)
class Limits:
    """What everybody gets: threads, and of rivals the most minutes and gigabytes."""

    threads: int
    minutes: int
    gigabytes: int


@dataclass(frozen=True)
class Answer:
    """What a method took and wrote; ``lists`` is None with a ``problem``."""

    name: str
    version: str
    seconds: float
    processor: float
    megabytes: float
    lists: Path | None
    problem: str = ""


@dataclass(frozen=True)
class Comparison:
    """All answers, ours first; ``quality`` are AP and new AP by name; ``features`` what the features alone took, ours and in pandas."""

    answers: list[Answer]
    quality: dict[str, tuple[float, float]]
    features: tuple[Step, Step]
    prepared: Step

    def of(self, name: str) -> Answer | None:
        """The answer of a method that gave one."""
        return next((each for each in self.answers if each.name == name and each.lists), None)

    def table(self) -> list[str]:
        """A row per method: time, memory and AP, and how many times ours."""
        ours, rows = self.answers[0], []
        for each in self.answers:
            cells = [
                each.name,
                each.version,
                *(f"{value:,.1f}" for value in (each.seconds, each.processor)),
                f"{each.megabytes:,.0f}",
                f"{each.seconds / ours.seconds:.2f}",
            ]
            found = self.quality.get(each.name)
            rows.append([*cells, *([figure(value) for value in found] if found else [each.problem, ""])])
        heads = ("method", "made with", "seconds", "processor seconds", "most memory, MB", "seconds over ours", "AP", "new AP")
        return table_of(heads, rows)


def apart(work: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """Do something in a process of its own, so that its memory is not counted as that of what is measured later."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def compared(exports: Path, shop: Path, folder: Path, *, steps: list[Step], limits: Limits, environments: Path) -> Comparison:
    """Run everybody on the shop, which was trained and scored in ``steps`` just now."""
    top = load_config(shop).score.top_per_set
    ask = {"threads": limits.threads, "top": top, "candidates": top, "customers": load_config(shop).train.customers}
    apart(tell, exports, shop, folder, ask | {"minutes": limits.minutes, "gigabytes": limits.gigabytes})
    took = [step for step in steps if step.verb in ("train", "score")]
    published = shop / read_current(shop)["scores"] / "interests.parquet"
    whole = (sum(step.seconds for step in took), sum(step.processor for step in took), max(step.megabytes for step in took))
    answers = [Answer(OURS, "", *whole, published)]
    script, tables = folder / "script", shop / read_current(shop)["tables"]
    prepared = _script(script, tables, "prepare", limits)
    features = (_like_for_like(script, shop, "features"), _script(script, tables, "features", limits))
    shared = _like_for_like(script, shop, "whole")
    answers.append(Answer(SHARED, "", shared.seconds, shared.processor, shared.megabytes, script / "ours.parquet"))
    answers += [_whole(script, tables, name, limits, everybody=name == EVERYBODY) for name in (SCRIPT, EVERYBODY)]
    answers += [_alone(each, folder / "told", limits, environments) for each in ALONE]
    found = apart(quality, folder, {each.name: each.lists for each in answers if each.lists})
    return Comparison(answers, found, features, prepared)


def _like_for_like(script: Path, shop: Path, what: str) -> Step:
    step = timed(f"whobuys, {what} of the script", [sys.executable, LIKE_FOR_LIKE, script, shop, what], environment=_plain({"PYTHONPATH": str(ROOT)}))
    if step.status:
        raise SystemExit(f"failed: {LIKE_FOR_LIKE.name} {what}")
    return step


def _script(script: Path, tables: Path, what: str, limits: Limits) -> Step:
    threads = {name: str(limits.threads) for name in THREADS}
    return timed(
        f"pandas script, {what}", [sys.executable, PANDAS, script, tables, what], environment=_plain(threads), complaints=script / "complaints.txt"
    )


def _whole(script: Path, tables: Path, name: str, limits: Limits, *, everybody: bool) -> Answer:
    """The script from coded purchases to lists; of ``everybody``, as whobuys does, or of candidates, whom most would take."""
    step = _script(script, tables, "everybody" if everybody else "whole", limits)
    libraries = "pandas, implicit, LightGBM"
    return _answer(step, name, libraries, script / "tops.parquet", complaints=script / "complaints.txt", limits=limits)


def _alone(rival: Rival, told: Path, limits: Limits, environments: Path) -> Answer:
    version = version_of(rival)
    python, problem = environment(rival.requirements, environments)
    if problem:
        return Answer(rival.name, version, 0.0, 0.0, 0.0, None, problem)
    command: list[str | Path] = [python, FOLDER / rival.script, told, *rival.arguments]
    given = _plain({**THREADS, "NUMBA_NUM_THREADS": str(limits.threads)})
    step = timed(rival.name, command, environment=given, complaints=told / "complaints.txt")
    return _answer(step, rival.name, version, told / "tops.parquet", complaints=told / "complaints.txt", limits=limits)


def _answer(step: Step, name: str, version: str, written: Path, *, complaints: Path, limits: Limits) -> Answer:
    """What was written is kept under the method's own name, since the next one writes to the same place."""
    if step.status:
        told = complaints.read_text(encoding="utf-8").strip().splitlines()
        problem = (
            f"not done in {limits.minutes} minutes" if step.status == -14 else f"failed within {limits.gigabytes} GB: {(told or ['?'])[-1][:80]}"
        )
        return Answer(name, version, step.seconds, step.processor, step.megabytes, None, problem)
    kept = written.with_name(f"{name.replace(' ', '-').replace('/', '-')}.parquet")
    return Answer(name, version, step.seconds, step.processor, step.megabytes, written.replace(kept))


def _plain(more: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | more


def budget(compared: Comparison | None, found: pd.DataFrame) -> list[str]:
    """Which targets of a shop of 20 million lines hold: what is wanted, what was found."""
    seconds = found.set_index("stage")["seconds"].to_dict()
    rows = [
        _row("a new product set, everybody ranked (who)", "< 3 s", seconds.get("who"), lambda value: value < 3, "s"),
        _row("audience preview", "< 1 s", seconds.get("audience"), lambda value: value < 1, "s"),
        _row("import", "about 15 s", seconds.get("import"), lambda value: value <= 16.5, "s"),
    ]
    if compared is not None:
        rows += _ratios(compared)
    return table_of(("target", "wanted", "found", "holds"), rows)


def _ratios(compared: Comparison) -> list[list[str]]:
    ours, rows = compared.answers[0], []
    for mine, name in ((OURS, SCRIPT), (OURS, EVERYBODY), (SHARED, EVERYBODY)):
        left, right = compared.of(mine), compared.of(name)
        faster = right.seconds / left.seconds if left and right else None
        less = left.megabytes / right.megabytes if left and right else None
        rows.append(_row(f"{mine}: as fast as {name}", ">= 1.8 x", faster, lambda value: value >= 1.8, "x"))
        rows.append(_row(f"{mine}: memory over that of {name}", "< 1 x", less, lambda value: value < 1, "x"))
    faster = compared.features[1].seconds / compared.features[0].seconds
    rows.append(_row("features alone, as fast as in pandas", ">= 2.5 x", faster, lambda value: value >= 2.5, "x"))
    best = max((each for each in compared.quality if each not in (OURS, SHARED)), key=lambda name: compared.quality[name][0], default=None)
    if best is not None:
        over = compared.quality[ours.name][0] / compared.quality[best][0]
        rows.append(_row(f"AP over that of the best other ({best})", ">= 1 x", over, lambda value: value >= 1, "x"))
    return rows


def _row(target: str, wanted: str, found: float | None, holds: Callable[[float], bool], unit: str) -> list[str]:
    if found is None:
        return [target, wanted, "not measured", ""]
    return [target, wanted, f"{found:.2f} {unit}", "yes" if holds(found) else "**no**"]
