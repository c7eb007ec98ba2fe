"""What the benchmarks say before they measure for minutes to hours: names that nobody knows, data that are not there, and where results go."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHOPS = ("online_retail", "complete_journey", "adventureworks", "made_up")


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "benchmarks" / script, *arguments]
    return subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "script, option",
    [
        *((script, "--only") for script in ("accuracy.py", "ablation.py", "origins.py", "customers.py", "further.py")),
        ("further.py", "--grounds"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(script: str, option: str) -> None:
    told = run(script, option, "nonsense")
    assert told.returncode == 2
    assert "there is no 'nonsense'; known are: " in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("script", ["accuracy.py", "ablation.py", "origins.py", "further.py"])
def test_data_that_are_not_there_are_told_and_no_failure(script: str, tmp_path: Path) -> None:
    told = run(script, "--data", tmp_path, *(("--grounds",) if script == "further.py" else ("--only",)), "online_retail,complete_journey")
    assert told.returncode == 0, told.stderr
    assert (
        f"{tmp_path / 'online_retail'}: the data set is not there, nothing is measured on it; name the folder that holds it with --data"
        in told.stdout
    )
    assert "complete_journey" in told.stdout
    assert all(words not in told.stdout for words in ("every floor is met", "every proof holds", "everything holds"))


def test_the_customer_benchmark_tells_absent_data_and_claims_nothing(tmp_path: Path) -> None:
    told = run("customers.py", "--data", tmp_path)
    assert told.returncode == 0, told.stderr
    for name in ("cdnow", "online_retail"):
        assert f"{tmp_path / name}: the data set is not there, nothing is measured on it" in told.stdout
    assert "nothing is measured\n" in told.stdout
    assert "every stated figure is reached" not in told.stdout


@pytest.mark.parametrize(
    "section",
    ["customers cdnow", "customers online_retail", "events", *(f"{kind} {shop}" for kind in ("accuracy", "ablation", "origins") for shop in SHOPS)],
)
def test_every_result_has_its_section(section: str) -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    begin, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"
    assert page.count(begin) == page.count(end) == 1
    assert page.index(begin) < page.index(end)
