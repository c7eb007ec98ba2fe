"""The verbs that answer: score (everybody, stored), who (any products, now) and replenishment (who needs more, when)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import (
    HERE,
    AsOf,
    BundleId,
    Csv,
    Json,
    MemoryLimit,
    ShopFolder,
    Threads,
    form_of,
    progress,
    say,
    set_threads,
    tell_rule,
    warn_if_stale,
)

if TYPE_CHECKING:
    from features.products import ProductSet
    from features.snapshot import Snapshot
    from models.bundle import Bundle
    from serving.scores import Scores
    from serving.who import Answer, Expected, Range, Tally

TITLES = 3
SHOWN = 10
"""Product sets that are shown to people; the others are counted."""


def score(
    shop: ShopFolder = HERE,
    as_of: AsOf = None,
    bundle: BundleId = None,
    sets: Annotated[
        Path | None, typer.Option("--sets", metavar="FILE", help='Product sets to score: lines such as "category: Tents", or as for who --sets-file.')
    ] = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Score every customer and product sets, by default the shop's categories and brands, and publish; prints what is expected of each set."""
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.config import load_config
    from serving import scores
    from serving.exports import text_of

    with progress() as tell:
        config = load_config(shop)
        made = scores.score(shop, config=config, as_of=as_of, bundle=bundle, sets_file=sets, memory_limit=memory_limit, threads=threads, say=tell)
    if as_of is None:
        warn_if_stale(shop, made.as_of, horizon=made.horizon)
    tell_rule(made.bundle.rule)
    expected = made.product_sets.sort_values("expected_buyers", ascending=False, kind="stable")
    typer.echo(text_of(expected.head(SHOWN) if form == "table" else expected, form, dated=made), nl=False)
    say(_next_step(made))


def _next_step(made: "Scores") -> str:
    from serving.published import no_interest

    if len(made.product_sets):
        return f"{len(made.customers):,} customers and {len(made.product_sets):,} product sets are in {made.folder}; next: whobuys who KEYWORD"
    found = f"{len(made.customers):,} customers, each with the probability to order anything, are in {made.folder / 'customers.parquet'}"
    return f"{found}; {reason}" if (reason := no_interest(made.shop, made.bundle)) else found


