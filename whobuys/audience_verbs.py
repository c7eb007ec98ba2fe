"""The verbs about audiences: list, show, build, suggest."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import HERE, AsOf, BundleId, Csv, Json, MemoryLimit, Say, ShopFolder, Threads, form_of, progress, say, set_threads

if TYPE_CHECKING:
    import pandas as pd

    from features.snapshot import Snapshot
    from models.bundle import Bundle
    from serving.audiences import Audience, Members
    from serving.destinations.gate import Gate

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Saved audiences: who to reach, as a question that is asked again.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, or a ready-made one: long-tail, cross-sell.")]


@app.command("list")
def list_(shop: ShopFolder = HERE, json_: Json = False, csv: Csv = False) -> None:
    """List the audiences: those of audiences.yaml and the ready-made ones, with the size of their latest answer."""
    form = form_of(json=json_, csv=csv)
    from serving.audiences.listing import listing
    from serving.exports import text_of

    typer.echo(text_of(listing(shop), form), nl=False)


@app.command()
def show(name: Name, shop: ShopFolder = HERE) -> None:
    """Show how an audience is defined, which products its conditions match, and its latest answer."""
    from serving.audiences.listing import matches
    from serving.ready_made import ready_made_text
    from serving.ready_made.campaigns import find_audience

    saved = find_audience(shop, name)
    if saved is None:
        typer.echo(ready_made_text(name), nl=False)
        say("suggested products are found in the shop when it is built; see them with: whobuys audience suggest")
        return
    typer.echo(saved.yaml(), nl=False)
    for line in matches(shop, saved):
        say(line)


@app.command()
def build(
    name: Name,
    shop: ShopFolder = HERE,
    bought: Annotated[str | None, typer.Option("--bought", metavar="PRODUCTS", help="With cross-sell: a category, brand or keyword.")] = None,
    not_bought: Annotated[str | None, typer.Option("--not-bought", metavar="PRODUCTS", help="With cross-sell: what they have not bought.")] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="At most so many members, the best.", show_default="as defined")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="PATH", help="A file (or a folder for several audiences).")] = None,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Ask an audience now: keep its members, and write them as a CSV file for the e-mail platform.

    The file has customer_id, email (only with consent), probability, rank, three products to show, and the date of the data.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    import pandas as pd

    from features.config import load_config
    from features.products import Catalogue
    from serving.audiences import build_all, evidence_of, saved_audiences
    from serving.destinations.gate import Gate
    from serving.exports import text_of
    from serving.published import enough_room
    from serving.ready_made.campaigns import find_audience
    from whobuys.asking import opened

    find_audience(shop, name)
    _check_options(name, bought, not_bought)
    with enough_room(shop), progress() as tell:
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads)
        tell(f"asking {name} as of {snapshot.as_of}")
        audiences = _audiences(name, shop, (bought, not_bought), model, snapshot)
        audiences = [audience.with_top(top) for audience in audiences] if top else audiences
        _check_output(output, audiences)
        gate = Gate.of(snapshot.shop, load_config(shop))
        evidence = evidence_of(model, snapshot, Catalogue.of(snapshot.shop), saved=saved_audiences(shop), consented=gate.basis)
        rows = []
        for members in build_all(audiences, evidence):
            rows.append(_write(members, snapshot, shop=shop, output=output, gate=gate, bundle=model.id, tell=tell))
    typer.echo(text_of(pd.DataFrame(rows), form), nl=False)


@app.command()
def preview(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, or one that was built.")],
    shop: ShopFolder = HERE,
    by: Annotated[str | None, typer.Option("--by", metavar="COLUMN", help="Break it down by a column of the customers, such as country.")] = None,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Show the numbers of an audience now, without keeping it: size, reach, buyers expected with their range, worth, what each condition does."""
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.config import load_config
    from features.products import Catalogue
    from serving.audiences import build as build_members
    from serving.audiences import evidence_of, saved_audiences
    from serving.audiences.numbers import Economy, breakdown, numbers, numbers_table, parts, top_products
    from serving.exports import text_of
    from serving.published import enough_room
    from whobuys.asking import opened

    audience, config = _defined(shop, name), load_config(shop)
    with enough_room(shop), progress() as tell:
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads)
        tell(f"asking {name} as of {snapshot.as_of}")
        basis = config.shop.legal_basis
        evidence = evidence_of(model, snapshot, Catalogue.of(snapshot.shop), saved=saved_audiences(shop), consented=basis)
        members = build_members(audience, evidence)
        found = numbers(
            members,
            evidence,
            model.spread,
            Economy({str(each): cost for each, cost in config.audiences.contact_cost.items()}, config.customers.margin),
        )
        tables = [breakdown(members, evidence, by)] if by else [parts(members, evidence), top_products(members, evidence)]
    table = numbers_table(found)
    if form != "table":
        typer.echo(text_of(tables[0] if by else table, form, dated=members), nl=False)
        return
    typer.echo("\n".join([_numbers_text(table), *(text_of(each, form) for each in tables)]), nl=False)
    for note in members.notes:
        say(f"note: {note}")


