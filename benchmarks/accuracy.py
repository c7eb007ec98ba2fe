"""How well whobuys answers on real data and on the made-up shop, beside rules without learning and rivals, through its real command line.

    python benchmarks/accuracy.py [--data FOLDER] [--only online_retail,complete_journey] [--no-rivals] [--environments FOLDER] [--write]

Every data set is imported into a shop of its own, trained, scored and asked for all its product sets; their file plays no part in the training.
What really happened is read from the raw files, not from whobuys' tables. Rivals are told the purchases before the date and the sets, nothing else;
each lives in an environment of its own, which is made when it is missing. With --write the result replaces its section of docs/evaluation.md.
Ends with 1 when a stated floor is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from _commands import Step, names_among, whobuys
from _grounds import GROUNDS, HORIZON, SEED, Files, Ground, Truth, check_ground, of_customers, there, truth_of
from _page import DATA, figure, machine, ratio, table_of, write_section
from _rivals import ENVIRONMENTS, Answer, answers
from numpy.typing import NDArray

from features.products import ProductSet
from features.shop import Shop
from features.snapshot import Snapshot
from models import metrics, set_metrics
from models.pairs.baselines import BASELINES
from models.resampling import resampled

SAMPLES = 500
OURS = "**whobuys**"
Measures = dict[str, dict[str, float]]
Scores = dict[str, NDArray[np.floating]]
COLUMNS = {"ap": "AP", "rp": "RP", "lift_1": "lift 1 %", "new_ap": "new AP", "new_rp": "new RP"}


def answered(ground: Ground, files: Files, sets: Sequence[ProductSet], shop: Path) -> tuple[list[Step], pd.DataFrame]:
    """From the raw files to an answer for every customer and set: product_set, customer_id, probability, rank."""
    at = ("--as-of", ground.as_of.isoformat(), "--shop", shop)
    asked, out = shop.with_suffix(".csv"), shop.with_suffix(".parquet")
    rows = [(one.label, product) for one in sets for product in one.product_ids]
    pd.DataFrame(rows, columns=["product_set", "product_id"]).to_csv(asked, index=False)
    steps = [
        whobuys("import", *files.values(), "--shop", shop, *ground.how()),
        whobuys("train", *at),
        whobuys("score", *at),
        whobuys("who", *at, "--sets-file", asked, "--all", "-o", out),
    ]
    return steps, pd.read_parquet(out)


def as_matrix(answers: pd.DataFrame, truth: Truth, sets: Sequence[ProductSet]) -> NDArray[np.float64]:
    """The answers as customers x sets; a customer whom whobuys does not know has 0."""
    wide = answers.pivot(index="customer_id", columns="product_set", values="probability")
    missing = {one.label for one in sets} - set(wide.columns)
    assert not missing, f"no answer for {sorted(missing)[:3]}"
    return np.asarray(wide.reindex(index=truth.customers, columns=[one.label for one in sets]).fillna(0.0), np.float64)


def rules(shop: Path, ground: Ground, truth: Truth, sets: Sequence[ProductSet]) -> Scores:
    """The scores of every baseline, by what it is called; a customer whom whobuys does not know is last."""
    snapshot = Snapshot(Shop.open(shop), ground.as_of, HORIZON)
    pairs = snapshot.pairs(sets)
    given = {each.meaning: np.asarray(each.scores(snapshot, pairs)) for each in BASELINES.values()}
    return {name: of_customers(scores, snapshot.customer_ids, truth.customers) for name, scores in given.items()}


def measured(scores: Scores, truth: Truth) -> Measures:
    """The means over sets of every method, weakest first."""
    found = {name: set_metrics.summary(set_metrics.by_set(values, truth.outcome, truth.bought)) for name, values in scores.items()}
    return dict(sorted(found.items(), key=lambda each: each[1]["ap"]))


def strongest(table: Measures, column: str) -> str:
    """The rule without learning that is best by a measure."""
    return max((each.meaning for each in BASELINES.values() if not each.learned), key=lambda name: table[name][column])


def draws_of(scores: Scores, table: Measures, truth: Truth, others: Sequence[str]) -> pd.DataFrame:
    """AP and new AP of ours, of the strongest rules and of ``others`` in the same draws of customers."""
    names = dict.fromkeys([OURS, *(strongest(table, column) for column in ("ap", "new_ap")), *others])
    return resampled({name: scores[name] for name in names}, truth.outcome, truth.bought, samples=SAMPLES, seed=SEED)


def over(table: Measures, draws: pd.DataFrame, other: str, column: str) -> str:
    """Ours over another method by a measure, with the middle 95 % of draws."""
    return ratio(table[OURS][column] / table[other][column], draws[OURS, column] / draws[other, column])


def over_rules(table: Measures, draws: pd.DataFrame) -> list[str]:
    """Ours over the strongest rule without learning: a sentence for AP and one for new AP."""
    best = {column: strongest(table, column) for column in ("ap", "new_ap")}
    return [f"{COLUMNS[column]} over that of the strongest rule ({rule}): {over(table, draws, rule, column)}." for column, rule in best.items()]


def over_rivals(table: Measures, draws: pd.DataFrame, rivals: Sequence[Answer]) -> list[str]:
    """A table of the rivals: what they are, how long they took, and ours over theirs."""
    rows = []
    for each in rivals:
        found = [each.problem, ""] if each.scores is None else [over(table, draws, each.rival.name, column) for column in ("ap", "new_ap")]
        sees = "while learning" if each.rival.knows_sets else "when asked"
        rows.append([each.rival.name, each.version, sees, each.settings, f"{each.seconds:.0f}", *found])
    heads = ("rival", "made with", "sees the sets", "settings", "seconds", "our AP over its", "our new AP over its")
    return [*table_of(heads, rows), "", f"Seed {SEED}; settings were chosen on the 30 days before; all versions are in `benchmarks/rivals/*.txt`."]


def levels(ours: NDArray[np.float64], truth: Truth) -> list[str]:
    """Do the probabilities come true: all pairs, and the five bins of the likeliest."""
    table = metrics.calibration_table(ours, truth.outcome)
    top = ", ".join(f"{ratio:.2f}" for ratio in table["ratio"].tail(5))
    return [
        f"Expected buyers over real ones: {ours.sum():,.0f} / {truth.outcome.sum():,} = {metrics.level(ours, truth.outcome):.3f}.",
        f"Calibration error over 20 bins: {metrics.calibration_error(ours, truth.outcome):.5f}; "
        f"predicted over real in the top five bins, likeliest last: {top}.",
    ]


def section(ground: Ground, table: Measures, sentences: Sequence[str], rivals: Sequence[str], steps: Sequence[Step]) -> str:
    """The result as Markdown."""
    customers, measured_sets, new, outcomes = ground.facts
    lines = [f"### {ground.title}", "", f"As of {ground.as_of}, {HORIZON} days. {customers:,} customers, {measured_sets} sets measured "]
    lines[-1] += f"({new} among new buyers), {outcomes:,} outcomes."
    rows = [[name, *(f"{row[column]:.1f}" if column == "lift_1" else figure(row[column]) for column in COLUMNS)] for name, row in table.items()]
    lines += ["", *table_of(("method", *COLUMNS.values()), rows), "", *(f"* {sentence}" for sentence in sentences), "", *rivals, ""]
    costs = [[step.verb, f"{step.seconds:.0f}", f"{step.megabytes:,.0f}"] for step in steps]
    costs.append(["all", f"{sum(step.seconds for step in steps):.0f}", f"{max(step.megabytes for step in steps):,.0f}"])
    return "\n".join([*lines, *table_of(("step", "seconds", "most memory, MB"), costs), "", f"{machine()} whobuys {version('whobuys')}.", ""])


def missed(ground: Ground, table: Measures, ours: NDArray[np.float64], truth: Truth) -> list[str]:
    """Which floors are missed: the stated AP, every rule without learning, and the level where an AP is stated."""
    found = []
    for column, floor in zip(("ap", "new_ap"), ground.floor, strict=True):
        ours_is, rule = table[OURS][column], table[strongest(table, column)][column]
        if not ours_is >= floor or not ours_is > rule:
            found.append(f"{COLUMNS[column]} {ours_is:.4f}: must be at least {floor} and above the strongest rule, {rule:.4f}")
    if any(ground.floor) and abs(metrics.level(ours, truth.outcome) - 1) > 0.1:
        found.append(f"expected over real buyers {metrics.level(ours, truth.outcome):.3f}: must be within 10 %")
    return found


def measure(name: str, ground: Ground, data: Path, *, rivals: Path | None, write: bool) -> list[str]:
    """One data set from raw files to its section, with ``rivals`` in environments of that folder; gives back the floors that are missed."""
    print(name, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = ground.files(data, work)
        sets, purchases = ground.sets(data, files), ground.purchases(files)
        truth = truth_of(purchases, sets, ground.as_of)
        check_ground(ground, truth)
        steps, given = answered(ground, files, sets, work / name)
        ours = as_matrix(given, truth, sets)
        scores = rules(work / name, ground, truth, sets) | {OURS: ours}
        asked = partial(answers, purchases, sets, truth.customers, as_of=ground.as_of, work=work / "rivals")
        others = asked(environments=rivals) if rivals else []
    scores |= {each.rival.name: each.scores for each in others if each.scores is not None}
    table = measured(scores, truth)
    draws = draws_of(scores, table, truth, [each.rival.name for each in others if each.scores is not None])
    beside = over_rivals(table, draws, others) if others else []
    text = section(ground, table, [*over_rules(table, draws), *levels(ours, truth)], beside, steps)
    print(f"\n{text}", flush=True)
    if write:
        write_section(f"accuracy {name}", text)
    return [f"{name}: {each}" for each in missed(ground, table, ours, truth)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets")
    parser.add_argument("--only", type=names_among(GROUNDS), default=",".join(GROUNDS), help="names, separated by commas")
    parser.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=True, help="run the rivals too")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the environments of the rivals are kept")
    parser.add_argument("--write", action="store_true", help="write the result into docs/evaluation.md")
    given = parser.parse_args()
    rivals = given.environments if given.rivals else None
    names = there(given.only, given.data)
    problems = [each for name in names for each in measure(name, GROUNDS[name], given.data / name, rivals=rivals, write=given.write)]
    print("\n".join(f"missed: {each}" for each in problems) or ("every floor is met" if names else "nothing is measured"))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
