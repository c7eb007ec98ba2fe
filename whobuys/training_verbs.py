"""The verbs that learn and prove: train, evaluate and tune."""

from pathlib import Path
from typing import Annotated

import typer

from whobuys.terminal import HERE, AsOf, BundleId, Csv, Json, MemoryLimit, ShopFolder, Threads, form_of, progress, say, set_threads, tell_rule

THREADS = 2
ORIGINS = 3
TRIALS = 20
Horizon = Annotated[
    int | None,
    typer.Option("--horizon", min=1, max=730, metavar="DAYS", help="Days ahead that are predicted.", show_default="as in whobuys.toml"),
]


def train(
    shop: ShopFolder = HERE,
    as_of: AsOf = None,
    horizon: Horizon = None,
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
    tell_rule(bundle.rule)
    say("published; next: whobuys evaluate, whobuys score" if published else "kept, not published; whobuys train --promote would publish it")


def evaluate(
    shop: ShopFolder = HERE,
    bundle: BundleId = None,
    origins: Annotated[
        int | None, typer.Option("--origins", min=1, max=60, metavar="N", help="Evaluate anew at N past dates.", show_default=f"{ORIGINS} when anew")
    ] = None,
    as_of: AsOf = None,
    sets_file: Annotated[
        Path | None,
        typer.Option("--sets-file", metavar="FILE", help="Evaluate anew on these product sets: CSV product_set,product_id, or as for score --sets."),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Evaluate anew and write one page, HTML or Markdown.")] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="NAME",
            help="Which table to print: methods, slices, sets, customers, coverage, calibration or gain.",
            show_default="all with --json, methods with --csv",
        ),
    ] = None,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Say how good the answers were on past dates, beside rules without learning: each date was predicted by a fit that knew nothing after it.

    Without options: what the bundle's own training measured, at once. --origins, --as-of, --sets-file and --report evaluate anew: beside every
    rule, in slices of customers and product sets, with intervals; that is logged to MLflow.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from whobuys import evaluated

    evaluated.check(report=report, table=table)
    if any(option is not None for option in (origins, as_of, sets_file, report)):
        found = evaluated.anew(
            shop,
            bundle,
            origins=origins or ORIGINS,
            as_of=as_of,
            sets_file=sets_file,
            memory_limit=memory_limit,
            threads=threads or THREADS,
        )
        evaluated.keep(shop, found, report)
    else:
        found = evaluated.kept(shop, bundle)
        say(f"beside every rule and on more product sets, in minutes: whobuys evaluate --origins {ORIGINS}; as a page: whobuys report evaluation")
    typer.echo(evaluated.text(found, form, table), nl=False)


def tune(
    shop: ShopFolder = HERE,
    trials: Annotated[int, typer.Option("--trials", min=1, max=1000, metavar="N", help="Settings that are tried beside the defaults.")] = TRIALS,
    origins: Annotated[
        int, typer.Option("--origins", min=1, max=60, metavar="N", help="Past dates that choose; one more, the newest, confirms.")
    ] = ORIGINS,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="Which settings are drawn.", show_default="as in whobuys.toml")
    ] = None,
    as_of: AsOf = None,
    horizon: Horizon = None,
    write: Annotated[bool, typer.Option("--write", help="Put settings that are better into whobuys.toml.")] = False,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Look for settings of the model that suit this shop better than the defaults; mostly there are none, and it says so.

    Settings are drawn at random and judged on past dates, each fitted on what was known then. They must rank better than the defaults on every date
    and by more than chance, and then on the newest date, which played no part in choosing. It takes minutes to an hour, and is logged to MLflow.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    from features.config import load_config
    from serving.published import enough_room
    from training import tune as tuning
    from whobuys import tuned
    from whobuys.checkup import check_orders

    config = load_config(shop)
    check_orders(shop, as_of, horizon=horizon or config.train.horizon)
    with enough_room(shop), progress() as tell:
        found = tuning.tune(
            shop,
            config=config,
            say=tell,
            trials=trials,
            origins=origins,
            seed=seed,
            as_of=as_of,
            horizon=horizon,
            write=write,
            memory_limit=memory_limit,
            threads=threads or THREADS,
        )
    typer.echo(tuned.text(found, form), nl=False)
    say(tuned.next_step(found, stated=bool(config.model.stated()), written=write))
