"""How long each stage takes, what it costs and how much memory it holds, for made-up shops from small to large, and how that grows.

    python benchmarks/speed.py [--scale 20 | --lines 0.2,2,20] [--no-rivals] [--folder FOLDER] [--threads 2] [--write]

Every stage is one command of the command line in a process of its own, as a shop runs it: the exports are made, imported, trained on, scored, asked
for a product set that was never scored, and an audience is previewed. ``--lines`` are millions of order lines, ``--scale`` is one such size; 20 are a
million customers. All is as of a horizon before the shop ends, so that what came is known.

In the same run: what the machine itself can do, and how far each stage is from that; with rivals the same shop by a script in pandas and by libraries
alone, each in an environment of its own, with time, memory and average precision; then which targets of the budget hold. ``--folder`` keeps the
shops, and takes the exports and the import from it the next time (without rivals whatever is there). With --write tables and picture go to
docs/performance.md. Ends with 1 when a command fails.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from _beside import Comparison, Limits, apart, budget, compared
from _commands import Step, timed, whobuys
from _floors import Machine, Sizes, measured
from _floors import table as floor_table
from _page import ROOT, machine, table_of, write_section
from _rivals import ENVIRONMENTS
from _told import AS_OF

from features.config import add_section, load_config
from features.files import read_current

LINES_OF_SCALE = 400_000
"""Order lines of the made-up shop of scale 1, about."""
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
NEW_SET, AUDIENCE = "alpine", "likely-to-buy"
MAKE = """
import sys
from pathlib import Path
from features.made_up import made_up_shop, write_exports
write_exports(made_up_shop(scale=float(sys.argv[1]), seed=1), Path(sys.argv[2]))
"""


def stages(exports: Path, shop: Path, *, lines: float, threads: int, anew: bool) -> list[Step]:
    """Take one shop from nothing to an audience; what is there of it already is not done again, training and scoring only when asked for ``anew``."""
    known, steps = read_current(shop), []
    if not list(exports.glob("*.csv")):
        exports.mkdir(parents=True, exist_ok=True)
        make: list[str | Path] = [sys.executable, "-c", MAKE, str(lines * 1e6 / LINES_OF_SCALE), exports]
        steps += [timed("make the exports", make, environment={**os.environ, "PYTHONPATH": str(ROOT)})]
    if "tables" not in known:
        steps += [whobuys("import", *sorted(exports.glob("*.csv")), "--shop", shop)]
    long_lists(shop)
    at = ("--as-of", AS_OF.isoformat(), "--shop", shop, "--threads", str(threads))
    if anew or "bundle" not in known:
        steps += [whobuys("train", *at, "--promote")]
    if anew or "scores" not in known:
        steps += [whobuys("score", *at)]
    steps += [whobuys("who", NEW_SET, *at)]
    return [*steps, whobuys("audience", "preview", AUDIENCE, *at)]


def long_lists(shop: Path) -> None:
    """Let a scoring run keep one customer in a hundred for every set, where that is more than the usual: a large shop asks for long lists."""
    customers = pq.ParquetFile(shop / read_current(shop)["tables"] / "customers.parquet").metadata.num_rows
    if customers // 100 > load_config(shop).score.top_per_set:
        add_section(shop, "score", {"top_per_set": customers // 100})


def table(found: pd.DataFrame) -> list[str]:
    """A row per stage and shop."""
    heads = ("order lines", "stage", "seconds", "processor seconds", "most memory, MB", "lines a second")
    rows = []
    for row in found.to_dict("records"):
        numbers = [f"{row[name]:,.1f}" for name in ("seconds", "processor")]
        rows.append([f"{row['lines']:g} M", str(row["stage"]), *numbers, f"{row['megabytes']:,.0f}", f"{row['lines'] * 1e6 / row['seconds']:,.0f}"])
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


def beside_text(found: Comparison) -> list[str]:
    """The comparison as Markdown."""
    ours, theirs = found.features
    ratio = theirs.seconds / ours.seconds
    alone, pandas = (f"{step.seconds:.1f} s and {step.megabytes:,.0f} MB" for step in (ours, theirs))
    features = f"Features of one date alone: {alone}; in pandas {pandas} ({ratio:.1f} times as long)."
    prepared = f"To code the ids of the tables, which whobuys does while it imports, the script takes {found.prepared.seconds:.1f} s more."
    return [*found.table(), "", f"{features} {prepared}", ""]


def one_size(home: Path, *, lines: float, given: argparse.Namespace, limits: Machine) -> tuple[pd.DataFrame, list[str]]:
    """All that is measured on a shop of one size: its stages, and Markdown of floors, rivals and budget."""
    print(f"{lines:g} M order lines", flush=True)
    exports, shop = home / "exports", home / "shop"
    steps = stages(exports, shop, lines=lines, threads=given.threads, anew=given.rivals)
    found = pd.DataFrame([{"lines": lines, "stage": step.verb, **step.figures()} for step in steps])
    text = [f"### {lines:g} million order lines", "", *floor_table(apart(Sizes.of, exports, shop), load_config(shop), limits, found), ""]
    beside = None
    if given.rivals:
        granted = Limits(given.threads, given.minutes, given.gigabytes)
        beside = compared(exports, shop, home / "beside", steps=steps, limits=granted, environments=given.environments)
        text += beside_text(beside)
    return found, [*text, "The budget, which is stated for 20 million order lines:", "", *budget(beside, found), ""]


def options() -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--scale", type=float, help="millions of order lines")
    sizes.add_argument("--lines", default="0.2,2", help="the same for several shops, separated by commas")
    parser.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=True, help="run the script and the libraries, too")
    parser.add_argument("--folder", type=Path, help="where the shops are kept")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the environments of the rivals are kept")
    parser.add_argument("--minutes", type=int, default=60, help="the most that one rival may take")
    parser.add_argument("--gigabytes", type=int, default=20, help="the most memory that one rival may take")
    parser.add_argument("--threads", type=int, default=2, help="of every command")
    parser.add_argument("--write", action="store_true", help="write tables and picture into docs/performance.md")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = options().parse_args(arguments)
    parts: list[pd.DataFrame] = []
    texts: list[str] = []
    limits = apart(measured, given.threads)
    with tempfile.TemporaryDirectory() as temporary:
        for lines in [given.scale] if given.scale else map(float, given.lines.split(",")):
            size, more = one_size((given.folder or Path(temporary)).resolve() / f"{lines:g}M", lines=lines, given=given, limits=limits)
            parts.append(size)
            texts += more
    found = pd.concat(parts, ignore_index=True)
    text = "\n".join([*table(found), "", *slopes(found), "", f"{machine()} It does {limits}.", "", *texts])
    print(f"\n{text}")
    if given.write:
        draw(found)
        write_section("speed", f"{text}\n![Seconds of each stage by order lines]({PICTURE.name})\n", page=PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
