"""The shop's week as an Airflow DAG: tried again when something is broken, not when somebody must look first."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.decorators import dag, task
from airflow.exceptions import AirflowException, AirflowFailException

SHOP = Path("/srv/shop")
WHOBUYS = "/srv/whobuys/.venv/bin/"
WEEKLY = "whobuys weekly --wait 3600"
DOCTOR = "whobuys doctor"
FOR_PEOPLE = (2, 4)
"""A wrong word of the command, and orders that do not look right: trying again changes nothing."""


def run(command: str) -> None:
    """Run a command in the shop's folder. What became of every step is in run_result.json, whose error is told here."""
    code = subprocess.run([WHOBUYS + command.split()[0], *command.split()[1:]], cwd=SHOP, check=False).returncode
    if code:
        result = SHOP / "run_result.json"
        error = json.loads(result.read_text(encoding="utf-8"))["error"] if result.is_file() else ""
        raise (AirflowFailException if code in FOR_PEOPLE else AirflowException)(f"{command}: exit code {code}: {error}")


@dag(
    schedule="0 4 * * 1",
    start_date=pendulum.datetime(2026, 1, 5, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=30)},
)
def whobuys_weekly() -> None:
    """First everything that is there is looked at, then the week's work is done."""

    @task
    def doctor() -> None:
        """Stop when what is there is damaged."""
        run(DOCTOR)

    @task
    def weekly() -> None:
        """Take in, check, train, compare, score, publish, rebuild."""
        run(WEEKLY)

    doctor() >> weekly()


whobuys_weekly()
