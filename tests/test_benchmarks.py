"""What the benchmarks say before they measure for minutes to hours: names that nobody knows, data that are not there, and where results go."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHOPS = ("online_retail", "complete_journey", "adventureworks", "made_up")


@dataclass(frozen=True)
class Told:
    """How a script ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Told]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a script of benchmarks/ as the command line would, in this process: loading the libraries anew takes longer than what is tested."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))

    def told(script: str, *arguments: str | Path) -> Told:
        path = str(ROOT / "benchmarks" / script)
        monkeypatch.setattr("sys.argv", [path, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(path, run_name="__main__")
        written = capsys.readouterr()
        return Told(int(end.value.code or 0), written.out, written.err)

    return told


@pytest.mark.parametrize(
    "script, option",
    [
        *((script, "--only") for script in ("accuracy.py", "ablation.py", "origins.py", "audiences.py", "customers.py", "further.py")),
        ("further.py", "--grounds"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(run: Run, script: str, option: str) -> None:
    told = run(script, option, "nonsense")
    assert told.code == 2
    assert "there is no 'nonsense'; known are: " in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("script", ["accuracy.py", "ablation.py", "origins.py", "audiences.py", "further.py"])
def test_data_that_are_not_there_are_told_and_no_failure(run: Run, script: str, tmp_path: Path) -> None:
    told = run(script, "--data", tmp_path, *(("--grounds",) if script == "further.py" else ("--only",)), "online_retail,complete_journey")
    assert told.code == 0, told.stderr
    assert (
        f"{tmp_path / 'online_retail'}: the data set is not there, nothing is measured on it; name the folder that holds it with --data"
        in told.stdout
    )
    assert "complete_journey" in told.stdout
    assert all(words not in told.stdout for words in ("every floor is met", "every proof holds", "everything holds"))


def test_the_customer_benchmark_tells_absent_data_and_claims_nothing(run: Run, tmp_path: Path) -> None:
    told = run("customers.py", "--data", tmp_path)
    assert told.code == 0, told.stderr
    for name in ("cdnow", "online_retail"):
        assert f"{tmp_path / name}: the data set is not there, nothing is measured on it" in told.stdout
    assert "nothing is measured\n" in told.stdout
    assert "every stated figure is reached" not in told.stdout


@pytest.mark.parametrize(
    "section",
    [
        "customers cdnow",
        "customers online_retail",
        "events",
        *(f"{kind} {shop}" for kind in ("accuracy", "ablation", "origins") for shop in SHOPS),
        *(f"audiences {shop}" for shop in SHOPS[:2]),
    ],
)
def test_every_result_has_its_section(section: str) -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    begin, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"
    assert page.count(begin) == page.count(end) == 1
    assert page.index(begin) < page.index(end)
