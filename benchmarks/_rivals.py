"""Purchases before a date and product sets become the scores of rivals, each a script of benchmarks/rivals in an environment of its own."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import timed
from _grounds import HORIZON, SEED
from numpy.typing import NDArray

from features.dates import day_number
from features.products import ProductSet

FOLDER = Path(__file__).resolve().parent / "rivals"
ENVIRONMENTS = Path.home() / ".cache" / "whobuys-rivals"
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Rival:
    """A method of others: what it is called in tables, its script with arguments, its requirements and the package that matters most among them.

    ``knows_sets`` when it is told the sets before it learns, which whobuys is not.
    """

    name: str
    script: str
    requirements: str
    package: str
    arguments: tuple[str, ...] = ()
    knows_sets: bool = False


RIVALS = (
    Rival("ALS in the audience direction", "als.py", "als.txt", "implicit"),
    Rival("RecTools, two stages", "rectools_two_stage.py", "rectools.txt", "RecTools"),
    Rival("UP-CF over products", "up_cf.py", "baskets.txt", "scipy", ("products",)),
    Rival("UP-CF over sets", "up_cf.py", "baskets.txt", "scipy", ("sets",), knows_sets=True),
    Rival("TIFU-KNN over products", "tifu_knn.py", "baskets.txt", "scipy", ("products",)),
    Rival("TIFU-KNN over sets", "tifu_knn.py", "baskets.txt", "scipy", ("sets",), knows_sets=True),
    Rival("propensity template, LightGBM by set", "propensity.py", "propensity.txt", "lightgbm", ("trees",), knows_sets=True),
    Rival("propensity template, regression by set", "propensity.py", "propensity.txt", "scikit-learn", ("regression",), knows_sets=True),
)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a rival gave: scores (customers x sets; None with a ``problem``), the settings it chose, and how long it took with choosing them."""

    rival: Rival
    scores: NDArray[np.float64] | None
    settings: str = ""
    seconds: float = 0.0
    problem: str = ""

    @property
    def version(self) -> str:
        """Its package with the version in its environment."""
        return version_of(self.rival)


def version_of(rival: Rival) -> str:
    """Its package with the version in its environment."""
    lines = (FOLDER / rival.requirements).read_text(encoding="utf-8").split()
    return next(line for line in lines if line.startswith(f"{rival.package}==")).replace("==", " ")


def answers(purchases: pd.DataFrame, sets: Sequence[ProductSet], customers: pd.Index, *, as_of: date, work: Path, environments: Path) -> list[Answer]:
    """What every rival says as of a date, from purchases before it alone; ``customers`` are the rows of the scores."""
    told(purchases, sets, as_of, work)
    return [_answer(rival, sets, customers, work=work, environments=environments) for rival in RIVALS]


def told(purchases: pd.DataFrame, sets: Sequence[ProductSet], as_of: date, folder: Path) -> None:
    """Write what rivals are told: nothing of ``as_of`` or later."""
    folder.mkdir(parents=True, exist_ok=True)
    before = purchases[purchases["at"] < pd.Timestamp(as_of)]
    days = (before["at"].dt.normalize() - pd.Timestamp(0)).dt.days
    before.drop(columns="at").assign(day=days).to_parquet(folder / "purchases.parquet", index=False)
    rows = [(one.label, product) for one in sets for product in one.product_ids]
    pd.DataFrame(rows, columns=["product_set", "product"]).to_parquet(folder / "sets.parquet", index=False)
    (folder / "ask.json").write_text(json.dumps({"day": day_number(as_of), "horizon": HORIZON, "seed": SEED}), encoding="utf-8")


def environment(requirements: str, environments: Path) -> tuple[Path, str]:
    """The Python of an environment with the requirements, made when it is not there yet; and what is wrong when it cannot be made."""
    content = (FOLDER / requirements).read_text(encoding="utf-8") + sys.version
    folder = environments / f"{Path(requirements).stem}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    if (folder / "whole").is_file():
        return python, ""
    print(f"  installing {requirements}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    command: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", FOLDER / requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        wrong = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return python, f"cannot be installed: {(wrong or ['pip failed'])[-1].removeprefix('ERROR: ')}"
    (folder / "whole").touch()
    return python, ""


def _answer(rival: Rival, sets: Sequence[ProductSet], customers: pd.Index, *, work: Path, environments: Path) -> Answer:
    python, problem = environment(rival.requirements, environments)
    if problem:
        print(f"  {rival.name}: {problem}", flush=True)
        return Answer(rival, None, problem=problem)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    step = timed(rival.name, [python, FOLDER / rival.script, work, *rival.arguments], environment=plain | THREADS)
    if step.status:
        return Answer(rival, None, seconds=step.seconds, problem=f"ended with {step.status}")
    found = pd.read_parquet(work / "scores.parquet").reindex(index=customers, columns=[one.label for one in sets])
    assert found.notna().all(axis=None), f"{rival.name}: no score for some customer or set"
    return Answer(rival, found.to_numpy(), (work / "settings.txt").read_text(encoding="utf-8"), step.seconds)
