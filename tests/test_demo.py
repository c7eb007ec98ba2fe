"""The made-up shop goes all the way from its exports to its audiences, and never over somebody's own files."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.files import read_current
from features.made_up import CANARY_EMAIL
from serving.scores import Scores
from whobuys.cli import app
from whobuys.demo import _STEPS


def demo(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["demo", str(folder), *words])


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("mine", encoding="utf-8")
    result = demo(tmp_path)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "is not empty and no demo shop; name another folder" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["orders.csv"]


@pytest.mark.parametrize("scale", ["0", "51"])
def test_a_scale_that_cannot_be_made_is_refused(scale: str, tmp_path: Path) -> None:
    assert demo(tmp_path / "demo", "--scale", scale).exit_code == 2
    assert not (tmp_path / "demo").exists()


def text_of(path: Path) -> str:
    """What can be read in a file: its bytes, and the cells of a table, whose bytes are compressed."""
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.DataFrame()
    cells = "\n".join(str(value) for column in frame for value in frame[column].dropna().unique())
    return path.read_bytes().decode("latin-1") + cells


@pytest.mark.proof
def test_from_exports_to_audiences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOBUYS_TODAY", "")  # the demo sets its own clock; afterwards it is as before
    folder = tmp_path / "demo"
    result = demo(folder, "--scale", "0.1")
    assert result.exit_code == 0, result.output
    assert [line.split("$ ")[1].split(" --shop")[0] for line in result.stdout.splitlines() if line.startswith("[")] == [
        f"whobuys {words.replace('FILES', f'{folder}/exports-in/*.csv')}" for words, _ in _STEPS
    ]
    assert set(read_current(folder)) == {"tables", "bundle", "scores"}
    assert len(Scores.open(folder).customers) > 1_500
    exports = sorted(path.name for path in (folder / "exports").iterdir())
    assert any("repellent" in name or "locks" in name or "boot-care" in name for name in exports)
    assert "What to look at now" in result.stdout
    assert CANARY_EMAIL not in result.output
    named = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file() and CANARY_EMAIL in text_of(path)}
    assert named - {"exports"} == {"exports-in", "tables"}
    assert demo(folder, "--scale", "0.1").exit_code == 0
