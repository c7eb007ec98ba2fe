"""How well whobuys answers on real data, beside rules without learning, through its real command line.

    python benchmarks/accuracy.py [--data FOLDER] [--only online_retail,complete_journey] [--write]

Every data set is imported into a shop of its own, trained, scored and asked for all its product sets; nothing of those sets is known to the training.
What really happened is read from the raw file, not from whobuys' tables. With --write the result replaces its section of docs/evaluation.md.
Ends with 1 when a stated floor is missed.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.products import ProductSet, read_sets
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics
from models.baselines import BASELINES
from models.resampling import interval, resampled

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "evaluation.md"
HORIZON, SAMPLES, SEED = 30, 500, 1
OURS = "**whobuys**"
Measures = dict[str, dict[str, float]]
COLUMNS = {"ap": "AP", "rp": "RP", "lift_1": "lift 1 %", "new_ap": "new AP", "new_rp": "new RP"}


@dataclass(frozen=True)
class Ground:
    """What a data set is and must come to, read from its raw file: customers, sets measured (and among new buyers), outcomes; floors of AP."""

    title: str
    as_of: date
    files: tuple[str, ...]
    options: tuple[str, ...]
    purchases: Callable[[Path], pd.DataFrame]
    facts: tuple[int, int, int, int]
    floor: tuple[float, float]


@dataclass(frozen=True)
class Truth:
    """The customers with an order before the date, sorted, and customers x sets: who bought in the horizon, who had bought before."""

    customers: pd.Index
    outcome: NDArray[np.bool_]
    bought: NDArray[np.bool_]


@dataclass(frozen=True)
class Step:
    """One command: how long it took, and the most memory it held."""

    verb: str
    seconds: float
    megabytes: float


def online_retail(folder: Path) -> pd.DataFrame:
    """Lines of known customers that are no cancellation, with a quantity and a price above 0."""
    raw = pd.read_parquet(folder / "transactions.parquet")
    known = raw["CustomerID"].notna() & ~raw["InvoiceNo"].str.startswith("C") & (raw["Quantity"] > 0) & (raw["UnitPrice"] > 0)
    kept = raw[known]
    return pd.DataFrame({"customer": kept["CustomerID"].astype(int).astype(str), "product": kept["StockCode"], "at": kept["InvoiceDate"]})


def complete_journey(folder: Path) -> pd.DataFrame:
    """Every line, those that were free of charge too."""
    raw = pd.read_parquet(folder / "transactions.parquet")
    return pd.DataFrame({"customer": raw["household_id"], "product": raw["product_id"], "at": raw["transaction_timestamp"]})


GROUNDS = {
    "online_retail": Ground(
        "UCI Online Retail, a British gift shop and wholesaler: 400 keyword sets",
        date(2011, 11, 10),
        ("transactions.parquet",),
        (
            *("order_id=InvoiceNo", "customer_id=CustomerID", "ordered_at=InvoiceDate", "product_id=StockCode"),
            *("title=Description", "quantity=Quantity", "price=UnitPrice", "country=Country"),
        ),
        online_retail,
        (4086, 373, 372, 63684),
        (0.270, 0.053),
    ),
    "complete_journey": Ground(
        "Complete Journey, a sample of a grocer's year: 150 categories and 100 manufacturers",
        date(2017, 12, 3),
        ("transactions.parquet", "products.parquet"),
        (
            *("order_id=basket_id", "customer_id=household_id", "ordered_at=transaction_timestamp", "product_id=product_id"),
            *("quantity=quantity", "line_total=sales_value", "category=department,product_category,product_type", "brand=manufacturer_id"),
        ),
        complete_journey,
        (1434, 158, 154, 5324),
        (0.095, 0.043),
    ),
}
FURTHER = {"online_retail": ("--cancelled-prefix", "C")}


def truth_of(purchases: pd.DataFrame, sets: Sequence[ProductSet], as_of: date) -> Truth:
    """What happened, by the protocol: calendar days, everybody with an order before ``as_of``, and ``[as_of, as_of + HORIZON)``."""
    start, end = pd.Timestamp(as_of), pd.Timestamp(as_of + timedelta(days=HORIZON))
    customers = pd.Index(sorted(purchases.loc[purchases["at"] < start, "customer"].unique()))
    members = pd.DataFrame([(product, place) for place, one in enumerate(sets) for product in one.product_ids], columns=["product", "set"])
    joined = purchases[purchases["customer"].isin(customers)].merge(members, on="product")
    found = []
    for rows in (joined[(joined["at"] >= start) & (joined["at"] < end)], joined[joined["at"] < start]):
        matrix = np.zeros((len(customers), len(sets)), dtype=bool)
        matrix[customers.get_indexer(rows["customer"]), rows["set"].to_numpy()] = True
        found.append(matrix)
    return Truth(customers, found[0], found[1])


def check_ground(ground: Ground, truth: Truth) -> None:
    """Print the ground that is measured on, and stop when it is not the stated one."""
    enough = truth.outcome.sum(axis=0) >= metrics.MIN_BUYERS
    new = (truth.outcome & ~truth.bought).sum(axis=0) >= metrics.MIN_NEW
    found = (len(truth.customers), int(enough.sum()), int((enough & new).sum()), int(truth.outcome.sum()))
    print(f"  ground: {found[0]:,} customers, {found[1]} sets measured ({found[2]} among new buyers), {found[3]:,} outcomes", flush=True)
    assert found == ground.facts, f"the ground must be {ground.facts}; the raw file is another one"


def run(verb: str, *arguments: str) -> Step:
    """Run one verb of the command line as a process of its own."""
    command = [str(Path(sys.executable).with_name("whobuys")), verb, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    step = Step(verb, time.perf_counter() - began, used.ru_maxrss / 1024)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"failed: {' '.join(command)}")
    print(f"  {verb}: {step.seconds:.0f} s, {step.megabytes:,.0f} MB", flush=True)
    return step


def answered(name: str, ground: Ground, data: Path, shop: Path) -> tuple[list[Step], pd.DataFrame]:
    """From the raw files to an answer for every customer and set: product_set, customer_id, probability, rank."""
    maps = [part for option in ground.options for part in ("--map", option)]
    at = ("--as-of", ground.as_of.isoformat(), "--shop", str(shop))
    out = shop / "out.parquet"
    steps = [
        run("import", *(str(data / file) for file in ground.files), "--shop", str(shop), *maps, *FURTHER.get(name, ())),
        run("train", *at),
        run("score", *at),
        run("who", *at, "--sets-file", str(data / "product_sets.csv"), "--all", "-o", str(out)),
    ]
    return steps, pd.read_parquet(out)


def as_matrix(answers: pd.DataFrame, truth: Truth, sets: Sequence[ProductSet]) -> NDArray[np.float64]:
    """The answers as customers x sets; a customer whom whobuys does not know has 0."""
    wide = answers.pivot(index="customer_id", columns="product_set", values="probability")
    missing = {one.label for one in sets} - set(wide.columns)
    assert not missing, f"no answer for {sorted(missing)[:3]}"
    return np.asarray(wide.reindex(index=truth.customers, columns=[one.label for one in sets]).fillna(0.0), np.float64)


def rules(shop: Path, ground: Ground, truth: Truth, sets: Sequence[ProductSet]) -> dict[str, NDArray[np.floating]]:
    """The scores of every baseline, by what it is called; a customer whom whobuys does not know is last."""
    snapshot = Snapshot(Shop.open(shop), ground.as_of, HORIZON)
    pairs = snapshot.pairs(sets)
    place = pd.Index(snapshot.customer_ids).get_indexer(truth.customers)
    found = {}
    for baseline in BASELINES.values():
        scores = np.asarray(baseline.scores(snapshot, pairs))
        found[baseline.meaning] = np.where((place >= 0)[:, None], scores[place], scores.min() - 1)
    return found


def measured(scores: dict[str, NDArray[np.floating]], truth: Truth) -> Measures:
    """The means over sets of every method, weakest first."""
    found = {name: metrics.summary(metrics.by_set(values, truth.outcome, truth.bought)) for name, values in scores.items()}
    return dict(sorted(found.items(), key=lambda each: each[1]["ap"]))


def strongest(table: Measures, column: str) -> str:
    """The rule without learning that is best by a measure."""
    return max((each.meaning for each in BASELINES.values() if not each.learned), key=lambda name: table[name][column])


def ratios(scores: dict[str, NDArray[np.floating]], table: Measures, truth: Truth) -> list[str]:
    """Ours over the strongest rule without learning, with the middle 95 % of draws of customers: a sentence for AP and one for new AP."""
    best = {column: strongest(table, column) for column in ("ap", "new_ap")}
    chosen = {name: scores[name] for name in dict.fromkeys([OURS, *best.values()])}
    draws = resampled(chosen, truth.outcome, truth.bought, samples=SAMPLES, seed=SEED)
    sentences = []
    for column, rule in best.items():
        low, high = interval(draws[OURS, column] / draws[rule, column])
        ratio = table[OURS][column] / table[rule][column]
        sentences.append(f"{COLUMNS[column]} is {ratio:.2f} times that of the strongest rule ({rule}); 95 %: {low:.2f} to {high:.2f}.")
    return sentences


def levels(ours: NDArray[np.float64], truth: Truth) -> list[str]:
    """Do the probabilities come true: all pairs, and the five bins of the likeliest."""
    table = metrics.calibration_table(ours, truth.outcome)
    top = ", ".join(f"{ratio:.2f}" for ratio in table["ratio"].tail(5))
    return [
        f"Expected buyers over real ones: {ours.sum():,.0f} / {truth.outcome.sum():,} = {metrics.level(ours, truth.outcome):.3f}.",
        f"Calibration error over 20 bins: {metrics.calibration_error(ours, truth.outcome):.5f}; "
        f"predicted over real in the top five bins, likeliest last: {top}.",
    ]


def section(ground: Ground, table: Measures, sentences: Sequence[str], steps: Sequence[Step]) -> str:
    """The result as Markdown."""
    lines = [f"### {ground.title}", "", f"As of {ground.as_of}, {HORIZON} days. {ground.facts[0]:,} customers, {ground.facts[1]} sets measured "]
    lines[-1] += f"({ground.facts[2]} among new buyers), {ground.facts[3]:,} outcomes."
    lines += ["", f"| method | {' | '.join(COLUMNS.values())} |", "|---|" + "---|" * len(COLUMNS)]
    for name, row in table.items():
        cells = [f"{row[column]:.1f}" if column == "lift_1" else f"{row[column]:.3f}".replace("0.", ".", 1) for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", *(f"* {sentence}" for sentence in sentences), "", "| step | seconds | most memory, MB |", "|---|---|---|"]
    lines += [f"| {step.verb} | {step.seconds:.0f} | {step.megabytes:,.0f} |" for step in steps]
    lines.append(f"| all | {sum(step.seconds for step in steps):.0f} | {max(step.megabytes for step in steps):,.0f} |")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, whobuys {version('whobuys')}"
    return "\n".join([*lines, "", f"Measured on {machine}.", ""])


def missed(ground: Ground, table: Measures, ours: NDArray[np.float64], truth: Truth) -> list[str]:
    """Which floors are missed: the stated AP, every rule without learning, and the level."""
    found = []
    for column, floor in zip(("ap", "new_ap"), ground.floor, strict=True):
        ours_is, rule = table[OURS][column], table[strongest(table, column)][column]
        if not ours_is >= floor or not ours_is > rule:
            found.append(f"{COLUMNS[column]} {ours_is:.4f}: must be at least {floor} and above the strongest rule, {rule:.4f}")
    if abs(metrics.level(ours, truth.outcome) - 1) > 0.1:
        found.append(f"expected over real buyers {metrics.level(ours, truth.outcome):.3f}: must be within 10 %")
    return found


def measure(name: str, ground: Ground, data: Path, *, write: bool) -> list[str]:
    """One data set from raw files to its section; gives back the floors that are missed."""
    print(name, flush=True)
    sets = read_sets(data / "product_sets.csv")
    truth = truth_of(ground.purchases(data), sets, ground.as_of)
    check_ground(ground, truth)
    with tempfile.TemporaryDirectory() as folder:
        steps, answers = answered(name, ground, data, Path(folder) / name)
        ours = as_matrix(answers, truth, sets)
        scores = rules(Path(folder) / name, ground, truth, sets) | {OURS: ours}
    table = measured(scores, truth)
    text = section(ground, table, [*ratios(scores, table, truth), *levels(ours, truth)], steps)
    print(f"\n{text}", flush=True)
    if write:
        write_section(name, text)
    return [f"{name}: {each}" for each in missed(ground, table, ours, truth)]


def write_section(name: str, text: str) -> None:
    """Put the section between its markers in docs/evaluation.md."""
    begin, end = f"<!-- accuracy {name} -->", f"<!-- end of accuracy {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(begin)
    PAGE.write_text(f"{before}{begin}\n{text}{end}{rest.split(end)[1]}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of the data sets")
    parser.add_argument("--only", default=",".join(GROUNDS), help="names, separated by commas")
    parser.add_argument("--write", action="store_true", help="write the result into docs/evaluation.md")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"{given.data}: the data sets are not there, nothing is measured; name their folder with --data")
        return 0
    problems = [each for name in given.only.split(",") for each in measure(name, GROUNDS[name], given.data / name, write=given.write)]
    print("\n".join(f"missed: {each}" for each in problems) or "every floor is met")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
