"""The verbs that answer: score (everybody, stored) and who (any products, now)."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import AsOf, Csv, Json, MemoryLimit, ShopFolder, Threads, form_of, progress, say, set_threads

if TYPE_CHECKING:
    import pandas as pd

    from features.products import ProductSet
    from features.snapshot import Snapshot
    from models.bundle import Bundle
    from serving.who import Answer

HERE = Path()
TITLES = 3


def score(
    shop: ShopFolder = HERE,
    as_of: AsOf = None,
    bundle: Annotated[str | None, typer.Option("--bundle", metavar="ID", help="Another bundle than the published one.")] = None,
    sets: Annotated[Path | None, typer.Option("--sets", metavar="FILE", help='Product sets to score, lines such as "category: Tents".')] = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Score every customer and the main product sets, and publish the scores; prints what is expected of each set."""
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.config import load_config
    from serving import scores
    from serving.exports import text_of
    from serving.main_sets import read_names

    with progress() as tell:
        names, config = read_names(sets) if sets else (), load_config(shop)
        made = scores.score(shop, config=config, as_of=as_of, bundle=bundle, sets=names, memory_limit=memory_limit, threads=threads, say=tell)
    if as_of is None:
        warn_if_stale(made.as_of, horizon=made.horizon)
    expected = made.product_sets.sort_values("expected_buyers", ascending=False, kind="stable")
    typer.echo(text_of(expected.head(10) if form == "table" else expected, form), nl=False)
    say(f"{len(made.customers):,} customers and {len(expected):,} product sets are in {made.folder}; next: whobuys who KEYWORD")


