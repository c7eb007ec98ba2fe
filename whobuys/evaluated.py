"""What evaluate was asked -> an evaluation, kept with the bundle or made anew, and how it is printed and kept."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import DataError, UsageError, did_you_mean
from whobuys.terminal import progress, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.checks import Finding
    from serving.reports.pages import Page
    from training.evaluation.evaluate import Evaluation

TABLE = "methods"
TABLES = (TABLE, "slices", "sets", "customers", "coverage", "calibration", "gain")
METHODS = ["sets", "ap", "new_ap", "rp", "new_rp", "lift_1", "lift_5", "lift_quality", "log_loss", "level"]
SLICES = ["slice", "sets", "outcomes", "expected", "level", "ap", "rule_ap", "ratio", "ratio_low", "ratio_high", "rule"]
CUSTOMERS = ["origin", "customers", "ordered", "expected", "level", "auc", "auc_recency", "log_loss", "calibration_error"]
VOLUMES = ["origin", *(f"{name}{end}" for name in ("orders", "products") for end in ("_expected", "", "_mae", "_mae_rate"))]
PAGES = (".html", ".md")


def kept(shop: Path, bundle: str | None) -> "Evaluation":
    """What the bundle's own training measured. Raises DataError, saying why, when there was nothing to compare with."""
    from serving.published import evaluation_tables, load_bundle
    from training.evaluation.evaluate import Evaluation

    loaded = load_bundle(shop, bundle)
    tables = evaluation_tables(shop, loaded)
    if not tables:
        why = loaded.facts.get("missing") or "the shop was too young for one; import more orders and train again"
        raise DataError(f"the bundle has no backtest: {why}")
    return Evaluation(loaded.id, loaded.as_of, loaded.horizon, tables)


def anew(
    shop: Path, bundle: str | None, *, origins: int, as_of: date | None, sets_file: Path | None, memory_limit: str | None, threads: int
) -> "Evaluation":
    """An evaluation of the bundle's recipe, told step by step; begins with the MLflow store, so that one that is down is known at once."""
    from features.files import BUNDLES
    from features.shop import Shop
    from serving.published import check_interest, enough_room, load_bundle
    from training.evaluation.evaluate import evaluate
    from training.tracking import Store
    from whobuys.asking import Asked

    Store.of(shop).reach()
    with enough_room(shop), progress() as tell:
        opened, loaded = Shop.open(shop, memory_limit=memory_limit, threads=threads), load_bundle(shop, bundle)
        if sets_file is not None:
            check_interest(opened, loaded)
        sets = Asked(sets_file=sets_file).sets(opened) if sets_file is not None else None
        return evaluate(opened, loaded, shop / BUNDLES / loaded.id, origins=origins, as_of=as_of, sets=sets, say=tell, threads=threads)


def check(*, report: Path | None, table: str | None) -> None:
    """Raise UsageError for a report that is neither HTML nor Markdown and a table that no evaluation has, before anything long begins."""
    if report is not None and report.suffix.lower() not in PAGES:
        raise UsageError(f"{report}: the report is one page; name a file that ends with {' or '.join(PAGES)}")
    if table is not None and table not in TABLES:
        raise UsageError(f"there is no table {table!r}{did_you_mean(table, TABLES)}")


def keep(shop: Path, found: "Evaluation", report: Path | None, findings: "Sequence[Finding] | None" = None) -> None:
    """Log an evaluation with its page to MLflow, and write the page."""
    from features.config import load_config
    from training.tracking import log_evaluation

    made = page_of(shop, found, findings)
    if report is not None:
        write(made, report)
        say(f"wrote {report}")
    name = load_config(shop).shop.name
    log_evaluation(shop, facts=found.facts(), measures=found.measures(), tables=found.tables, page=made.html(), name=name)


def page_of(shop: Path, found: "Evaluation", findings: "Sequence[Finding] | None" = None) -> "Page":
    """The page of an evaluation, with what the shop's folder knows around it, and the findings of the weekly run that asks for it."""
    from features.config import load_config
    from whobuys.evaluation.page import Around, page

    return page(found, shop_name=load_config(shop).shop.name or shop.resolve().name, around=Around.of(shop, found.bundle, findings))


def write(made: "Page", path: Path) -> None:
    """Write a page in the form that the name of its file asks for."""
    from features.files import write_text

    write_text(path, made.markdown() if path.suffix.lower() == ".md" else made.html())


def text(found: "Evaluation", form: str, table: str | None) -> str:
    """What is printed: for people the verdict and the main tables or one table, as CSV one table, as JSON facts, verdict and one or all tables."""
    from serving.exports import text_of

    if table is not None and table not in found.tables:
        raise DataError(f"the evaluation of {found.bundle} has no table {table!r}: the shop has no order lines, or an older whobuys made it")
    if form == "json":
        tables = {name: json.loads(text_of(each, form)) for name, each in found.tables.items() if table in (None, name)}
        return json.dumps({**found.facts(), "horizon": found.horizon, "origins": found.origins, "verdict": found.verdict(), "tables": tables}) + "\n"
    if form == "csv" or table is not None:
        return text_of(found.tables[table or TABLE], form)
    return _for_people(found)


def _for_people(found: "Evaluation") -> str:
    """The verdict, then slices, methods (the best first), customers and what they order."""
    from serving.exports import text_of
    from training.evaluation.slices import pooled

    parts = ["\n".join(found.verdict()) + "\n"]
    if "slices" in found.tables:
        parts.append(
            f"who buys from a product set, by part, {', '.join(found.origins)} together:\n{text_of(found.tables['slices'][SLICES], 'table')}"
        )
        means = pooled(found.tables["methods"]).sort_values("ap", ascending=False, kind="stable")[METHODS]
        parts.append(f"beside the rules:\n{text_of(means.astype({'sets': int}).reset_index(), 'table')}")
    customers = found.tables["customers"]
    parts.append(f"who orders anything, by origin:\n{text_of(customers[[name for name in CUSTOMERS if name in customers]], 'table')}")
    if "orders" in customers:
        parts.append(f"how much they order, by origin:\n{text_of(customers[[name for name in VOLUMES if name in customers]], 'table')}")
    return "\n".join(parts)
