"""Weekly runs that are killed at any moment: whoever reads meanwhile sees a whole state, and the next run makes what the killed one would have made.

A process that has loaded everything and used nothing forks each run, so that a case takes the time of the run alone. Another one reads the shop
meanwhile, again and again.
"""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from features.files import read_current
from features.made_up import END
from features.tables import TABLES
from serving.history import figures

RUNS = """
import json, os, sys
import duckdb, ibis, implicit, lightgbm, mlflow.pyfunc, pandas, pyarrow.parquet, sklearn.linear_model
import serving.reports, training.tracking, training.train, whobuys.audience_verbs, whobuys.report_verbs, whobuys.week
from whobuys.cli import app
print("ready", flush=True)
for line in sys.stdin:
    run = os.fork()
    if run == 0:
        words = json.loads(line)
        os.dup2(os.open(words.pop(0), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(2, 1)
        try:
            app(words)
        except SystemExit as done:
            os._exit(done.code or 0)  # threads that importing started are not there after a fork, and an orderly end would wait for them
    print(run, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]), flush=True)
"""
READS = """
import select, sys
from pathlib import Path
import pandas as pd
from features.files import check_seal, read_current
shop, looks = Path(sys.argv[1]), 0
while not select.select([sys.stdin], [], [], 0.05)[0]:
    current = read_current(shop)
    tables, bundle, scores = (check_seal(shop / current[name]) for name in ("tables", "bundle", "scores"))
    assert f"bundles/{scores['bundle']}" == current["bundle"] == f"bundles/{bundle['id']}", current
    for path in [*shop.glob("members/*/[!.]*.parquet"), shop / "history" / "figures.parquet"]:
        assert len(pd.read_parquet(path)), path
    looks += 1
print(looks)
"""


@dataclass(frozen=True)
class Runs:
    """Weekly runs, each in a process of its own."""

    server: "subprocess.Popen[str]"

    def run(self, shop: Path, files: Sequence[Path], *, kill_after: float | None = None) -> int:
        """Run a week; the exit code, negative when it was killed after so many seconds."""
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps([f"{shop}.log", "weekly", *map(str, files), "--shop", str(shop)]) + "\n")
        self.server.stdin.flush()
        number = int(self.server.stdout.readline())
        if kill_after is not None and not select.select([self.server.stdout], [], [], kill_after)[0]:
            os.kill(number, signal.SIGKILL)
        return int(self.server.stdout.readline())


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    command = [sys.executable, "-c", RUNS]
    environment = {**os.environ, "WHOBUYS_TODAY": END.isoformat()}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=0, env=environment) as server:
        assert server.stdout is not None and server.stdin is not None and server.stdout.readline() == "ready\n"
        yield Runs(server)
        server.stdin.close()


@pytest.fixture(scope="module")
def clean(runs: Runs, grown: Path, weeks: list[list[Path]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The shop after a run that nobody disturbed, and the seconds that it took."""
    folder = Path(shutil.copytree(grown, tmp_path_factory.mktemp("clean") / "shop"))
    began = time.monotonic()
    assert runs.run(folder, weeks[2]) == 0, Path(f"{folder}.log").read_text()
    return folder, time.monotonic() - began


@contextmanager
def read_meanwhile(shop: Path) -> Iterator[None]:
    """Somebody reads the shop all the time, and never sees anything that is not whole."""
    command = [sys.executable, "-c", READS, str(shop)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        yield
        looks, problems = reader.communicate("enough\n")
        assert reader.returncode == 0 and int(looks) > 0, problems


def kill_and_mend(runs: Runs, grown: Path, clean: tuple[Path, float], files: Sequence[Path], folder: Path, *, count: int, seed: int) -> None:
    """Kill the same week again and again at moments drawn by chance; then one run makes it what it would have been."""
    whole, seconds = clean
    harmed, rng = Path(shutil.copytree(grown, folder / "shop")), random.Random(seed)
    with read_meanwhile(harmed):
        moments = [rng.uniform(0, seconds) for _ in range(count)]
        codes = [runs.run(harmed, files, kill_after=moment) for moment in moments]
        assert set(codes) <= {0, -signal.SIGKILL}, (moments, codes, Path(f"{harmed}.log").read_text())
        assert runs.run(harmed, files) == 0, (moments, Path(f"{harmed}.log").read_text())
    is_same(harmed, whole)


def is_same(harmed: Path, whole: Path) -> None:
    assert read_current(harmed) == read_current(whole)
    for name in TABLES:
        paths = [each / read_current(each)["tables"] / f"{name}.parquet" for each in (whole, harmed)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    for path in sorted((whole / read_current(whole)["scores"]).rglob("*.parquet")):
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(harmed / path.relative_to(whole)))
    for path in sorted((whole / "members").rglob("*.parquet")):
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(harmed / path.relative_to(whole)))
    pd.testing.assert_frame_equal(figures(harmed), figures(whole))
    assert not list(harmed.rglob(".import-*")) and not list(harmed.rglob("*.part")) and not list(harmed.rglob("*.old"))


def test_a_run_that_was_killed_is_made_good_by_the_next_one(
    runs: Runs, grown: Path, clean: tuple[Path, float], weeks: list[list[Path]], tmp_path: Path
) -> None:
    kill_and_mend(runs, grown, clean, weeks[2], tmp_path, count=5, seed=1)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(2, 67))
def test_two_hundred_kills(seed: int, runs: Runs, grown: Path, clean: tuple[Path, float], weeks: list[list[Path]], tmp_path: Path) -> None:
    kill_and_mend(runs, grown, clean, weeks[2], tmp_path, count=3, seed=seed)
