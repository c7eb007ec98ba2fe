"""Who may load what: a quick command line, scoring without MLflow, layers that hold, and public names that are there."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import whobuys

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("features", "models", "serving", "training", "whobuys")
HEAVY = {"duckdb", "ibis", "implicit", "lightgbm", "matplotlib", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "sklearn"}

ASK_FOR_HELP = """
import sys
from whobuys.cli import app
sys.argv = ["whobuys", "--help"]
try:
    app()
except SystemExit as end:
    assert not end.code
"""
IMPORT_ALL_OF = """
from importlib import import_module
from pkgutil import walk_packages
for package in {packages}:
    for module in walk_packages(import_module(package).__path__, package + "."):
        import_module(module.name)
"""


def run(*command: str, folder: Path = ROOT, path: tuple[Path, ...] = (ROOT,)) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded when the code has run."""
    ended = run(sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *{{name.partition('.')[0] for name in sys.modules}})")
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize("code", ["import whobuys", "import whobuys.cli", ASK_FOR_HELP], ids=["names", "command line", "help"])
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str) -> None:
    assert loaded_after(code) & HEAVY == set()


def test_scoring_needs_no_mlflow() -> None:
    assert "mlflow" not in loaded_after(IMPORT_ALL_OF.format(packages=("features", "models", "serving")))


@pytest.mark.parametrize("name", whobuys.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(whobuys, name) is not None
    assert name in dir(whobuys)


def test_type_checkers_and_python_see_the_same_names() -> None:
    tree = ast.parse(Path(whobuys.__file__).read_text(encoding="utf-8"))
    for_checkers = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in for_checkers.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    assert homes == whobuys._HOMES
    assert {*homes, "__version__"} == set(whobuys.__all__)


def test_a_misspelt_public_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Shopp'; it has Audience, Bundle, .*Shop"):
        getattr(whobuys, "Shopp")  # noqa: B009 - a type checker would refuse it, as it should


@pytest.mark.parametrize("foreign", ["models.py", "models/__init__.py", "features.py", "serving.py", "training.py"])
def test_a_foreign_package_of_the_same_name_is_noticed(foreign: str, tmp_path: Path) -> None:
    theirs = tmp_path / foreign
    theirs.parent.mkdir(exist_ok=True)
    theirs.touch()
    ended = run(sys.executable, "-c", "import whobuys", folder=tmp_path, path=(tmp_path, ROOT))
    assert ended.returncode == 1
    name = foreign.partition(".")[0].partition("/")[0]
    assert f"ImportError: whobuys needs its own package {name!r} in {ROOT}, but Python finds {theirs} first: rename that one" in ended.stderr


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache", folder=folder, path=(folder,))


def test_imports_run_one_way() -> None:
    ended = lint_imports(ROOT)
    assert ended.returncode == 0, ended.stdout


LAYERS = "orders -> features -> models -> training, serving -> command line"
MEET = "training and serving meet in the bundle only"
MLFLOW = "one door to MLflow"
NO_SERVICE = "features and models know no service"


@pytest.mark.parametrize(
    "module, line, broken",
    [
        ("whobuys/cli.py", "import serving, training.tracking, models, features, typer", set()),
        ("training/tracking/model.py", "import mlflow.pyfunc", set()),
        ("serving/scores.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mlflow", set()),
        ("features/shop.py", "import models", {LAYERS}),
        ("models/bundle.py", "from serving import scores", {LAYERS}),
        ("training/train.py", "import whobuys", {LAYERS}),
        ("training/train.py", "from serving import scores", {MEET}),
        ("serving/scores.py", "def late() -> None:\n    import training.tracking", {MEET}),
        ("training/train.py", "import mlflow", {MLFLOW}),
        ("training/track.py", "from mlflow.tracking import MlflowClient", {MLFLOW}),
        ("whobuys/cli.py", "import mlflow", {MLFLOW}),
        ("models/bundle.py", "import mlflow", {MLFLOW, NO_SERVICE}),
        ("features/config.py", "import typer", {NO_SERVICE}),
        ("models/plots.py", "from fastapi import FastAPI", {NO_SERVICE}),
    ],
)
def test_a_seeded_import_breaks_its_contract(module: str, line: str, broken: set[str], tmp_path: Path) -> None:
    for package in (*PACKAGES, "training/tracking"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "training" / "tracking" / "__init__.py").write_text("import mlflow\n", encoding="utf-8")
    (tmp_path / "serving" / "scores.py").touch()
    (tmp_path / module).write_text(line + "\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    ended = lint_imports(tmp_path)
    assert {contract for contract in (LAYERS, MEET, MLFLOW, NO_SERVICE) if f"{contract} BROKEN" in ended.stdout} == broken, ended.stdout
    assert ended.returncode == bool(broken)
