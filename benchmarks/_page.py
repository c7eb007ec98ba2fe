"""Figures become Markdown, and Markdown its section of a page of docs/."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from models.resampling import interval

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "evaluation.md"
DATA = ROOT.parent / "shared" / "data"


def figure(value: float) -> str:
    """Three digits, without the 0 before the point."""
    text = f"{value:.3f}"
    return text[1:] if text.startswith("0.") else text


def ratio(value: float, draws: ArrayLike) -> str:
    """A ratio with the middle 95 % of its draws."""
    low, high = interval(draws)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def table_of(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [f"| {' | '.join(heads)} |", "|---|" + "---|" * (len(heads) - 1), *(f"| {' | '.join(row)} |" for row in rows)]


def machine() -> str:
    """What is measured on, and that other work kept it busy where it did: seconds are too many then."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[2]
    busy = f"; other work kept it busy (load {load:.0f}), so that seconds are too many" if load > 1.3 * cores else ""
    return f"Measured on {cores} cores, {platform.machine()}, Python {platform.python_version()}{busy}."


def write_section(name: str, text: str, *, page: Path = PAGE) -> None:
    """Put a section between its markers in docs/evaluation.md, or another page; ends the benchmark when they are not there."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    written = page.read_text(encoding="utf-8")
    if begin not in written or end not in written:
        raise SystemExit(f"{page} has no place for this result: put the lines {begin} and {end} where it belongs")
    before, rest = written.split(begin)
    page.write_text(f"{before}{begin}\n{text}{end}{rest.split(end)[1]}", encoding="utf-8")
