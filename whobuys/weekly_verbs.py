"""The verb weekly: everything that a shop needs once a week, unattended."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from whobuys.terminal import HERE, Csv, Json, MemoryLimit, ShopFolder, Threads, form_of, progress, set_threads

THREADS = 2


def weekly(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Exports; without any, those that whobuys.toml names.")] = None,
    shop: ShopFolder = HERE,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="RULE", help="What this rule finds in the new orders is as it should be; repeat it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check the files, publish nothing.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for another weekly run.")] = 0,
    memory_limit: MemoryLimit = None,
    threads: Threads = None,
    json_: Json = False,
    csv: Csv = False,
) -> None:
    """Take in new orders, check them, train, compare the recipe with the one in use, score, publish what is better, rebuild audiences and pages.

    What does not look right stops the run before anything is published (exit code 4). What became of every step is printed and written to
    run_result.json. A run that was killed is made good by the next one.
    """
    set_threads(threads)
    form = form_of(json=json_, csv=csv)
    import pandas as pd

    from features.config import load_config
    from serving.exports import text_of
    from whobuys.clock import now, today
    from whobuys.unattended import run
    from whobuys.week import Week, check_accepted

    check_accepted(accept or [])
    with progress() as tell:
        week = Week(
            shop, load_config(shop), files or [], today(), tell, accept or [], dry=dry_run, memory_limit=memory_limit, threads=threads or THREADS
        )
        result = run(week, now=now, wait_seconds=wait)
    if form == "table":
        for each in week.steps:
            typer.echo(f"{each.step:<9}  {each.state:<7}  {each.seconds:>5.0f} s  {each.said}")
    else:
        steps = pd.DataFrame([asdict(each) for each in week.steps])
        typer.echo(json.dumps(result, indent=1) + "\n" if form == "json" else text_of(steps, form), nl=False)
