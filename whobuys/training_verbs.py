"""The verbs that learn and prove: train and evaluate."""

from typing import TYPE_CHECKING, Annotated

import typer

from whobuys.terminal import HERE, AsOf, BundleId, Csv, Json, MemoryLimit, ShopFolder, Threads, form_of, progress, say, set_threads

if TYPE_CHECKING:
    import pandas as pd

TABLE = "methods"
THREADS = 2
MEASURES = {
    "methods": ["sets", "ap", "new_ap", "rp", "new_rp", "lift_1", "lift_5", "level"],
    "customers": ["customers", "ordered", "expected", "level", "auc", "auc_recency", "log_loss", "calibration_error"],
}


def train(
    shop: ShopFolder = HERE,
    as_of: AsOf = None,
    horizon: Annotated[
        int | None,
        typer.Option("--horizon", min=1, max=730, metavar="DAYS", help="Days ahead that are predicted.", show_default="as in whobuys.toml"),
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Publish the new bundle; the first one always is.")] = False,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
) -> None:
    """Fit on everything before a date, prove it on past dates, keep the bundle, log it to MLflow, and publish the shop's first one."""
    set_threads(threads)
    from features.config import load_config
    from features.files import read_current
    from training import train as training
    from whobuys.checkup import check_orders

    config = load_config(shop)
    check_orders(shop, as_of, horizon=horizon or config.train.horizon)
    with progress() as tell:
        bundle = training.train(
            shop,
            config=config,
            say=tell,
            as_of=as_of,
            horizon=horizon,
            promote=promote,
            memory_limit=memory_limit,
            threads=threads or THREADS,
        )
    published = read_current(shop).get("bundle") == f"bundles/{bundle.id}"
    typer.echo(bundle.id)
    say("published; next: whobuys evaluate, whobuys score" if published else "kept, not published; whobuys train --promote would publish it")


def evaluate(
    shop: ShopFolder = HERE,
    bundle: BundleId = None,
    table: Annotated[
        str, typer.Option("--table", metavar="NAME", help="Which table --json and --csv print: methods, sets, customers, calibration or gain.")
    ] = TABLE,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Print how good the bundle was on past dates, beside rules without learning: each date was predicted by a fit that knew nothing after it."""
    form = form_of(json=json_, csv=csv)
    from features.errors import DataError, UsageError, did_you_mean
    from serving.exports import text_of
    from serving.published import evaluation_tables

    tables = evaluation_tables(shop, bundle)
    if not tables:
        raise DataError("the bundle has no backtest: the shop was too young for one; import more orders and train again")
    if form == "table" and table == TABLE:
        typer.echo(_for_people(tables), nl=False)
        return
    if table not in tables:
        raise UsageError(f"there is no table {table!r}{did_you_mean(table, tables)}")
    typer.echo(text_of(tables[table], form), nl=False)


def _for_people(tables: "dict[str, pd.DataFrame]") -> str:
    """Product sets by method, the best first, as means over the origins; then the customers, an origin a line."""
    from serving.exports import text_of

    parts = []
    if "methods" in tables:
        methods = tables["methods"]
        means = methods.groupby("method", sort=False)[_known(methods, "methods")].mean().sort_values("ap", ascending=False, kind="stable")
        origins = ", ".join(methods["origin"].unique())
        parts.append(f"who buys from a product set, mean over the origins {origins}:\n{text_of(means.reset_index(), 'table')}")
    customers = tables["customers"]
    parts.append(f"who orders anything, by origin:\n{text_of(customers[['origin', *_known(customers, 'customers')]], 'table')}")
    return "\n".join(parts)


def _known(table: "pd.DataFrame", name: str) -> list[str]:
    return [measure for measure in MEASURES[name] if measure in table]
