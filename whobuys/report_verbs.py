"""The verbs that report to people: report customers, report audiences, report evaluation, report history."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.plan_verbs import Names
from whobuys.terminal import (
    HERE,
    AsOf,
    BundleId,
    Csv,
    Json,
    MemoryLimit,
    Say,
    ShopFolder,
    Threads,
    form_of,
    progress,
    say,
    set_threads,
    warn_if_stale,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from features.checks import Finding

PAGE = ".html"
FOLDER = "reports"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Pages for people: one HTML file each, which needs nothing else.")


@app.command()
def customers(
    shop: ShopFolder = HERE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write the page.", show_default="reports/customers.html")
    ] = None,
    as_of: AsOf = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
) -> None:
    """Write a page about the customers: who will order, stages of life, importance, RFM, value against risk, cohorts, seasons. It names nobody.

    It reads the published scores where they are of the date; otherwise every customer is scored for it. Prints the path.
    """
    set_threads(threads)
    path = _page(output, shop, "customers")
    with progress() as tell:
        as_known, horizon = write_customers(shop, path, as_of, memory_limit=memory_limit, threads=threads, tell=tell)
    if as_of is None:
        warn_if_stale(shop, as_known, horizon=horizon)
    typer.echo(str(path))


@app.command()
def audiences(
    names: Names = None,
    shop: ShopFolder = HERE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write the page.", show_default="reports/audiences.html")
    ] = None,
    as_of: AsOf = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
) -> None:
    """Write a page that compares audiences: potential, historic revenue, lifetime value, a plan, expected against realised, overlap, a panel each.

    It names no customer. Prints the path.
    """
    set_threads(threads)
    path = _page(output, shop, "audiences")
    with progress() as tell:
        as_known, horizon = write_audiences(shop, path, names, as_of, memory_limit=memory_limit, threads=threads, tell=tell)
    if as_of is None:
        warn_if_stale(shop, as_known, horizon=horizon)
    typer.echo(str(path))


@app.command()
def evaluation(
    shop: ShopFolder = HERE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write the page, .html or .md.", show_default="reports/evaluation.html"),
    ] = None,
    bundle: BundleId = None,
) -> None:
    """Write a page that says how good the model is: against what, where it is weak, whether numbers come true, what changed, and its model card.

    It tells what the bundle's own training measured, at once; whobuys evaluate --report measures anew and writes the same page. Prints the path.
    """
    path = write_evaluation(shop, output or shop / FOLDER / f"evaluation{PAGE}", bundle)
    typer.echo(str(path))


@app.command()
def history(
    shop: ShopFolder = HERE,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a page, .html or .md, instead of printing.")] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Print every figure that is kept.")] = False,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Say how many customers there are by stage of life and importance, now and a month, a quarter and a year ago, and what really changed.

    With -o as a page: customers, audiences, what was expected and what came, and the model, over time. The figures are those that whobuys weekly
    keeps at each run, in history/figures.parquet.
    """
    form = form_of(json=json_, csv=csv)
    from serving import history as kept
    from serving.exports import text_of
    from serving.scores import Scores

    found, scores = kept.figures(shop), Scores.open(shop)
    if output is not None:
        typer.echo(str(write_history(shop, output)))
        return
    typer.echo(text_of(found if figures else kept.trend(found), form), nl=False)
    for each in kept.alerts(found):
        say(f"note: {each}")
    warn_if_stale(shop, scores.as_of, horizon=scores.horizon)


def write_evaluation(shop: Path, path: Path, bundle: str | None = None, *, log: bool = False, findings: "Sequence[Finding] | None" = None) -> Path:
    """Write the page about the model from what its own training measured, and with ``log`` keep it in MLflow, too; its path comes back.
    ``findings`` are those of the weekly run that writes it; without any, those of the last one are read."""
    from whobuys import evaluated

    evaluated.check(report=path, table=None)
    found = evaluated.kept(shop, bundle)
    if log:
        evaluated.keep(shop, found, path, findings)
    else:
        evaluated.write(evaluated.page_of(shop, found, findings), path)
    return path


def write_history(shop: Path, path: Path) -> Path:
    """Write the page about what changed from run to run; its path comes back."""
    from features.config import load_config
    from serving.history import figures
    from serving.reports.history import page
    from whobuys import evaluated

    evaluated.check(report=path, table=None)
    evaluated.write(page(figures(shop), shop_name=load_config(shop).shop.name or shop.resolve().name), path)
    return path


def write_customers(shop: Path, path: Path, as_of: date | None, *, memory_limit: str | None, threads: int | None, tell: Say) -> tuple[date, int]:
    """Write the page about the customers; the date that it is about comes back, and the horizon."""
    from features.config import load_config
    from features.files import write_text
    from serving.published import enough_room
    from serving.reports.base import Base
    from serving.reports.customers import page

    with enough_room(shop):
        base = Base.open(shop, as_of, config=load_config(shop), memory_limit=memory_limit, threads=threads, say=tell)
        tell(f"writing about {len(base.customers):,} customers as of {base.as_of}")
        write_text(path, page(base))
    return base.as_of, base.bundle.horizon


def write_audiences(
    shop: Path, path: Path, names: list[str] | None, as_of: date | None, *, memory_limit: str | None, threads: int | None, tell: Say
) -> tuple[date, int]:
    """Write the page that compares audiences (None: all that are saved); the date that it is about comes back, and the horizon."""
    from features.config import load_config
    from features.files import write_text
    from serving.audiences import saved_audiences
    from serving.published import bundle_folder, enough_room
    from serving.reports.audiences import page
    from serving.reports.base import Base
    from serving.reports.comparing import compare
    from whobuys.plan_verbs import several

    with enough_room(shop):
        asked, config = several(shop, names), load_config(shop)
        base = Base.open(shop, as_of, config=config, memory_limit=memory_limit, threads=threads, say=tell)
        about = compare(asked, base, config, shop=shop, bundles=bundle_folder(shop, base.bundle.id), saved=saved_audiences(shop), say=tell)
        tell(f"writing about {len(asked)} audiences as of {base.as_of}")
        write_text(path, page(about))
    return base.as_of, base.bundle.horizon


def _page(output: Path | None, shop: Path, name: str) -> Path:
    from features.errors import UsageError

    path = output or shop / FOLDER / f"{name}{PAGE}"
    if path.suffix.lower() != PAGE:
        raise UsageError(f"{path}: the report is one HTML page; name a file that ends with {PAGE}")
    return path
