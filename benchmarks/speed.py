"""How long each stage takes, what it costs and how much memory it holds, for made-up shops from small to large, and how that grows.

    python benchmarks/speed.py [--lines 0.2,2,20] [--folder FOLDER] [--threads 2] [--write]

Every stage is one command of the command line in a process of its own, as a shop runs it: the exports are made, imported, trained on, scored, asked
for a product set that was never scored, and an audience is previewed. ``--lines`` are millions of order lines; 20 are a million customers. What the
machine itself can do (multiply-adds, bytes moved) is measured in the same run. ``--folder`` keeps the shops, and takes what is there from it the next
time. With --write the table and the picture go to docs/performance.md. Ends with 1 when a command fails.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import Step, timed, whobuys
from _page import ROOT, machine, table_of, write_section
from threadpoolctl import threadpool_limits

from features.files import read_current

LINES_OF_SCALE = 400_000
"""Order lines of the made-up shop of scale 1, about."""
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
NEW_SET, AUDIENCE = "keyword: light", "likely-to-buy"
MAKE = """
import sys
from pathlib import Path
from features.made_up import made_up_shop, write_exports
write_exports(made_up_shop(scale=float(sys.argv[1]), seed=1), Path(sys.argv[2]))
"""


def stages(folder: Path, *, lines: float, threads: int) -> list[Step]:
    """Take one shop from nothing to an audience; what ``folder`` has of it already is not done again."""
    exports, shop = folder / "exports", folder / "shop"
    known, steps = read_current(shop), []
    if "tables" not in known:
        exports.mkdir(parents=True, exist_ok=True)
        make: list[str | Path] = [sys.executable, "-c", MAKE, str(lines * 1e6 / LINES_OF_SCALE), exports]
        steps += [timed("make the exports", make, environment={**os.environ, "PYTHONPATH": str(ROOT)})]
        steps += [whobuys("import", *sorted(exports.glob("*.csv")), "--shop", shop)]
    if "bundle" not in known:
        steps += [whobuys("train", "--shop", shop, "--threads", str(threads))]
    if "scores" not in known:
        steps += [whobuys("score", "--shop", shop, "--threads", str(threads))]
    steps += [whobuys("who", NEW_SET, "--shop", shop, "--threads", str(threads))]
    return [*steps, whobuys("audience", "preview", AUDIENCE, "--shop", shop, "--threads", str(threads))]


def limits() -> str:
    """What the machine can do: multiply-adds of one thread and of all, and bytes copied."""
    square = np.random.default_rng(1).random((2048, 2048), dtype=np.float32)
    rates = []
    for threads in (1, os.cpu_count()):
        with threadpool_limits(threads):
            rates.append(2 * 2048**3 / _fastest(lambda: square @ square) / 1e9)
    block = np.zeros(2**28, np.uint8)
    moved = 2 * block.nbytes / _fastest(block.copy) / 1e9
    return f"{rates[0]:,.0f} GFLOP/s in single precision on one thread, {rates[1]:,.0f} on {os.cpu_count()}; {moved:,.0f} GB/s copied"


def _fastest(work: object, times: int = 5) -> float:
    assert callable(work)
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def table(found: pd.DataFrame) -> list[str]:
    """A row per stage and shop."""
    heads = ("order lines", "stage", "seconds", "processor seconds", "most memory, MB", "lines a second")
    rows = []
    for row in found.to_dict("records"):
        numbers = [f"{row[name]:,.1f}" for name in ("seconds", "processor")]
        rows.append(
            [f"{row['lines']:,.1f} M", str(row["stage"]), *numbers, f"{row['megabytes']:,.0f}", f"{row['lines'] * 1e6 / row['seconds']:,.0f}"]
        )
    return table_of(heads, rows)


def slopes(found: pd.DataFrame) -> list[str]:
    """For each stage the power of the number of lines with which its processor seconds grow, where there are two shops or more."""
    told = []
    for stage, rows in found.groupby("stage", sort=False):
        if len(rows) > 1:
            power = np.polyfit(np.log(rows["lines"]), np.log(rows["processor"]), 1)[0]
            told.append(f"{stage} {power:.2f}")
    return [f"Processor seconds grow with the order lines to the power of: {'; '.join(told)}."] if told else []


def draw(found: pd.DataFrame) -> None:
    """The picture: seconds of each stage by order lines, both logarithmic."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "whobuys"
    picture = Figure(figsize=(7, 4.5), layout="constrained")
    axes = picture.subplots()
    for stage, rows in found.groupby("stage", sort=False):
        axes.loglog(rows["lines"] * 1e6, rows["seconds"], marker="o", label=stage)
    axes.set_xlabel("order lines")
    axes.set_ylabel("seconds")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    picture.savefig(PICTURE, metadata={"Date": None})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", default="0.2,2", help="millions of order lines, separated by commas")
    parser.add_argument("--folder", type=Path, help="where the shops are kept")
    parser.add_argument("--threads", type=int, default=2, help="of every command")
    parser.add_argument("--write", action="store_true", help="write table and picture into docs/performance.md")
    given = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for lines in map(float, given.lines.split(",")):
            print(f"{lines:g} M order lines", flush=True)
            steps = stages((given.folder or Path(temporary)) / f"{lines:g}M", lines=lines, threads=given.threads)
            rows += [{"lines": lines, "stage": step.verb, **step.figures()} for step in steps]
    found = pd.DataFrame(rows)
    text = "\n".join([*table(found), "", *slopes(found), "", f"{machine()} It does {limits()}.", ""])
    print(f"\n{text}")
    if given.write:
        draw(found)
        write_section("speed", f"{text}\n![Seconds of each stage by order lines]({PICTURE.name})\n", page=PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
