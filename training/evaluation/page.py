"""An evaluation becomes one HTML file that needs nothing else: the verdict, drawings, and the tables behind them."""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models import metrics, plots
from training.evaluation.compared import OURS
from training.evaluation.evaluate import Evaluation
from training.evaluation.slices import SLICES, named, pooled, pooled_ours
from training.evaluation.verdict import LEAST, better

TEMPLATE = "page.html"
UNKNOWN = "–"
SETS = 300
"""Product sets that are listed, the most bought first."""
Columns = Mapping[str, tuple[str, str]]
"""Column of a table -> its heading and the format of its numbers."""

SLICE_COLUMNS: Columns = {
    "sets": ("sets", ",.0f"),
    "outcomes": ("real buyers", ",.0f"),
    "expected": ("expected", ",.0f"),
    "level": ("expected / real", ".2f"),
    "ap": ("AP", ".3f"),
    "rule_ap": ("best rule", ".3f"),
    "ratio": ("times as good", ".2f"),
    "interval": ("95 %", ""),
    "rule": ("which rule", ""),
}
METHOD_COLUMNS: Columns = {
    "ap": ("AP", ".3f"),
    "new_ap": ("new AP", ".3f"),
    "rp": ("R-precision", ".3f"),
    "lift_1": ("lift 1 %", ".1f"),
    "lift_5": ("lift 5 %", ".1f"),
    "recall_1": ("recall 1 %", ".1%"),
    "recall_5": ("recall 5 %", ".1%"),
    "lift_quality": ("Lift Quality", ".0f"),
    **{f"catch_{share * 100:.0f}": (f"to catch {share * 100:.0f} %", ".1%") for share in metrics.CAUGHT},
    "level": ("expected / real", ".2f"),
    "log_loss": ("log loss", ".4f"),
    "calibration_error": ("calibration error", ".4f"),
}
ORIGIN_COLUMNS: Columns = {
    "expected": ("expected buyers", ",.0f"),
    "interval": ("80 % interval", ""),
    "outcomes": ("real buyers", ",.0f"),
    "held": ("sets within their interval", ".0%"),
    "answered": ("what answered", ""),
    "expected_customers": ("expected customers", ",.0f"),
    "ordered": ("customers who ordered", ",.0f"),
    "auc": ("AUC", ".3f"),
    "orders_expected": ("expected orders", ",.0f"),
    "orders": ("real orders", ",.0f"),
    "products_expected": ("expected products", ",.0f"),
    "products": ("real products", ",.0f"),
}
SET_COLUMNS: Columns = {
    "products": ("products", ",.0f"),
    "expected": ("expected", ",.1f"),
    "interval": ("80 % interval", ""),
    "buyers": ("real buyers", ",.0f"),
    "new_buyers": ("of them new", ",.0f"),
    "ap": ("AP", ".3f"),
    "lift_1": ("lift 1 %", ".1f"),
    "lift_quality": ("Lift Quality", ".0f"),
}
Table = dict[str, object]


def page(evaluation: Evaluation, *, shop_name: str) -> str:
    """The whole page. It names product sets and rules, never a customer; everything in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    tables = evaluation.tables
    headline, *sentences = evaluation.verdict()
    return environment.get_template(TEMPLATE).render(
        shop=shop_name,
        evaluation=evaluation,
        headline=headline,
        sentences=sentences,
        good=better(tables["slices"].iloc[0]) if "slices" in tables else None,
        figures={title: b64encode(plots.png(figure)).decode() for title, figure in plots.drawings(tables).items()},
        bands=metrics.BANDS,
        least=LEAST,
        **_product_tables(tables),
        origins=_origins(tables),
    )


def _product_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, object]:
    if "slices" not in tables:
        return {"facts": [], "slices": None, "methods": None, "sets": None}
    return {"facts": _facts(tables), "slices": _slices(tables["slices"]), "methods": _methods(tables["methods"]), "sets": _sets(tables["sets"])}


def _facts(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Numbers and what they mean in a few words."""
    row, ours = tables["slices"].iloc[0], pooled_ours(tables["methods"])
    quality = f", {metrics.band(ours['lift_quality'])}" if pd.notna(ours["lift_quality"]) else ""
    return [
        (f"{_shown(row['ratio'], '.2f')} ×", f"as good as the best simple rule (95 %: {_range(row['ratio_low'], row['ratio_high'], '.2f')})"),
        (f"{row['expected']:,.0f}", f"buyers were expected, {row['outcomes']:,} came"),
        (_shown(ours["lift_quality"], ".0f"), f"Lift Quality of 100{quality}"),
        (_shown(ours["catch_50"], ".1%"), "of all customers hold half of the buyers of a product set"),
    ]


def _slices(slices: pd.DataFrame) -> Table:
    intervals = [_range(low, high, ".2f") for low, high in zip(slices["ratio_low"], slices["ratio_high"], strict=True)]
    names = [(name, SLICES[name].meaning) for name in slices["slice"]]
    shown = slices.assign(interval=intervals, rule=slices["rule"].map(named))
    return _table(shown, SLICE_COLUMNS, names, marks=[better(row) for _, row in slices.iterrows()])


def _methods(methods: pd.DataFrame) -> Table:
    means = pooled(methods).sort_values("ap", ascending=False, kind="stable")
    return _table(means, METHOD_COLUMNS, [(named(str(name)), "") for name in means.index], marks=[name == OURS or None for name in means.index])


def _origins(tables: Mapping[str, pd.DataFrame]) -> Table:
    joined = tables["customers"].rename(columns={"expected": "expected_customers"})
    if "coverage" in tables:
        joined = joined.merge(tables["coverage"], on="origin")
        joined["interval"] = [_range(low, high, ",.0f") for low, high in zip(joined["low"], joined["high"], strict=True)]
        joined["held"] = joined["sets_covered"] / joined["sets"]
    shown = {name: column for name, column in ORIGIN_COLUMNS.items() if name in joined}
    return _table(joined, shown, [(str(origin), "") for origin in joined["origin"]])


def _sets(sets: pd.DataFrame) -> Table:
    newest = sets[sets["origin"] == sets["origin"].max()].sort_values("buyers", ascending=False, kind="stable").head(SETS)
    newest = newest.assign(interval=[_range(low, high, ",.0f") for low, high in zip(newest["low"], newest["high"], strict=True)])
    return _table(newest, SET_COLUMNS, list(zip(newest["product_set"], newest["kind"], strict=True)))


def _table(frame: pd.DataFrame, columns: Columns, names: list[tuple[str, str]], *, marks: list[bool | None] | None = None) -> Table:
    """What the template draws: headings, and rows of a name, its meaning, a mark (good, bad or neither) and cells of text."""
    cells = {name: [_shown(value, form) for value in frame[name]] for name, (_, form) in columns.items()}
    rows = zip(names, marks or [None] * len(names), zip(*cells.values(), strict=True), strict=True)
    return {"head": [title for title, _ in columns.values()], "rows": [(*name, mark, list(row)) for name, mark, row in rows]}


def _shown(value: float | str, form: str) -> str:
    if isinstance(value, str):
        return value or UNKNOWN
    if np.isnan(value):
        return UNKNOWN
    text = f"{value:{form}}"
    return text.removeprefix("0") if text.startswith("0.") and form in (".3f", ".4f") else text


def _range(low: float, high: float, form: str) -> str:
    return UNKNOWN if np.isnan(low) else f"{_shown(low, form)} to {_shown(high, form)}"
