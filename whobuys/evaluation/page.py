"""An evaluation becomes its page: the verdict in plain words on top, then the sections that stand behind each sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.checks import Finding
from models import metrics
from serving import history
from serving.published import load_bundle
from serving.reports.blocks import Section, Terms, count, listed, percent, times
from serving.reports.pages import Page
from training.evaluation.evaluate import Evaluation
from training.evaluation.slices import pooled_ours
from training.evaluation.verdict import better
from whobuys.evaluation import measured
from whobuys.evaluation.card import card
from whobuys.evaluation.changed import changed
from whobuys.evaluation.plain import Tables, all_ruled, answers
from whobuys.registry import one


@dataclass(frozen=True, eq=False)
class Around:
    """What a shop's folder knows beside the evaluation: the model card, what changed since the training before, and audiences whose days are over."""

    card: Section | None = None
    changed: Section | None = None
    builds: pd.DataFrame | None = None

    @classmethod
    def of(cls, shop: Path, bundle: str, findings: Sequence[Finding] | None = None) -> "Around":
        """Read it; ``findings`` are those of a weekly run that is under way. Raises DataError as ``load_bundle`` does."""
        figures = history.figures(shop) if (shop / history.FIGURES).is_file() else None
        return cls(
            card(load_bundle(shop, bundle)), changed(shop, one(shop, bundle), findings), None if figures is None else history.builds_over(figures)
        )


def page(evaluation: Evaluation, *, shop_name: str, around: Around | None = None) -> Page:
    """The whole page. It names product sets and rules, never a customer."""
    tables, around = evaluation.tables, around or Around()
    dates = [str(each) for each in evaluation.origins]
    about = (
        f"{len(dates)} past date{'s' * (len(dates) != 1)} ({listed(dates)}): from what was known before each of them, the buyers of the next "
        f"{evaluation.horizon} days were predicted and then compared with what came. Known until {evaluation.as_of}; bundle {evaluation.bundle}."
    )
    told = [*answers(tables), *([f"What changed since last time? {around.changed.said[0]}"] if around.changed else [])]
    sections = [*_sections(tables, around.builds), *(each for each in (around.changed, around.card) if each), _words(evaluation)]
    judged = "slices" in tables and not all_ruled(tables["coverage"])
    good = better(tables["slices"].iloc[0]) if judged else None
    heading = f"{shop_name}: can the answers to “who will buy these products?” be trusted?"
    return Page(f"{shop_name}: how good are the answers?", heading, about, told, _facts(tables), sections, good=good)


def _sections(tables: Tables, builds: pd.DataFrame | None) -> list[Section]:
    if "slices" not in tables:
        return [measured.came(tables), measured.customers(tables)]
    found = [measured.against(tables), measured.weak(tables), measured.came(tables), measured.asked(tables)]
    return [*found, measured.comes_true(tables, builds), measured.customers(tables)]


def _facts(tables: Tables) -> list[tuple[str, str]]:
    if "slices" not in tables:
        return []
    row, ours = tables["slices"].iloc[0], pooled_ours(tables["methods"])
    quality = ours["lift_quality"]
    return [
        (times(row["ratio"]), "as good as the best simple rule"),
        (f"{count(row['expected'])} / {count(row['outcomes'])}", "buyers expected / came"),
        (count(quality), f"Lift Quality of 100{f', {metrics.band(quality)}' if quality == quality else ''}"),
        (percent(ours["catch_50"]), "of the customers hold half of a product set’s buyers"),
    ]


def _words(evaluation: Evaluation) -> Section:
    bands = ", ".join(f"from {least} on {name}" for least, name in metrics.BANDS)
    terms = (
        ("buyer", f"A customer who bought at least one product of the set within {evaluation.horizon} days; everybody with an order before could."),
        ("product set", "The products that are asked about: a category, a brand, one product, or any list."),
        ("new buyer", "A customer who had never bought from the set before: the harder question, and the one a campaign asks."),
        ("expected", "The sum of all probabilities. Expected / came: 1 is right, 0.9 means that a tenth too few were expected."),
        ("Lift Quality", f"How many more buyers than by chance, over all sizes of an audience; chance is 0, perfect 100; {bands}."),
        ("AP, average precision", "How well buyers stand first: the mean share of buyers among all ranked at least as high. 1 is perfect."),
        ("AUC", "Of one who came and one who did not, how often the first was put first: 0.5 is chance."),
        ("log loss, calibration error", "How far probabilities are from what came; lower is better. The error is the mean distance over 20 groups."),
        (
            "surely between",
            "Customers were drawn again and again, and everything was measured in each draw: the middle 95 %. It knows nothing of other months.",
        ),
        *((words, exact) for words, exact in (measured.rule_names(evaluation.tables) if "methods" in evaluation.tables else [])),
    )
    return Section("What the words mean, and the same for experts", evaluation.verdict(), [Terms(terms)])
