"""What every test shares: one BLAS thread a process, no telemetry, repeatable cases, and the real data sets beside the checkout."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

# before anything imports numpy: threads of BLAS beside several test processes are many times slower than one
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

settings.register_profile("repeatable", derandomize=True, deadline=None)  # the same cases everywhere, and no test asserts on time
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are kept in the shop's folder, whatever a test before left in the environment, unless a test says otherwise."""
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data sets, beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop folder with a small made-up shop that was imported and trained with few trees; its clock stands at the day its orders end.

    Made once for all processes of a test run, and read only: a test that writes works on a copy.
    """
    from filelock import FileLock

    home = tmp_path_factory.getbasetemp()
    home = home.parent if "PYTEST_XDIST_WORKER" in os.environ else home
    with FileLock(home / "trained_shop.lock"):
        if not (home / "trained_shop" / "current.json").exists():
            _train_small_shop(home / "trained_shop")
    return home / "trained_shop"


@pytest.fixture
def shop(trained_shop: Path, tmp_path: Path) -> Path:
    """A copy of the trained shop that a test may write to."""
    return Path(shutil.copytree(trained_shop, tmp_path / "shop"))


@pytest.fixture(scope="session")
def fit_quickly() -> Callable[[Path], None]:
    """Trains a shop that was imported, with few trees, and publishes the bundle."""
    return _fit_quickly


def _train_small_shop(folder: Path) -> None:
    from features.config import Config
    from features.imports import import_files
    from features.made_up import made_up_shop, write_exports

    making = folder.with_name("making_" + folder.name)
    import_files(making, write_exports(made_up_shop(scale=0.05, seed=1), making / "exports-in"), config=Config())
    _fit_quickly(making)
    making.rename(folder)


def _fit_quickly(making: Path) -> None:
    from dataclasses import replace

    from features.config import Config
    from features.files import publish
    from features.shop import Shop
    from models.blend import BlendConfig
    from training.fits import Fits
    from training.train import fit_and_prove, recipe_of

    shop, recipe = Shop.open(making), recipe_of(Config(), threads=1)
    affinity = replace(recipe.interest.affinity, factors=8, iterations=2)
    interest = replace(recipe.interest, blend=BlendConfig(trees=40), pairs=30_000, affinity=affinity)
    small = replace(recipe, origins=2, interest=interest, likelihood=replace(recipe.likelihood, blend=BlendConfig(trees=30)))
    bundle, test = fit_and_prove(Fits(shop, small, lambda text: None), shop.default_as_of, origins=1)
    bundle.save(making / "bundles" / bundle.id, origins=test.origins, tables=test.tables)
    publish(making, bundle=f"bundles/{bundle.id}")


CUTS = ("2026-06-10", "2026-06-17", "2026-06-24", "9999")
QUICK = {
    'name = ""': 'name = "Nordic"',
    "\nadd = false": "\nadd = true",
    "\norigins = 5": "\norigins = 1",
    "backtest_origins = 3": "backtest_origins = 1",
    "[30, 60, 90, 180, 365]": "[30]",
    "#[model]": "[model]",
    "#trees = 160": "trees = 5",
}
STAGES = {"lately": "just ordered, active", "slipping": "slipping away", "gone": "lost"}
"""Audiences and their stages of life: as many as a page compares without looking at ready-made ones, which takes longer."""
AUDIENCES = "---\n".join(f"audience: {name}\nwho:\n  - lifecycle: [{stages}]\n" for name, stages in STAGES.items())
Weekly = Callable[..., tuple[int, str]]


def _new_shop(folder: Path) -> Path:
    from features.config import CONFIG, template

    settings = template()
    for usual, here in QUICK.items():
        assert usual in settings
        settings = settings.replace(usual, here, 1)
    folder.mkdir()
    (folder / CONFIG).write_text(settings, encoding="utf-8")
    (folder / "audiences.yaml").write_text(AUDIENCES, encoding="utf-8")
    return folder


def _weekly(shop: Path, files: Sequence[Path], *words: str, **environment: str) -> tuple[int, str]:
    from typer.testing import CliRunner

    from features.made_up import END
    from whobuys.cli import app

    told = {"WHOBUYS_TODAY": END.isoformat(), **environment}
    done = CliRunner().invoke(app, ["weekly", *map(str, files), "--shop", str(shop), *words], env=told)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture(scope="session")
def new_shop() -> Callable[[Path], Path]:
    """Makes the folder of a shop without orders, whose training is quick, with an audience."""
    return _new_shop


@pytest.fixture(scope="session")
def weekly() -> Weekly:
    """A weekly run by the command line: shop, files, further words, environment -> exit code, and what was printed."""
    return _weekly


@pytest.fixture(scope="session")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """The exports of four weeks, the first with all that came before."""
    folder = made_once(tmp_path_factory, "weeks", _write_weeks)
    return [sorted(each.iterdir()) for each in sorted(folder.iterdir())]


def _write_weeks(folder: Path) -> None:
    from features.made_up import made_up_shop, weeks_of, write_exports

    exports = write_exports(made_up_shop(scale=0.02, seed=1), folder.with_name("exports-of-weeks"))
    weeks_of(exports, folder, CUTS)


@pytest.fixture(scope="session")
def grown(weeks: list[list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop after two weeks, which tests only run again or refuse to change."""

    def grow(shop: Path) -> None:
        _new_shop(shop)
        for files in weeks[:2]:
            code, told = _weekly(shop, files)
            assert code == 0, told

    return made_once(tmp_path_factory, "grown", grow)


@pytest.fixture(scope="session")
def whole(grown: Path, weeks: list[list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That shop after a third week that nothing disturbed."""

    def grow(shop: Path) -> None:
        shutil.copytree(grown, shop)
        code, told = _weekly(shop, weeks[2])
        assert code == 0, told

    return made_once(tmp_path_factory, "whole", grow)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that is made once for all processes of a test run."""
    from filelock import FileLock

    home = factory.getbasetemp()
    home = home.parent if "PYTEST_XDIST_WORKER" in os.environ else home
    with FileLock(home / f"{name}.lock"):
        if not (home / f"{name}.made").exists():
            with pytest.MonkeyPatch.context() as environment:  # what is made for all is made before the tests' own environment is clean
                environment.delenv("MLFLOW_TRACKING_URI", raising=False)
                make(home / name)
            (home / f"{name}.made").touch()
    return home / name
