"""Tables of an evaluation become drawings: gain, lift, calibration, importance and drift. Nothing is shown or kept open."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

SIZE = (7.0, 4.5)
DPI = 120
CURVES, BARS = 4, 20
_CHANCE: dict[str, Any] = {"color": "0.6", "linestyle": "--", "linewidth": 1.0}


def gain_figure(gain: pd.DataFrame) -> Figure:
    """The share of buyers that audiences of growing size catch, a line per origin or method, beside chance.

    ``gain`` is of ``metrics.gain_curve`` (share, gain), with a column origin and / or method when it holds several curves.
    """
    figure, axes = _empty("Buyers caught by an audience of each size", "share of customers and sets, likeliest first", "share of buyers caught")
    axes.plot([0, 1], [0, 1], label="chance", **_CHANCE)
    for label, curve in _curves(gain):
        axes.plot(curve["share"], curve["gain"], label=label)
        _band(axes, curve, 1.0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="lower right")
    return figure


def lift_figure(gain: pd.DataFrame) -> Figure:
    """How many times more buyers than by chance audiences of growing size hold, a line per origin or method; sizes on a logarithmic scale."""
    figure, axes = _empty("Lift of an audience of each size", "share of customers and sets, likeliest first", "times as many buyers as by chance")
    axes.axhline(1.0, label="chance", **_CHANCE)
    for label, curve in _curves(gain[gain["share"] > 0]):
        axes.plot(curve["share"], curve["lift"], label=label)
        _band(axes, curve, curve["share"])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="upper right")
    return figure


def calibration_figure(calibration: pd.DataFrame) -> Figure:
    """Predicted against real purchase rates, a line per origin or method; on the diagonal the probabilities come true.

    ``calibration`` is of ``metrics.calibration_table`` (predicted, real). Both scales are logarithmic; bins in which nobody bought have no place.
    """
    shown = calibration[(calibration["real"] > 0) & (calibration["predicted"] > 0)]
    left_out = len(calibration) - len(shown)
    words = f" ({left_out} of {len(calibration)} bins, in which nobody bought, cannot be drawn)" if left_out else ""
    figure, axes = _empty("Do the probabilities come true?", f"predicted probability, mean of a bin{words}", "share that bought")
    if len(shown):
        ends = [float(shown[["predicted", "real"]].min().min()), float(shown[["predicted", "real"]].max().max())]
        axes.plot(ends, ends, label="comes true", **_CHANCE)
        axes.set_xscale("log")
        axes.set_yscale("log")
    for label, curve in _curves(shown):
        axes.plot(curve["predicted"], curve["real"], marker="o", markersize=4, label=label)
    if len(shown):
        axes.legend(loc="upper left")
    return figure


def importance_figure(importance: pd.DataFrame) -> Figure:
    """What the model looks at most, a bar per column, the ``BARS`` longest; ``importance`` has feature and share, the highest first."""
    shown = importance.head(BARS)[::-1]
    figure, axes = _empty("What the model looks at most", "share of what the trees gain", "")
    axes.barh(shown["feature"].tolist(), shown["share"].tolist())
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def drift_figure(drift: pd.DataFrame) -> Figure:
    """How far what is scored is from what it was, a bar per feature with a mark at its limit; ``drift`` has feature, psi and limit, the farthest
    first."""
    shown = drift.head(BARS)[::-1]
    figure, axes = _empty("How far is it from what it was?", "PSI: 0 is the same; beyond the mark is far", "")
    axes.barh(shown["feature"].tolist(), shown["psi"].tolist())
    axes.plot(shown["limit"].tolist(), shown["feature"].tolist(), linestyle="", marker="|", markersize=14, color="0.3")
    return figure


def drawings(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Every drawing that the tables of a backtest allow: gain and lift from ``gain``, calibration from ``calibration``, and of
    ``importance`` and ``drift``.

    Of several methods the ``CURVES`` best are drawn, as means over the origins.
    """
    found: dict[str, Figure] = {}
    if "gain" in tables:
        gain = best_curves(tables["gain"])
        found |= {"gain": gain_figure(gain), "lift": lift_figure(gain)}
    if "calibration" in tables:
        found["calibration"] = calibration_figure(tables["calibration"])
    if "importance" in tables:
        found["importance"] = importance_figure(tables["importance"])
    if "drift" in tables:
        found["drift"] = drift_figure(tables["drift"])
    return found


def best_curves(gain: pd.DataFrame, *, count: int = CURVES) -> pd.DataFrame:
    """The ``count`` methods that catch most, as means over the origins, point by point; what holds one method (or none is named) stays as it is."""
    if "method" not in gain or gain["method"].nunique() < 2:
        return gain
    points = gain.groupby(["method", "origin"] if "origin" in gain else ["method"], sort=False).cumcount()
    columns = [name for name in ("share", "gain", "lift", "gain_low", "gain_high") if name in gain]
    means = gain.groupby(["method", points.rename("point")], sort=False)[columns].mean().reset_index("method")
    best = means.groupby("method")["gain"].mean().nlargest(count).index
    curves: list[pd.DataFrame] = [means[means["method"] == method] for method in best]
    return pd.concat(curves, ignore_index=True)


def png(figure: Figure) -> bytes:
    """A drawing as PNG, the same bytes for the same tables."""
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write a drawing as PNG and give back the path."""
    path.write_bytes(png(figure))
    return path


def _empty(title: str, across: str, upwards: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(upwards)
    axes.grid(visible=True, color="0.92")
    return figure, axes


def _band(axes: Axes, curve: pd.DataFrame, over: pd.Series | float) -> None:
    """The middle 95 % of draws of customers, where they were drawn."""
    if "gain_low" in curve and curve["gain_low"].notna().all():
        axes.fill_between(curve["share"], curve["gain_low"] / over, curve["gain_high"] / over, alpha=0.2)


def _curves(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    by = [column for column in ("method", "origin") if column in table]
    if not by:
        yield from [("model", table)] if len(table) else []
        return
    for names, curve in table.groupby(by, sort=False):
        yield " as of ".join(str(name).replace("_", " ") for name in names), curve
