"""The verbs of the registry: model list, show, compare, promote, rollback."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whobuys.terminal import HERE, Csv, Json, ShopFolder, form_of, say

if TYPE_CHECKING:
    from whobuys.registry import Change, Comparison, Known

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The bundles of the shop: which there are, and which one is in use.")

Bundle = Annotated[str, typer.Argument(metavar="ID", help="A bundle (whobuys model list).")]
Shown = Annotated[str | None, typer.Argument(metavar="ID", help="A bundle (whobuys model list).", show_default="the published one")]
Other = Annotated[str | None, typer.Argument(metavar="ID2", help="The bundle beside it.", show_default="the published one")]


@app.command("list")
def list_(shop: ShopFolder = HERE, json_: Json = False, csv: Csv = False) -> None:
    """List the bundles, the newest first, with what their own backtests measured, which one is in use, and what MLflow calls them.

    ap is how well buyers of product sets were ranked, level expected over real buyers (1 is right), likelihood_auc how well those who ordered were.
    """
    form = form_of(json=json_, csv=csv)
    from serving.exports import text_of
    from whobuys.registry import listing

    known = _known(shop)
    found = listing(shop, known)
    typer.echo(text_of(found, form), nl=False)
    if found.empty:
        say(f"{shop}: nothing was trained here yet; run: whobuys train --shop {shop}")
    _warn_of_another_champion(shop, known)


@app.command()
def show(bundle: Shown = None, shop: ShopFolder = HERE, json_: Json = False) -> None:
    """Show one bundle: its date, what it learnt from and how it was proved, what was measured and learnt, its settings, and the scores it made."""
    import json

    from whobuys.registry import description, one

    found = description(shop, one(shop, bundle), _known(shop))
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if json_ else "\n".join(_words(found)))


@app.command()
def compare(bundle: Bundle, other: Other = None, shop: ShopFolder = HERE, json_: Json = False, csv: Csv = False) -> None:
    """Compare two bundles: the settings in which they differ, and what their own backtests measured."""
    form = form_of(json=json_, csv=csv)
    from whobuys.registry import comparison

    found = comparison(shop, bundle, other)
    typer.echo(_compared(found, form), nl=False)
    if form != "json" and found.note:
        say(f"note: {found.note}")


@app.command()
def promote(bundle: Bundle, shop: ShopFolder = HERE) -> None:
    """Publish a bundle, with the scores that it made of the present orders where there are any, and call it champion in MLflow."""
    from whobuys import registry

    change = registry.promote(shop, bundle, say=say)
    typer.echo(change.bundle)
    _tell(shop, change)


@app.command()
def rollback(shop: ShopFolder = HERE) -> None:
    """Publish the bundle that was in use before, and its scores, without fitting or scoring anything. Done again, it goes further back."""
    from whobuys import registry

    change = registry.rollback(shop, say=say)
    typer.echo(change.bundle)
    _tell(shop, change)
    say(f"forward again: whobuys model promote {change.before}")


def _known(shop: Path) -> "Known":
    """What MLflow knows of the shop's bundles; where it cannot be asked, nothing, and that is said."""
    from features.config import load_config
    from features.errors import DataError
    from training.tracking import registered

    name = load_config(shop).shop.name
    try:
        return registered(shop, name)
    except DataError as error:
        say(f"note: aliases and versions are left out: {error}")
        return {}


def _warn_of_another_champion(shop: Path, known: "Known") -> None:
    from whobuys.registry import published

    in_use = published(shop)
    champion = next((bundle for bundle, each in known.items() if "champion" in each.aliases), None)
    if known and champion != in_use:
        say(f"note: MLflow calls {champion or 'nobody'} the champion, in use is {in_use}; to set it right: whobuys model promote {in_use}")


def _tell(shop: Path, change: "Change") -> None:
    if change.is_none:
        say(f"{change.bundle} is published already; nothing was changed")
    else:
        say(f"published {change.bundle}" + (f" in place of {change.before}" if change.before else ""))
        say(_of_scores(shop, change))
    say(f"version {change.version} is the champion in MLflow" if change.version else "MLflow has no version of it, so nobody is the champion there")


def _of_scores(shop: Path, change: "Change") -> str:
    """Which scores are in use now, and whether they should be made anew."""
    from features.files import MANIFEST, read_current, read_json

    current = read_current(shop)
    if "scores" not in current:
        return "next: whobuys score"
    facts = read_json(shop / current["scores"] / MANIFEST)
    if change.scores is None:
        return f"the scores in use are still those of {facts['bundle']}; next: whobuys score"
    older = facts["tables"] != Path(current.get("tables", "")).name
    return f"with it {change.scores}" + ("; orders were imported since: whobuys score makes new ones" if older else "")


