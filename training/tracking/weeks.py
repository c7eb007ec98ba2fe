"""A shop's week becomes one run in MLflow, with its training, comparison, scoring and evaluation as children."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from training.tracking.runs import Run, tracked

WEEKLY = "weekly"
PARENT = "mlflow.parentRunId"


@contextmanager
def tracked_week(shop_folder: Path, name: str = "") -> Iterator[Run]:
    """Open the run of a week, tagged ``kind`` = weekly; whatever is logged inside becomes its child. Runs of a week that was killed are closed first.

    Only for who holds the lock of weekly runs. Raises DataError naming the store when it does not answer or refuses.
    """
    with tracked(shop_folder, name) as run:
        with run.store.asked():
            _close_killed(run)
            run.mlflow.set_tags({"kind": WEEKLY})
        yield run


def log_step(
    shop_folder: Path,
    kind: str,
    *,
    facts: Mapping[str, str],
    measures: Mapping[str, float],
    tables: Mapping[str, pd.DataFrame] | None = None,
    name: str = "",
) -> str:
    """Open a run tagged ``kind`` for one step of a week and log what it came to; its id comes back.

    Raises ValueError for a table with a personal column, DataError naming the store when it does not answer or refuses.
    """
    with tracked(shop_folder, name) as run:
        run.log(kind, facts=facts, measures=measures, tables=tables)
        return run.run_id


def _close_killed(run: Run) -> None:
    """Mark weeks of the experiment that are still called running, and their children, as killed: there is no other week at this time."""
    client = run.mlflow.MlflowClient()
    here = [client.get_run(run.run_id).info.experiment_id]
    for week in client.search_runs(here, f"attributes.status = 'RUNNING' and tags.kind = '{WEEKLY}'"):
        if week.info.run_id == run.run_id:
            continue
        for child in client.search_runs(here, f"attributes.status = 'RUNNING' and tags.`{PARENT}` = '{week.info.run_id}'"):
            client.set_terminated(child.info.run_id, "KILLED")
        client.set_terminated(week.info.run_id, "KILLED")