def _defined(shop: Path, name: str) -> "Audience":
    """The saved or built audience of that name. Raises DataError for a ready-made one, whose products are found when it is built."""
    from features.errors import DataError
    from serving.ready_made.campaigns import find_audience

    audience = find_audience(shop, name)
    if audience is None:
        raise DataError(f"{name}: its products are found when it is built; build it, then name one of the audiences that come of it")
    return audience


def _numbers_text(table: "pd.DataFrame") -> str:
    """The numbers for people: one a line, with its range and how it was come by."""
    names = table["number"].str.len().max()
    lines = []
    for name, value, low, high, how in table.itertuples(index=False):
        digits = 0 if value >= 100 or float(value).is_integer() else 1 if value >= 10 else 4 if value < 1 else 2
        text = f"{value:,.{digits}f}" + (f" ({low:,.0f} to {high:,.0f})" if low == low and low is not None else "")
        lines.append(f"{name:<{names}}  {text:>22}  {how}")
    return "\n".join(lines) + "\n"


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, or one that was built.")],
    shop: ShopFolder = HERE,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Test an audience on past dates: expected and real buyers, and plain rules of the same size.

    Each date is predicted by a fit that knew only what came before it. What is needed for more dates: backtest_origins in whobuys.toml.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    import json

    from features.config import load_config
    from features.shop import Shop
    from serving.audiences import saved_audiences
    from serving.audiences.check import check as back_test
    from serving.audiences.check import verdict
    from serving.exports import text_of
    from serving.published import bundle_folder, enough_room

    audience = _defined(shop, name)
    with enough_room(shop), progress() as tell:
        tell(f"testing {name} on past dates")
        opened = Shop.open(shop, memory_limit=memory_limit, threads=threads)
        basis = load_config(shop).shop.legal_basis
        found = back_test(audience, opened, bundle_folder(shop, bundle), saved=saved_audiences(shop), consented=basis)
    if form == "json":
        typer.echo(json.dumps(found.summary(), indent=1, ensure_ascii=False))
        return
    typer.echo(text_of(found.origins, form), nl=False)
    if form == "table":
        typer.echo("")
        for sentence in verdict(found):
            typer.echo(sentence)


@app.command()
def schema() -> None:
    """Print the JSON Schema of audiences.yaml, by which an editor completes and checks it."""
    import json

    from serving.audiences.definitions import Audience

    typer.echo(json.dumps({"title": "An audience of whobuys", **Audience.model_json_schema()}, indent=1, ensure_ascii=False))


@app.command()
def suggest(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="cross-sell or long-tail.", show_default="both")] = None,
    shop: ShopFolder = HERE,
    top: Annotated[int, typer.Option("--top", min=1, help="At most so many suggestions of each kind.")] = 10,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print audiences that can be put into audiences.yaml.")] = False,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Suggest audiences from the orders: pairs for cross-selling, and long-tail products that are wanted more than they sell."""
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.errors import UsageError
    from serving.exports import text_of
    from serving.published import enough_room
    from serving.ready_made import CROSS_SELL, LONG_TAIL
    from whobuys.asking import opened

    kinds = [kind] if kind else [CROSS_SELL, LONG_TAIL]
    if kinds[0] not in (CROSS_SELL, LONG_TAIL):
        raise UsageError(f"there is no kind of suggestion {kind!r}; there are: {CROSS_SELL}, {LONG_TAIL}")
    if len(kinds) > 1 and form != "table":
        raise UsageError(f"--{form} prints one table; name its kind: {CROSS_SELL} or {LONG_TAIL}")
    with enough_room(shop), progress() as tell:
        tell(f"looking for {' and '.join(kinds)} suggestions")
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads)
        found = [_suggested(each, top, model, snapshot) for each in kinds]
    if yaml:
        typer.echo("---\n".join(audience.yaml() for _, audiences in found for audience in audiences), nl=False)
        return
    for each, (table, _) in zip(kinds, found, strict=True):
        typer.echo((f"{each}\n" if len(kinds) > 1 else "") + text_of(table, form), nl=len(kinds) > 1)
    say(f"next: whobuys audience build {kinds[0]}")


