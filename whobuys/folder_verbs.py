"""The verbs about a shop's folder: init, import, doctor, schema."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import Csv, Json, MemoryLimit, ShopFolder, form_of, say

if TYPE_CHECKING:
    from features.checks import Finding
    from features.coverage import Coverage

HERE = Path()


def init(shop: ShopFolder = HERE) -> None:
    """Write whobuys.toml and audiences.yaml, commented, into the shop's folder; files that are there stay as they are."""
    from features.config import CONFIG, template
    from features.files import refuse_file, write_text
    from whobuys.templates import AUDIENCES, AUDIENCES_FILE

    refuse_file(shop)
    for name, text in ((CONFIG, template()), (AUDIENCES_FILE, AUDIENCES)):
        if (shop / name).exists():
            say(f"{shop / name} is there already and stays as it is")
        else:
            write_text(shop / name, text)
            say(f"wrote {shop / name}")
    say("next: whobuys import FILE...")


def import_(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Exports of the shop: CSV, Parquet or JSON lines.")] = None,
    shop: ShopFolder = HERE,
    map: Annotated[list[str] | None, typer.Option("--map", metavar="CANONICAL=COLUMN", help="Which column of the files is which; repeat it.")] = None,
    cancelled_prefix: Annotated[str, typer.Option("--cancelled-prefix", help="Orders whose id begins with this are cancellations.")] = "",
    date_format: Annotated[
        list[str] | None, typer.Option("--date-format", help="How dates are written, such as %d/%m/%Y; repeat it where columns differ.")
    ] = None,
    decimal: Annotated[str, typer.Option("--decimal", help="The decimal sign, . or ,")] = "",
    encoding: Annotated[str, typer.Option("--encoding", help="How text files are encoded, such as latin-1.")] = "",
    delimiter: Annotated[str, typer.Option("--delimiter", help="What separates the columns of text files.")] = "",
    format: Annotated[str, typer.Option("--format", help="A named export format.")] = "",
    add: Annotated[bool, typer.Option("--add", help="Add to what was imported: an order that comes again replaces the one before.")] = False,
    skip_bad_lines: Annotated[bool, typer.Option("--skip-bad-lines", help="Leave out lines that cannot be read, and write them aside.")] = False,
    memory_limit: MemoryLimit = None,
    json_: Json = False,
) -> None:
    """Read exports into the shop's canonical tables, check them, and say what they cover.

    Every option can also stand in the [import] section of whobuys.toml, which is laid under the options given here. What is odd beside the shop's
    own past is said, and the tables are published all the same; whobuys weekly stops at what cannot be right.
    """
    from features.checks import Finding, Weeks, check_tables
    from features.config import load_config, parse_map, with_import
    from features.imports import import_files
    from whobuys.clock import today

    config = with_import(
        load_config(shop),
        map=parse_map(map or []),
        cancelled_prefix=cancelled_prefix,
        date_format=date_format,
        decimal=decimal,
        encoding=encoding,
        delimiter=delimiter,
        format=format,
        add=add,
        skip_bad_lines=skip_bad_lines,
    )
    found: list[Finding] = []
    coverage = import_files(
        shop,
        files or [],
        config=config,
        memory_limit=memory_limit,
        today=today(),
        add=config.imports.add,
        approve=lambda tables: found.extend(check_tables(Weeks.of(shop, tables, today(), memory_limit=memory_limit))),
    )
    _tell(coverage, found, json_=json_)


def _tell(coverage: "Coverage", found: Sequence["Finding"], *, json_: bool) -> None:
    from dataclasses import asdict

    typer.echo(json.dumps({**coverage.as_dict(), "findings": [asdict(each) for each in found]}, indent=1) if json_ else coverage.text())
    for each in found:
        say(f"{'warning' if each.severity == 'stop' else 'note'}: {each.rule}: {each.text}")
    say("next: whobuys train")


def doctor(shop: ShopFolder = HERE, json_: Json = False, csv: Csv = False) -> None:
    """Check the shop's folder, tables, bundle and scores, the disk and the libraries; exit code 1 when something is wrong."""
    from serving.exports import text_of
    from whobuys.checkup import checkup

    form = form_of(json=json_, csv=csv)
    found = checkup(shop)
    typer.echo(text_of(found, form), nl=False)
    if (found["state"] == "wrong").any():
        raise typer.Exit(1)


def schema(
    table: Annotated[str | None, typer.Argument(metavar="TABLE", help="One table only: customers, products, orders, order_lines or events.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the JSON Schema of all tables.")] = False,
) -> None:
    """Print the canonical tables: every column, its type and what it means."""
    from features.errors import UsageError, did_you_mean
    from features.tables import TABLES, json_schema
    from whobuys.templates import schema_text

    if table is not None and table not in TABLES:
        raise UsageError(f"there is no table {table!r}{did_you_mean(table, TABLES)}")
    tables = [TABLES[table]] if table else list(TABLES.values())
    typer.echo(json.dumps(json_schema(), indent=1) if json_ else schema_text(tables))