def _compared(found: "Comparison", form: str) -> str:
    """For people and as JSON settings and measures apart, as CSV in one table with a column ``kind``."""
    import json

    import pandas as pd

    from serving.exports import rounded, text_of

    if form == "json":
        rows = {name: json.loads(text_of(table, form)) for name, table in (("settings", found.settings), ("measures", found.measures))}
        return json.dumps({"first": found.first.id, "second": found.second.id, "note": found.note, **rows}, ensure_ascii=False) + "\n"
    if form == "csv":
        exact = {name: rounded(found.measures[name]).astype("object") for name in ("first", "second")}
        parts = {"setting": found.settings, "measure": found.measures.assign(**exact)}
        tables = [table.rename(columns={kind: "name"}).assign(kind=kind) for kind, table in parts.items()]
        return text_of(pd.concat(tables)[["kind", "name", "first", "second", "difference"]], form)
    heads = {"first": found.first.id, "second": found.second.id}
    settings = text_of(found.settings.rename(columns=heads), form) if len(found.settings) else "none\n"
    return f"settings that differ:\n{settings}\nmeasures of their own backtests:\n{text_of(found.measures.rename(columns=heads), form)}"


def _words(found: Mapping[str, Any]) -> Iterator[str]:
    """A bundle for people, a line each."""
    version = f"; version {found['version']} in MLflow" if found["version"] else "; MLflow does not know it"
    state = "published" if found["published"] else "not published"
    yield f"{found['bundle']}: {state}{version}{''.join(f', {alias}' for alias in found['aliases'])}"
    yield f"knows everything before {found['as_of']}, predicts the {found['horizon']} days from then on, for {found['customers']:,} customers"
    yield f"made {found['made']} of the tables {found['tables']}: {found['megabytes']:.1f} MB in {found['folder']}, {found['files']} files as sealed"
    if found["published_at"]:
        yield f"put in use {', '.join(found['published_at'])}"
    yield f"a rule answers for product sets: {found['rule']}" if found["rule"] else "the model answers for product sets"
    if found["missing"]:
        yield f"note: {found['missing']}"
    for title, dates in (("learnt from", found["training_dates"]), ("proved on", found["backtest_dates"])):
        yield f"{title} {', '.join(dates) or 'no past date'}"
    yield from _measured(found["measures"])
    yield from _learnt(found["learnt"] or {})
    yield from _grouped("settings", found["recipe"] or {})
    yield from _grouped("versions", found["versions"] or {})
    yield f"scores made by it: {', '.join(found['scores']) or 'none'}"


def _measured(measures: Mapping[str, float | None]) -> Iterator[str]:
    for name, whom in (("level", "buyers of product sets"), ("likelihood_level", "customers who order anything")):
        if level := measures.get(name):
            yield f"on those dates {100 * level:.0f} {whom} were expected for 100 that came"
    yield from _grouped("measures", {name: value for name, value in measures.items() if value is not None})


def _learnt(learnt: Mapping[str, Any]) -> Iterator[str]:
    """What closed windows taught, in words."""
    for name, what in (("interest", "interest in product sets"), ("likelihood", "likelihood to order")):
        if correction := learnt.get(name):
            earned = any(correction["earned"].values())
            how = f"log-odds times {correction['slope']:.3g}, {correction['repeat']:+.3g} for who bought before, {correction['level']:+.3g} for all"
            yield f"{what}: {f'corrected by closed windows: {how}' if earned else 'as fitted; closed windows bear no correction out'}"
    if spread := learnt.get("spread"):
        month, own = (f"{100 * spread[name]:.0f} %" for name in ("month", "own"))
        windows = f"learnt from {spread['windows']} closed window{'s' * (spread['windows'] != 1)}"
        yield f"beyond chance, buyers stray from those expected by {month} with the month and {own} with the product set, {windows}"


def _grouped(title: str, facts: Mapping[str, object]) -> Iterator[str]:
    """Settings inside settings, a line for each group."""
    from training.tracking.trainings import flat

    groups: dict[str, list[str]] = {}
    for name, value in flat(facts).items():
        group, _, own = name.rpartition(".")
        groups.setdefault(f"{title} {group}".strip(), []).append(f"{own} {f'{value:.4g}' if isinstance(value, float) else value}")
    yield from (f"{group}: {', '.join(each)}" for group, each in groups.items())