def who(
    keyword: Annotated[list[str] | None, typer.Argument(metavar="KEYWORD", help="Words in the products' title, brand, category or tags.")] = None,
    shop: ShopFolder = HERE,
    category: Annotated[str | None, typer.Option("--category", help="A category, by its path or any level of it.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="A brand.")] = None,
    product: Annotated[list[str] | None, typer.Option("--product", metavar="ID", help="A product; repeat it for several.")] = None,
    ids_file: Annotated[Path | None, typer.Option("--ids-file", metavar="FILE", help="Products: a file with an id on each line.")] = None,
    attribute: Annotated[list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE", help="Products by a column: =, >= or <=.")] = None,
    sets_file: Annotated[
        Path | None, typer.Option("--sets-file", metavar="FILE", help="Many sets: CSV product_set,product_id, or as for score --sets.")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="How many customers.", show_default="20")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every customer.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a .csv, .parquet, .json or .jsonl file.")] = None,
    as_of: AsOf = None,
    bundle: BundleId = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Say who will buy these products: the customers ranked by their probability to buy, and how many buyers to expect.

    Options that name products hold together: --category Tents --brand Nordvind asks for the tents of that brand.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.errors import UsageError
    from serving.exports import check_ending
    from serving.published import enough_room
    from whobuys.asking import Asked, opened

    if output is not None:
        check_ending(output)
    if all_ and top is not None:
        raise UsageError("--top and --all exclude each other; give one of them")
    if all_ and sets_file is not None and output is None:
        raise UsageError("--sets-file with --all answers for every customer and set; give a file for it with -o FILE")
    count = None if all_ else top or 20
    asked = Asked(keyword or (), category, brand, product or (), ids_file, attribute or (), sets_file)
    with enough_room(shop):
        model, snapshot = opened(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads)
        sets = asked.sets(snapshot.shop)
        if sets_file is not None:
            _answer_many(model, snapshot, sets, top=count, output=output, form=form)
        else:
            _answer_one(model, snapshot, sets[0], top=count, output=output, form=form)


def replenishment(
    keyword: Annotated[list[str] | None, typer.Argument(metavar="KEYWORD", help="Words in the products' title, brand, category or tags.")] = None,
    shop: ShopFolder = HERE,
    category: Annotated[str | None, typer.Option("--category", help="A category, by its path or any level of it.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="A brand.")] = None,
    product: Annotated[list[str] | None, typer.Option("--product", metavar="ID", help="A product; repeat it for several.")] = None,
    within: Annotated[int | None, typer.Option("--within", min=1, metavar="DAYS", help="Only what is due within so many days.")] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="How many rows, what is due first.", show_default="20, of a file all")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a .csv, .parquet, .json or .jsonl file.")] = None,
    as_of: AsOf = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Say who buys regularly from a category, or from the products that are named, and when the next purchase is due.

    "Vitamin D every two months": without products that are named, of every category, as deep as they go. Needs no training.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.errors import DataError
    from features.shop import Shop
    from features.snapshot import Snapshot
    from models.customers.replenishment import due_first, replenishment
    from serving.exports import check_ending, text_of, write_table
    from serving.published import enough_room
    from whobuys.asking import Asked

    if output is not None:
        check_ending(output)
    asked = Asked(keyword or (), category, brand, product or ())
    with enough_room(shop):
        opened = Shop.open(shop, memory_limit=memory_limit, threads=threads)
        if not opened.has_lines:
            raise DataError("the orders have no lines, so nothing is known of what was bought; import order lines")
        opened.check_date(as_of or opened.default_as_of)
        snapshot = Snapshot(opened, as_of or opened.default_as_of)
        found = replenishment(snapshot, asked.sets(opened) if asked != Asked() else None)
    due = due_first(found, snapshot.as_of, within=within)
    shown = due.head(top or (20 if output is None else len(due)))
    if as_of is None:
        warn_if_stale(shop, snapshot.as_of, horizon=snapshot.horizon)
    ahead = "" if within is None else f" and due within {within} days"
    say(f"as of {snapshot.as_of}: {len(due):,} pairs of a customer and what is bought regularly{ahead}, {due['customer_id'].nunique():,} customers")
    if output is None:
        typer.echo(text_of(shown, form, dated=snapshot), nl=False)
        return
    write_table(output, shown, dated=snapshot)
    say(f"wrote {output}: {len(shown):,} rows")


def _answer_one(model: "Bundle", snapshot: "Snapshot", product_set: "ProductSet", *, top: int | None, output: Path | None, form: str) -> None:
    from serving.exports import text_of, write_table
    from serving.who import answers

    (answer,) = answers(model, snapshot, [product_set], top=top)
    typer.echo(header(answer, snapshot), err=output is not None or form != "table")
    if output is None:
        typer.echo(text_of(answer.rows, form, dated=answer), nl=False)
        return
    write_table(output, answer.rows, dated=answer)
    say(f"wrote {output}: {len(answer.rows):,} customers")


def header(answer: "Answer", snapshot: "Snapshot") -> str:
    """What stands above the ranked customers: products, date, expected buyers, base rate and lift."""
    return f"{_products(answer.product_set, snapshot)}\n{_expected(answer.expected, snapshot)}"


def _products(product_set: "ProductSet", snapshot: "Snapshot") -> str:
    known = snapshot.shop.products.reindex(list(product_set.product_ids))
    titles = list(known["title"].dropna().head(TITLES))
    named = f" ({', '.join(titles)}{', ...' * (len(known) > len(titles))})" if titles else ""
    return f"{product_set.label}: {len(known):,} product{'s' * (len(known) != 1)}{named}"


def _expected(expected: "Expected", snapshot: "Snapshot", *, of_sets: str = "") -> str:
    return (
        f"as of {snapshot.as_of}, the next {snapshot.horizon} days: {expected.buyers:,.1f} buyers expected ({_from_to(expected.range)}) "
        f"among {len(snapshot.customer_ids):,} customers{of_sets}, base rate {expected.base_rate:.2%}\n"
        f"the {expected.listed:,} most probable: {expected.of_listed:,.1f} buyers expected ({_from_to(expected.range_listed)}), "
        f"{expected.share:.0%} of all, lift {expected.lift:.1f}"
    )


def _from_to(ends: "Range") -> str:
    return f"{ends[0]:,.0f} to {ends[1]:,.0f}"


def _answer_many(model: "Bundle", snapshot: "Snapshot", sets: "list[ProductSet]", *, top: int | None, output: Path | None, form: str) -> None:
    from serving.exports import text_of, write_blocks
    from serving.who import EVERYBODY, MOST_PROBABLE, Tally, answers, long_table

    tally = Tally()
    found = tally.counted(answers(model, snapshot, sets, top=top))
    if output is not None:
        with progress() as tell:
            tell(f"answering for {len(sets):,} product sets and {len(snapshot.customer_ids):,} customers as of {snapshot.as_of}")
            rows = write_blocks(output, long_table(found, EVERYBODY if top is None else MOST_PROBABLE), dated=snapshot)
        say(header_of_sets(tally, snapshot, others=f"in {output}"))
        say(f"wrote {output}: {rows:,} rows; the probabilities in it add up to {tally.total.of_listed:,.1f} buyers")
    elif form == "table":
        shown = [f"{_products(each.product_set, snapshot)}\n{text_of(each.rows, form)}" for number, each in enumerate(found) if number < SHOWN]
        typer.echo("\n".join([f"{header_of_sets(tally, snapshot, others='shown by --csv, or with -o FILE')}\n", *shown]), nl=False)
    else:
        import pandas as pd

        text = text_of(pd.concat(long_table(found, MOST_PROBABLE), ignore_index=True), form, dated=snapshot)
        say(header_of_sets(tally, snapshot, others="in the rows"))
        typer.echo(text, nl=False)


def header_of_sets(tally: "Tally", snapshot: "Snapshot", *, others: str) -> str:
    """What stands above the answers for many sets: date, expected buyers, base rate and lift together, then the first sets, a row each.

    ``others`` says where the rest is to be found.
    """
    from serving.exports import text_of

    table = tally.table()
    more = f"... and {len(table) - SHOWN:,} more, {others}\n" if len(table) > SHOWN else ""
    together = _expected(tally.total, snapshot, of_sets=f" and {len(table):,} product sets, once a set")
    return f"{together}\n{text_of(table.head(SHOWN), 'table')}{more}".rstrip("\n")
