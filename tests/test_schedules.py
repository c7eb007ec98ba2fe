"""Every example of a schedule, the container and the MLproject can be read by what will read it, and its commands are commands of whobuys."""

import ast
import json
import re
import shlex
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from whobuys.cli import app
from whobuys.terminal import Verbs

ROOT = Path(__file__).resolve().parent.parent
SCHEDULES = ROOT / "docs" / "schedules"
CRON = re.compile(r"(\*|\d{1,2})(/\d+)?")
HIGHEST = (59, 23, 31, 12, 7)


def check(words: list[str]) -> None:
    """The words are a command with options that it has, and their values are of the right kind."""
    group = typer.main.get_command(app)
    assert isinstance(group, Verbs) and words and words[0] in group.commands, words
    group.commands[words[0]].make_context(words[0], words[1:])


def commands_in(text: str) -> list[list[str]]:
    """The commands of whobuys in a text of shell, without what the shell makes of them."""
    found = re.findall(r"(?:^|[\s=\"/])whobuys ((?:weekly|doctor|train|score|evaluate)[^\n|>\"$]*)", text)
    return [shlex.split(each) for each in found]


@pytest.mark.parametrize("path", sorted(SCHEDULES.iterdir()), ids=lambda path: path.name)
def test_every_command_is_one(path: Path) -> None:
    found = commands_in(path.read_text(encoding="utf-8"))
    assert path.suffix == ".timer" or ["weekly", "--wait", "3600"] in found
    for words in found:
        check(words)
    assert f"(schedules/{path.name})" in (ROOT / "docs" / "weekly.md").read_text(encoding="utf-8")


def assert_cron(line: str) -> None:
    fields = line.split()
    assert len(fields) == 5
    for field, highest in zip(fields, HIGHEST, strict=True):
        found = CRON.fullmatch(field)
        assert found and (found[1] == "*" or int(found[1]) <= highest), line


def test_cron() -> None:
    lines = [line for line in (SCHEDULES / "whobuys.crontab").read_text(encoding="utf-8").splitlines() if line and line[0] in "*0123456789"]
    assert len(lines) == 2
    for line in lines:
        assert_cron(" ".join(line.split()[:5]))


def units(name: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their letters
    parser.read(SCHEDULES / name, encoding="utf-8")
    return parser


def test_systemd() -> None:
    service, timer = units("whobuys.service"), units("whobuys.timer")
    assert service["Service"]["Type"] == "oneshot" and service["Service"]["ReadWritePaths"] == service["Service"]["WorkingDirectory"]
    assert service["Service"]["RestartPreventExitStatus"].split() == ["2", "4"]
    assert re.fullmatch(r"Mon \*-\*-\* \d\d:\d\d:\d\d", timer["Timer"]["OnCalendar"]) and timer["Install"]["WantedBy"] == "timers.target"


def test_github_actions() -> None:
    workflow = yaml.safe_load((SCHEDULES / "github-actions.yml").read_text(encoding="utf-8"))
    assert_cron(workflow[True]["schedule"][0]["cron"])  # YAML 1.1 reads "on" as true
    steps = workflow["jobs"]["weekly"]["steps"]
    assert all({"name", "run"} <= set(step) for step in steps) and steps[1]["if"] == "always()"


def test_airflow() -> None:
    tree = ast.parse((SCHEDULES / "airflow_dag.py").read_text(encoding="utf-8"))
    (dag,) = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.decorator_list]
    (made,) = [each for each in dag.decorator_list if isinstance(each, ast.Call)]
    stated = {each.arg: each.value for each in made.keywords}
    assert_cron(ast.literal_eval(stated["schedule"]))
    assert ast.literal_eval(stated["catchup"]) is False and ast.literal_eval(stated["max_active_runs"]) == 1


def test_the_container() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    allowed = set((ROOT / ".dockerignore").read_text(encoding="utf-8").split())
    for _, words in (step for step in steps if step[0] == "COPY" and "--from" not in step[1]):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists() and f"!{source}" in allowed, source
    assert [words for name, words in steps if name == "USER"] == ["10001"]
    assert all("/" not in words.split()[0] and "." not in words.split(":")[0] for name, words in steps if name == "FROM")
    stated = dict(steps)
    assert json.loads(stated["ENTRYPOINT"]) == ["whobuys"]
    check(json.loads(stated["CMD"]))
    health = json.loads(stated["HEALTHCHECK"].split(" CMD ")[1])
    assert health[0] == "whobuys"
    check(health[1:])


def test_the_health_check_tells_a_whole_shop_from_a_damaged_one(shop: Path) -> None:
    healthy = CliRunner().invoke(app, ["doctor"], env={"WHOBUYS_SHOP": str(shop)})
    assert healthy.exit_code == 0, healthy.output
    next((shop / "bundles").rglob("trees.txt")).write_text("damaged", encoding="utf-8")
    assert CliRunner().invoke(app, ["doctor"], env={"WHOBUYS_SHOP": str(shop)}).exit_code == 1


VALUES = {
    "as_of": "2026-06-01",
    "horizon": "60",
    "promote": "yes",
    "memory_limit": "2GB",
    "threads": "2",
    "bundle": "2026-06-01-abc",
    "origins": "2",
    "sets_file": "my sets.csv",
    "report": "out.html",
    "files": "a.csv b.csv",
    "accept": "new customers",
    "wait": "60",
    "shop": "my shop",
}
POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("filled", [False, True])
def test_every_entry_point_is_a_command_with_and_without_its_parameters(point: str, filled: bool) -> None:
    """The command is filled in as MLflow does it, and the shell tells which words whobuys would get."""
    stated = {name: each["default"] for name, each in POINTS[point]["parameters"].items()}
    values = {name: shlex.quote(VALUES[name] if filled else value) for name, value in stated.items()}
    script = "whobuys() { printf '%s\\0' \"$@\"; }\n" + POINTS[point]["command"].format(**values)
    words = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    check(words)
    if filled:
        said = {"promote": ["--promote"], "files": ["a.csv", "b.csv"]}
        assert {word for name in stated for word in said.get(name, [VALUES[name]])} <= set(words)
    else:
        assert "" not in words and words[1:3] == ["--shop", "shop"]


@pytest.mark.proof
def test_mlflow_runs_a_week_of_the_project(shop: Path) -> None:
    """In this environment; what MLflow began is the run of the week."""
    import os
    import sys

    from mlflow import MlflowClient

    uri = f"sqlite:///{shop / 'mlflow.db'}"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": uri, "WHOBUYS_TODAY": "2026-07-01"}
    few = "[train]\norigins = 1\nbacktest_origins = 1\n[model]\ntrees = 5\n[customers]\nhorizons = [30]\n"
    (shop / "whobuys.toml").write_text(few, encoding="utf-8")
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "weekly", "--env-manager", "local", "-P", f"shop={shop}", "-P", "threads=1"]
    ended = subprocess.run(command, cwd=shop, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    (week,) = [run for run in runs if run.data.tags.get("kind") == "weekly"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == week.info.run_id]
    assert week.info.status == "FINISHED" and week.data.params["threads"] == "1"
    assert {"training", "scoring", "evaluation"} <= {run.data.tags["kind"] for run in children}
