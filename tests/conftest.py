"""What every test shares: one BLAS thread a process, no telemetry, repeatable cases, and the real data sets beside the checkout."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# before anything imports numpy: threads of BLAS beside several test processes are many times slower than one
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

settings.register_profile("repeatable", derandomize=True, deadline=None)  # the same cases everywhere, and no test asserts on time
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data sets, beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not beside this checkout")
    return folder
