"""README and docs say what is so: their commands run, every verb, option, setting and requirement is there, and links lead somewhere."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.config import Config, template
from models import features_page
from serving import customers_page
from serving.ranks import INTEREST_COLUMNS
from serving.scores import score
from whobuys.cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
REQUIREMENTS = 161


def blocks(page: Path, kind: str) -> list[str]:
    return [found["text"] for found in BLOCK.finditer(page.read_text(encoding="utf-8")) if found["kind"] == kind]


def pages_with(kind: str) -> Iterator[pytest.param]:  # type: ignore[valid-type]  # what parametrize takes
    return (pytest.param(page, id=page.stem) for page in PAGES if blocks(page, kind))


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "WHOBUYS_TODAY": "2026-07-01"}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_all(page: Path, kind: str) -> None:
    """Run the commands of a page where we stand; those of whobuys in this process, which has everything loaded already."""
    for text in blocks(page, kind):
        for command in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
            if command.startswith("whobuys "):
                result = CliRunner().invoke(app, shlex.split(command)[1:], env={"WHOBUYS_TODAY": "2026-07-01"})
                assert result.exit_code == 0, f"{page.name}: {command}\n{result.output}"
            else:
                ended = run(command, Path.cwd())
                assert ended.returncode == 0, f"{page.name}: {command}\n{ended.stderr}"


@pytest.mark.parametrize("page", list(pages_with("console run")))
def test_commands_run(page: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    run_all(page, "console run")


@pytest.mark.proof
@pytest.mark.parametrize("page", list(pages_with("console proof")))
def test_long_commands_run(page: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    run_all(page, "console proof")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "architecture.md"], ids=["README", "architecture"])
def test_python_runs(page: Path, trained_shop: Path, tmp_path: Path) -> None:
    if not blocks(page, "python"):
        return
    shutil.copytree(trained_shop, tmp_path / "demo-shop")
    score(tmp_path / "demo-shop", config=Config())
    for text in blocks(page, "python"):
        (tmp_path / "block.py").write_text(text, encoding="utf-8")
        ended = run("python block.py", tmp_path)
        assert ended.returncode == 0, ended.stderr


def test_every_verb_and_option_is_on_its_page() -> None:
    """Mend it with: python -m typer whobuys.cli utils docs --name whobuys --output docs/commands.md"""
    ended = run("python -m typer whobuys.cli utils docs --name whobuys", ROOT)
    assert ended.stdout.strip() == (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").strip(), ended.stderr


def test_every_setting_is_on_its_page() -> None:
    """Mend it by replacing the toml block with ``features.config.template()``."""
    assert blocks(ROOT / "docs" / "configuration.md", "toml") == [template().rstrip() + "\n"]


def test_every_requirement_has_its_line() -> None:
    named: list[int] = []
    for cell in re.findall(r"^\| ([\d, to]+) \|", (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8"), re.MULTILINE):
        for part in cell.split(", "):
            first, _, last = part.partition(" to ")
            named += range(int(first), int(last or first) + 1)
    assert named == list(range(1, REQUIREMENTS + 1))


def test_every_column_of_the_scores_is_described(shop: Path) -> None:
    page, of_customers = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("architecture.md", "customers.md"))
    scores = score(shop, config=Config())
    assert [column for column in ("customer_id", *INTEREST_COLUMNS, *scores.product_sets.columns) if f"`{column}`" not in page] == []
    named = [re.sub(r"^(likelihood|expected_[a-z]+)_\d+$", r"\1_H", str(column)) for column in scores.customers]
    assert [column for column in named if f"`{column}`" not in of_customers] == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


SHOWN_LINES = 9


def shortened(output: str) -> str:
    """What the demo prints, at most SHOWN_LINES lines of each verb."""
    verbs = re.split(r"\n(?=\[\d/\d\] |done in )", "\n" + output.strip())
    kept = []
    for verb in verbs:
        lines = verb.strip().splitlines()
        more = ["..."] if len(lines) > SHOWN_LINES + 1 and not verb.startswith("done") else []
        kept.append("\n".join(lines[: SHOWN_LINES + 1] + more if more else lines))
    return "\n\n".join(kept).strip() + "\n"


def masked(text: str) -> str:
    return re.sub(r"[\d.,%a-f-]*\d[\d.,%a-f-]*", "#", re.sub(r" +", " ", text))


@pytest.mark.proof
def test_the_output_in_the_readme_is_real(tmp_path: Path) -> None:
    """Figures may differ a little from machine to machine. Mend the block by what this prints when it fails."""
    ended = run("whobuys demo", tmp_path)
    assert ended.returncode == 0, ended.stderr
    shown = shortened(ended.stdout)
    assert masked(blocks(ROOT / "README.md", "text")[0]) == masked(shown), shown


def test_every_feature_is_on_its_page() -> None:
    """Mend it with: python -m models.features_page > docs/features.md"""
    assert features_page.page() == (ROOT / "docs" / "features.md").read_text(encoding="utf-8")


def test_every_definition_of_customers_is_on_their_page() -> None:
    """Mend it with: python -m serving.customers_page > docs/customers.md"""
    assert customers_page.page() == (ROOT / "docs" / "customers.md").read_text(encoding="utf-8")
