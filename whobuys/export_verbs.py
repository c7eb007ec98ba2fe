"""The verbs by which answers leave the shop: audience export (for other tools) and report tables (for dashboards)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import HERE, Csv, Json, ShopFolder, form_of, progress, say, warn_if_stale

if TYPE_CHECKING:
    from features.sections import Channel
    from serving.destinations.files import Exported

TABLES = "tables"


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An audience that was built.")],
    to: Annotated[
        str,
        typer.Option("--to", metavar="PRESET", help="csv, parquet, jsonl, klaviyo, mailchimp, google, meta, hubspot, salesforce or bloomreach."),
    ],
    shop: ShopFolder = HERE,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.", show_default="in exports/")] = None,
    default_country: Annotated[
        str | None,
        typer.Option("--default-country", metavar="CODE", help="Of customers and phones without one, such as NO.", show_default="as in whobuys.toml"),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel", metavar="CHANNEL", help="With csv, parquet, jsonl: whose consent is needed (email, sms, ads).", show_default="email"
        ),
    ] = None,
    with_control: Annotated[
        bool, typer.Option("--with-control", help="With csv, parquet, jsonl: the control group too, marked, without contact data.")
    ] = False,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Write the members that an audience had when it was last built as a file for another tool, with a manifest beside it.

    Only those are in it who consented to its channel (unknown is no) and are not on the suppression list; the control group stays out.
    """
    form = form_of(json=json_, csv=csv)
    import json

    import pandas as pd

    from serving.destinations.files import Asked, export_audience
    from serving.exports import text_of
    from serving.published import enough_room

    asked = Asked(name, to, output, _channel(channel), default_country, with_control)
    with enough_room(shop), progress() as tell:
        tell(f"exporting {name} for {to}")
        done = export_audience(shop, asked)
    _tell_rest(done, shop)
    if form == "json":
        typer.echo(json.dumps({**done.facts, "path": str(done.path)}, indent=1, ensure_ascii=False))
        return
    names = ("audience", "preset", "channel", "data_date", "members", "rows")
    row = {name: done.facts[name] for name in names} | {"file": str(done.path)}
    typer.echo(text_of(pd.DataFrame([row]), form), nl=False)


def _tell_rest(done: "Exported", shop: Path) -> None:
    """Say who is not in the file, what is empty in it, and when it is old."""
    for reason, count in done.left_out.items():
        say(f"left out: {count:,} ({reason})")
    for note in done.notes:
        say(f"note: {note}")
    warn_if_stale(shop, done.members.as_of, horizon=done.members.horizon)


def _channel(channel: str | None) -> "Channel | None":
    from typing import cast, get_args

    from features.errors import UsageError, did_you_mean
    from features.sections import Channel

    if channel is not None and channel not in get_args(Channel):
        raise UsageError(f"--channel {channel}: there is no such channel{did_you_mean(channel, get_args(Channel))}")
    return cast("Channel | None", channel)


def tables(
    shop: ShopFolder = HERE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="A folder for Parquet files, or one file .duckdb.", show_default="reports/tables"),
    ] = None,
) -> None:
    """Write flat tables for Looker Studio, Power BI or Tableau: the published scores, product sets, audiences and days. Nobody's address is in them.

    Prints the path.
    """
    from serving.destinations.tables import write_tables
    from serving.published import enough_room
    from whobuys.report_verbs import FOLDER

    path = output or shop / FOLDER / TABLES
    with enough_room(shop), progress() as tell:
        tell(f"writing {path}")
        for table, rows in write_tables(shop, path).items():
            tell(f"{table}: {rows:,} rows")
    typer.echo(str(path))