def who(
    keyword: Annotated[list[str] | None, typer.Argument(metavar="KEYWORD", help="Words in the products' title, brand, category or tags.")] = None,
    shop: ShopFolder = HERE,
    category: Annotated[str | None, typer.Option("--category", help="A category, by its path or any level of it.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="A brand.")] = None,
    product: Annotated[list[str] | None, typer.Option("--product", metavar="ID", help="A product; repeat it for several.")] = None,
    ids_file: Annotated[Path | None, typer.Option("--ids-file", metavar="FILE", help="Products: a file with an id on each line.")] = None,
    attribute: Annotated[list[str] | None, typer.Option("--attribute", metavar="KEY=VALUE", help="Products by a column: =, >= or <=.")] = None,
    sets_file: Annotated[Path | None, typer.Option("--sets-file", metavar="FILE", help="Many sets: CSV product_set,product_id.")] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, help="How many customers.", show_default="20")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every customer.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a .csv, .parquet, .json or .jsonl file.")] = None,
    as_of: AsOf = None,
    bundle: Annotated[str | None, typer.Option("--bundle", metavar="ID", help="Another bundle than the published one.")] = None,
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
    from whobuys.asking import Asked

    if output is not None:
        check_ending(output)
    if all_ and top is not None:
        raise UsageError("--top and --all exclude each other; give one of them")
    count = None if all_ else top or 20
    asked = Asked(keyword or (), category, brand, product or (), ids_file, attribute or (), sets_file)
    with enough_room(shop):
        model, snapshot = _opened(shop, bundle, as_of, memory_limit, threads)
        sets = _sets(asked, snapshot)
        if as_of is None:
            warn_if_stale(snapshot.as_of, horizon=model.horizon)
        if sets_file is not None:
            _answer_many(model, snapshot, sets, top=count, output=output, form=form)
        else:
            _answer_one(model, snapshot, sets[0], top=count, output=output, form=form)


def warn_if_stale(as_of: date, *, horizon: int) -> None:
    """Warn on stderr when the clock is past what the answer is about."""
    from whobuys.clock import stale, today

    if warning := stale(as_of, horizon=horizon, today=today()):
        say(f"note: {warning}")


def _opened(shop: Path, bundle: str | None, as_of: date | None, memory_limit: str | None, threads: int | None) -> "tuple[Bundle, Snapshot]":
    from features.shop import Shop
    from features.snapshot import Snapshot
    from serving.published import check_interest, load_bundle

    opened = Shop.open(shop, memory_limit=memory_limit, threads=threads)
    as_of = as_of or opened.default_as_of
    opened.check_date(as_of)
    model = load_bundle(shop, bundle)
    check_interest(opened, model)
    return model, Snapshot(opened, as_of, horizon=model.horizon)


def _sets(asked: object, snapshot: "Snapshot") -> "list[ProductSet]":
    from features.products import Catalogue
    from serving.who import check_known
    from whobuys.asking import Asked

    assert isinstance(asked, Asked)
    sets = asked.sets(Catalogue.of(snapshot.shop))
    for sentence in check_known(snapshot.shop, sets):
        say(f"note: {sentence}")
    return sets


def _answer_one(model: "Bundle", snapshot: "Snapshot", product_set: "ProductSet", *, top: int | None, output: Path | None, form: str) -> None:
    from serving.exports import text_of, write_table
    from serving.who import answers

    (answer,) = answers(model, snapshot, [product_set], top=top)
    typer.echo(header(answer, snapshot), err=output is not None or form != "table")
    if output is None:
        typer.echo(text_of(answer.rows, form), nl=False)
        return
    write_table(output, answer.rows)
    say(f"wrote {output}: {len(answer.rows):,} customers")


def header(answer: "Answer", snapshot: "Snapshot") -> str:
    """What stands above the ranked customers: date, products, expected buyers, base rate and lift."""
    known = snapshot.shop.products.reindex(list(answer.product_set.product_ids))
    titles = list(known["title"].dropna().head(TITLES))
    products = f"{len(known):,} product{'s' * (len(known) != 1)}"
    named = f" ({', '.join(titles)}{', ...' * (len(known) > len(titles))})" if titles else ""
    share = answer.expected_shown / answer.expected_buyers if answer.expected_buyers else 0.0
    return "\n".join(
        (
            f"{answer.product_set.label}: {products}{named}",
            f"as of {answer.as_of}, the next {answer.horizon} days: {answer.expected_buyers:,.1f} buyers expected "
            f"among {answer.customers:,} customers (base rate {answer.base_rate:.2%})",
            f"the {len(answer.rows):,} most probable: {answer.expected_shown:,.1f} buyers expected ({share:.0%} of all), lift {answer.lift:.1f}",
        )
    )


def _answer_many(model: "Bundle", snapshot: "Snapshot", sets: "list[ProductSet]", *, top: int | None, output: Path | None, form: str) -> None:
    from features.errors import UsageError
    from serving.exports import text_of, write_blocks
    from serving.who import answers, everybody

    if top is None and output is None:
        raise UsageError("--sets-file with --all answers for every customer and set; give a file for it with -o FILE")
    if output is not None:
        with progress() as tell:
            tell(f"answering for {len(sets):,} product sets and {len(snapshot.customer_ids):,} customers as of {snapshot.as_of}")
            blocks = everybody(model, snapshot, sets) if top is None else _tops(model, snapshot, sets, top)
            total = Total()
            rows = write_blocks(output, total.counted(blocks))
        say(f"wrote {output}: {rows:,} rows; the probabilities in it add up to {total.expected:,.1f} buyers")
    elif form == "table":
        for answer in answers(model, snapshot, sets, top=top):
            typer.echo(f"{header(answer, snapshot)}\n{text_of(answer.rows, form)}")
    else:
        import pandas as pd

        typer.echo(text_of(pd.concat(list(_tops(model, snapshot, sets, top or 1)), ignore_index=True), form), nl=False)


def _tops(model: "Bundle", snapshot: "Snapshot", sets: "list[ProductSet]", top: int) -> "Iterator[pd.DataFrame]":
    from serving.who import answers

    for answer in answers(model, snapshot, sets, top=top):
        frame = answer.rows[["customer_id", "probability", "rank", "is_new"]].copy()
        frame.insert(0, "product_set", answer.product_set.label)
        yield frame


class Total:
    """The sum of all probabilities that pass by."""

    expected = 0.0

    def counted(self, blocks: "Iterator[pd.DataFrame]") -> "Iterator[pd.DataFrame]":
        """The same frames, added up."""
        for block in blocks:
            self.expected += float(block["probability"].astype("float64").sum())
            yield block
