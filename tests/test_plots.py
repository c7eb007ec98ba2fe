"""Drawings hold a line for every curve of their table, beside chance, and are the same bytes again."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from models import metrics, plots

SCORES, OUTCOME = np.linspace(1, 0, 50), np.arange(50) % 7 == 0
GAIN = metrics.gain_curve(SCORES, OUTCOME)
DRIFT = pd.DataFrame({"feature": ["price", "recency"], "psi": [0.3, 0.0], "limit": [0.25, 0.25]})
CALIBRATION = metrics.calibration_table(SCORES, OUTCOME, bins=5)


def of_origins(table: pd.DataFrame, **names: list[str]) -> pd.DataFrame:
    """The same curve once for each name."""
    column, values = next(iter(names.items()))
    return pd.concat([table.assign(**{column: value}) for value in values], ignore_index=True)


@pytest.mark.parametrize(
    "draw, table, labels",
    [
        (plots.gain_figure, GAIN, ["chance", "model"]),
        (plots.lift_figure, GAIN, ["chance", "model"]),
        (plots.calibration_figure, CALIBRATION, ["comes true", "model"]),
        (plots.gain_figure, of_origins(GAIN, origin=["2025-01-01", "2025-02-01"]), ["chance", "2025-01-01", "2025-02-01"]),
        (plots.lift_figure, of_origins(GAIN, method=["whobuys", "als"]), ["chance", "whobuys", "als"]),
        (plots.gain_figure, of_origins(GAIN, origin=["2025-01-01"]).assign(method="als"), ["chance", "als as of 2025-01-01"]),
        (plots.calibration_figure, CALIBRATION.assign(real=0.0), []),
        (plots.gain_figure, metrics.gain_curve(SCORES, np.zeros(50, bool)), ["chance", "model"]),
    ],
)
def test_a_drawing_has_a_line_for_every_curve(draw: Callable[[pd.DataFrame], Figure], table: pd.DataFrame, labels: list[str], tmp_path: Path) -> None:
    before = table.copy()
    figure = draw(table)
    assert [line.get_label() for line in figure.axes[0].get_lines()] == labels
    first, second = (plots.save(each, tmp_path / name).read_bytes() for each, name in ((figure, "1.png"), (draw(table), "2.png")))
    assert first.startswith(b"\x89PNG") and first == second
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    "names, drawn",
    [(["gain", "calibration"], ["gain", "lift", "calibration"]), (["calibration"], ["calibration"]), (["customers", "drift"], ["drift"])],
)
def test_what_the_tables_allow_is_drawn(names: list[str], drawn: list[str]) -> None:
    tables = {"gain": GAIN, "calibration": CALIBRATION, "customers": pd.DataFrame(), "drift": DRIFT}
    assert list(plots.drawings({name: tables[name] for name in names})) == drawn


def test_no_window_system_is_touched() -> None:
    code = "import sys, models.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0


def test_the_best_methods_are_drawn_as_means_over_the_origins() -> None:
    worst = metrics.gain_curve(-SCORES, OUTCOME)
    table = pd.concat(
        [of_origins(curve.assign(method=name), origin=["a", "b"]) for name, curve in (("worst", worst), ("best", GAIN), ("same", GAIN))]
    )
    found = plots.best_curves(table, count=2)
    assert found["method"].unique().tolist() == ["best", "same"]
    assert found.loc[found["method"] == "best", "gain"].tolist() == pytest.approx(GAIN["gain"].tolist())
    one = of_origins(GAIN.assign(method="best"), origin=["a", "b"])
    assert plots.best_curves(one) is one
