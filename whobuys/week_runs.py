"""What a week's steps came to becomes their runs in MLflow, all inside the run of the week."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from features.config import Config
from features.files import read_current
from serving.scores import Scores
from training.match import Match


@contextmanager
def week_run(folder: Path, config: Config, *, dry: bool) -> Iterator[list[dict[str, Any]]]:
    """The run of the week, open as long as its steps; what is put into the list that it gives is logged at the end: the result, as it is written to
    run_result.json. A dry run has none."""
    from models.plots import drawings, save
    from training.tracking import tracked_week

    results: list[dict[str, Any]] = []
    if dry:
        yield results
        return
    with tracked_week(folder, config.shop.name) as run:
        yield results
        for result in results:
            steps = pd.DataFrame(result["steps"])
            facts = {name: str(result[name]) for name in ("tables", "bundle", "scores")}
            tables = _tables(folder, steps)
            seconds = {f"seconds_{step}": float(spent) for step, spent in zip(steps["step"], steps["seconds"], strict=True)}
            with TemporaryDirectory() as drawn:
                figures = {title: save(figure, Path(drawn) / f"{title}.png") for title, figure in drawings(tables).items()}
                texts = {"run_result.json": json.dumps(result, indent=1)}
                run.log("weekly", facts=facts, measures=seconds, tables=tables, figures=figures, texts=texts)


def _tables(folder: Path, steps: pd.DataFrame) -> dict[str, pd.DataFrame]:
    from serving.history import drift_of, figures

    found = figures(folder)
    drift = drift_of(found)
    return {"steps": steps, "figures": found[found["as_of"] == found["as_of"].max()], **({"drift": drift} if len(drift) else {})}


def log_comparison(folder: Path, config: Config, found: Match, *, as_of: date, challenger: str, champion: str) -> None:
    """Log how two recipes compared, and keep it in the history of the shop."""
    from serving.history import remember_comparison
    from training.tracking import log_step

    measures = {"ap": found.ap, "champion_ap": found.champion_ap, "ratio_low": found.low, "ratio_high": found.high, "sets": float(found.sets)}
    remember_comparison(folder, as_of, f"{challenger} against {champion}", **measures)
    facts = {"challenger": challenger, "champion": champion, "dates": ", ".join(map(str, found.dates)), "worse": str(found.worse)}
    log_step(folder, "comparison", facts=facts, measures=measures, name=config.shop.name)


def log_scores(folder: Path, config: Config, scores: Scores) -> None:
    """Log what was scored: how many customers, and what is expected of them together."""
    from training.tracking import log_step

    customers, days = scores.customers, scores.horizon
    sums = {f"{name}_{days}": float(customers[f"{name}_{days}"].astype(float).sum()) for name in ("likelihood", "expected_orders")}
    facts = {"bundle": str(scores.facts["bundle"]), "as_of": str(scores.as_of), "scores": read_current(folder)["scores"]}
    log_step(folder, "scoring", facts=facts, measures={"customers": float(len(customers)), **sums}, name=config.shop.name)


def compared(found: Match | None) -> dict[str, object] | None:
    """A comparison as plain values; None where there was none."""
    return None if found is None else {**asdict(found), "dates": [str(each) for each in found.dates], "worse": found.worse}
