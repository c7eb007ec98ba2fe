"""What every test shares: one BLAS thread a process, no telemetry, repeatable cases, and the real data sets beside the checkout."""

import os
import shutil
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


def _train_small_shop(folder: Path) -> None:
    from dataclasses import replace

    from features.config import Config
    from features.files import publish
    from features.imports import import_files
    from features.made_up import made_up_shop, write_exports
    from features.shop import Shop
    from models.blend import BlendConfig
    from training.fits import Fits
    from training.train import fit_and_prove, recipe_of

    making = folder.with_name("making_" + folder.name)
    import_files(making, write_exports(made_up_shop(scale=0.05, seed=1), making / "exports-in"), config=Config())
    shop, recipe = Shop.open(making), recipe_of(Config(), threads=1)
    affinity = replace(recipe.interest.affinity, factors=8, iterations=2)
    interest = replace(recipe.interest, blend=BlendConfig(trees=40), pairs=30_000, affinity=affinity)
    small = replace(recipe, origins=2, interest=interest, likelihood=replace(recipe.likelihood, blend=BlendConfig(trees=30)))
    bundle, test = fit_and_prove(Fits(shop, small, lambda text: None), shop.default_as_of, origins=1)
    bundle.save(making / "bundles" / bundle.id, origins=test.origins, tables=test.tables)
    publish(making, bundle=f"bundles/{bundle.id}")
    making.rename(folder)