def _suggested(kind: str, top: int, bundle: "Bundle", snapshot: "Snapshot") -> "tuple[pd.DataFrame, list[Audience]]":
    from features.products import Catalogue
    from serving.ready_made import CROSS_SELL
    from serving.ready_made.campaigns import cross_sell_audiences, cross_sell_table, long_tail_audiences, long_tail_table
    from serving.suggestions import cross_sell, long_tail

    catalogue = Catalogue.of(snapshot.shop)
    if kind == CROSS_SELL:
        pairs = cross_sell(snapshot, top=top)
        return cross_sell_table(pairs), cross_sell_audiences(pairs, catalogue)
    found = long_tail(snapshot, catalogue, lambda sets: bundle.interest_blocks(snapshot, sets), most=top)
    return long_tail_table(found), long_tail_audiences(found, catalogue)


def _check_options(name: str, bought: str | None, not_bought: str | None) -> None:
    from features.errors import UsageError
    from serving.ready_made import CROSS_SELL

    if (bought is None) != (not_bought is None):
        raise UsageError('--bought and --not-bought go together: --bought "Tents" --not-bought "Mosquito repellent"')
    if bought is not None and name != CROSS_SELL:
        raise UsageError(f"--bought and --not-bought go with the audience {CROSS_SELL}, not with {name}")


def _check_output(output: Path | None, audiences: "Sequence[Audience]") -> None:
    from features.errors import UsageError
    from serving.exports import check_ending

    if output is None or (not output.suffix and len(audiences) > 1):
        return
    if len(audiences) > 1:
        raise UsageError(f"{output}: these are {len(audiences)} audiences, a file each; give a folder with -o")
    check_ending(output)


def _audiences(name: str, shop: Path, pair: tuple[str | None, str | None], model: "Bundle", snapshot: "Snapshot") -> "list[Audience]":
    """The saved audience, the one of the named pair (which is then saved), or what the orders suggest."""
    from features.products import Catalogue
    from serving.audiences import AUDIENCES
    from serving.ready_made.campaigns import find_audience, pair_audience, save_definition, suggested_audiences

    bought, not_bought = pair
    catalogue = Catalogue.of(snapshot.shop)
    if bought is not None and not_bought is not None:
        audience = pair_audience(bought, not_bought, catalogue)
        if saved := save_definition(shop, audience):
            say(f"{shop / AUDIENCES} has the audience {saved.audience} already; it is built as it stands there")
            return [saved]
        say(f"wrote the audience {audience.audience} into {shop / AUDIENCES}")
        return [audience]
    saved = find_audience(shop, name)
    return [saved] if saved else suggested_audiences(name, model, snapshot, catalogue)


def _write(members: "Members", snapshot: "Snapshot", *, shop: Path, output: Path | None, gate: "Gate", bundle: str, tell: Say) -> dict[str, object]:
    """Keep and export the members; returns the row that is printed."""
    from serving.audiences import export, export_path, save

    save(shop, members, bundle=bundle)
    path = export_path(shop, members) if output is None else output if output.suffix else output / export_path(shop, members).name
    mailable = export(path, members, snapshot, gate=gate)
    tell(f"wrote {path}: {len(members):,} members, {mailable:,} with an e-mail address that may be used")
    for note in members.notes:
        say(f"note: {members.audience.audience}: {note}")
    summary = members.summary()
    row = {key: summary[key] for key in ("audience", "size", "expected_buyers", "base_rate", "lift", "data_date")}
    return {**row, "with_email": mailable, "file": str(path)}
