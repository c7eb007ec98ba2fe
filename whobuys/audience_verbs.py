"""The verbs about audiences: list, show, build, preview, check, schema; suggest is registered with them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.suggest_verbs import suggest
from whobuys.terminal import HERE, AsOf, BundleId, Csv, Json, MemoryLimit, Say, ShopFolder, Threads, form_of, progress, say, set_threads

if TYPE_CHECKING:
    import pandas as pd

    from features.conditions import Evidence
    from serving.audiences import Audience, Members
    from serving.destinations.gate import Gate
    from serving.suggestions import Ground

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Saved audiences: who to reach, as a question that is asked again.")

app.command()(suggest)

Name = Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, or a ready-made one (whobuys audience list).")]


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
    from serving.ready_made.campaigns import find_audience, ready_made_of

    audience, made = find_audience(shop, name), ready_made_of(shop, name)
    typer.echo(made.text if made else audience.yaml() if audience else "", nl=False)
    if made and made.filled_in_by:
        say(f"suggested products are found in the shop when it is built; see them with: whobuys audience suggest {made.filled_in_by}")
    for line in matches(shop, audience) if audience else ():
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
    from serving.ready_made.campaigns import USUAL, find_audience
    from serving.suggestions import Ground
    from whobuys.asking import opened

    found = find_audience(shop, name)
    _check_options(name, bought, not_bought)
    products = bought is not None or (found is not None and found.needs_interest)
    with enough_room(shop), progress() as tell:
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads, products=products)
        tell(f"asking {name} as of {snapshot.as_of}")
        gate = Gate.of(snapshot.shop, load_config(shop))
        evidence = evidence_of(model, snapshot, Catalogue.of(snapshot.shop), saved=saved_audiences(shop), consented=gate.basis)
        audiences = _audiences(name, shop, (bought, not_bought), Ground(model, evidence, top=USUAL))
        audiences = [audience.with_top(top) for audience in audiences] if top else audiences
        _check_output(output, audiences)
        rows = []
        for members in build_all(audiences, evidence):
            rows.append(write_members(members, evidence, shop=shop, output=output, gate=gate, bundle=model.id, tell=tell))
    typer.echo(text_of(pd.DataFrame(rows), form), nl=False)


@app.command()
def preview(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, a ready-made one, or one that was built.")],
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
    from serving.audiences import evidence_of, members_of, saved_audiences
    from serving.audiences.costs import Costs
    from serving.audiences.numbers import breakdown, numbers, numbers_table
    from serving.audiences.payoff import channel_of, payoff_numbers, unreached
    from serving.audiences.profile import profile_numbers
    from serving.exports import text_of
    from serving.published import enough_room
    from whobuys.asking import opened

    audience, config = _defined(shop, name), load_config(shop)
    with enough_room(shop), progress() as tell:
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads, products=audience.needs_interest)
        tell(f"asking {name} as of {snapshot.as_of}")
        basis = config.shop.legal_basis
        evidence = evidence_of(model, snapshot, Catalogue.of(snapshot.shop), saved=saved_audiences(shop), consented=basis)
        members = members_of(audience, evidence)
        costs = Costs.of(config)
        found = numbers(members, evidence, model.spread, costs)
        found += [*profile_numbers(members, evidence), *payoff_numbers(members, evidence, costs)]
        tables = [breakdown(members, evidence, by)] if by else list(_tables(members, evidence))
    table = numbers_table(found)
    if form != "table":
        typer.echo(text_of(tables[0] if by else table, form, dated=members), nl=False)
        return
    typer.echo("\n".join([_numbers_text(table), *(text_of(each, form) for each in tables)]), nl=False)
    own = channel_of(members)
    for note in (*members.notes, *costs.left_out(own), *unreached(evidence, [own])):
        say(f"note: {note}")


def _tables(members: "Members", evidence: "Evidence") -> "Iterator[pd.DataFrame]":
    """What each condition does, what sets members apart, what they buy; tables without rows are left out."""
    from serving.audiences.numbers import parts, top_products
    from serving.audiences.profile import drivers

    found = [parts(members, evidence), drivers(members, evidence), top_products(members, evidence), top_products(members, evidence, by="brand")]
    yield from (each for each in found if len(each))


def _defined(shop: Path, name: str) -> "Audience":
    """The saved, ready-made or built audience of that name. Raises DataError for a ready-made one whose products are found when it is built."""
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
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience of audiences.yaml, a ready-made one, or one that was built.")],
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


def _audiences(name: str, shop: Path, pair: tuple[str | None, str | None], ground: "Ground") -> "list[Audience]":
    """The saved or ready-made audience, the one of the named pair (which is then saved), or what the shop suggests."""
    from serving.audiences import AUDIENCES
    from serving.ready_made.campaigns import find_audience, pair_audience, save_definition, suggested_audiences

    bought, not_bought = pair
    if bought is not None and not_bought is not None:
        audience = pair_audience(bought, not_bought, ground.catalogue)
        if saved := save_definition(shop, audience):
            say(f"{shop / AUDIENCES} has the audience {saved.audience} already; it is built as it stands there")
            return [saved]
        say(f"wrote the audience {audience.audience} into {shop / AUDIENCES}")
        return [audience]
    found = find_audience(shop, name)
    return [found] if found else suggested_audiences(name, ground)


def write_members(
    members: "Members", evidence: "Evidence", *, shop: Path, output: Path | None, gate: "Gate", bundle: str, tell: Say
) -> dict[str, object]:
    """Keep and export the members; returns the row that is printed."""
    from serving.audiences import export, export_path
    from serving.audiences.changes import keep
    from serving.audiences.facts import with_facts

    members, changes = keep(shop, with_facts(members, evidence), evidence, bundle=bundle)
    path = export_path(shop, members) if output is None else output if output.suffix else output / export_path(shop, members).name
    mailable = export(path, members, evidence.snapshot, gate=gate, bundle=bundle)
    tell(f"wrote {path}: {len(members):,} members, {mailable:,} with an e-mail address that may be used")
    if changes.before:
        tell(f"{changes.entered:,} entered and {changes.left:,} left since {changes.before}: whobuys audience changes {members.audience.audience}")
    for note in members.notes:
        say(f"note: {members.audience.audience}: {note}")
    summary = members.summary()
    row = {key: summary[key] for key in ("audience", "size", "expected_buyers", "base_rate", "lift", "data_date")}
    return {**row, "with_email": mailable, "file": str(path)}
