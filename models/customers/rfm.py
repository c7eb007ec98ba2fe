"""RFM scores become named groups, and what customers spent becomes the share of revenue that the best of them bring."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from features.snapshot import Snapshot

SCORES = ("rfm_recency", "rfm_frequency", "rfm_monetary")
ANY = (1, 5)
Range = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """A named part of the cube of scores: ``boxes`` are ranges (both ends inclusive) of recency, frequency and monetary; ``meaning`` in words."""

    name: str
    boxes: tuple[tuple[Range, Range, Range], ...]
    meaning: str

    def cells(self) -> Iterator[tuple[int, int, int]]:
        """Every triple of scores of the group."""
        for box in self.boxes:
            recency, frequency, monetary = (range(low, high + 1) for low, high in box)
            yield from product(recency, frequency, monetary)

    def definition(self) -> str:
        """The boxes for people.

        >>> Group("x", (((4, 5), (1, 1), (1, 5)),), "").definition()
        'R 4-5, F 1'
        """
        letters = ("R", "F", "M")
        return " or ".join(
            ", ".join(f"{letter} {_of_range(each)}" for letter, each in zip(letters, box, strict=True) if each != ANY) for box in self.boxes
        )


GROUPS = (
    Group("champions", (((4, 5), (4, 5), (4, 5)),), "ordered lately, often, and for much: thank them, show them what is new first"),
    Group("regulars", (((4, 5), (4, 5), (1, 3)), ((3, 3), (4, 5), ANY)), "order often, for less money or not quite lately: larger baskets"),
    Group("big spenders", (((3, 5), (1, 3), (5, 5)),), "few orders, and dear ones: advice and service rather than discounts"),
    Group("promising", (((4, 5), (2, 3), (1, 4)),), "ordered lately and more than once: on their way to become regulars"),
    Group("newcomers", (((4, 5), (1, 1), (1, 4)),), "ordered lately, and hardly ever before: a good second order"),
    Group("wavering", (((3, 3), (1, 3), (1, 4)),), "neither lately nor often: a reason to come back before they forget"),
    Group("must keep", (((1, 2), (4, 5), (4, 5)),), "once among the best, and silent for long: win them back in person"),
    Group("fading", (((1, 2), (4, 5), (1, 3)), ((1, 2), (3, 3), ANY)), "used to order, and are silent for long: remind them of what they bought"),
    Group("asleep", (((2, 2), (1, 2), ANY),), "few orders, and silent for long: seldom and cheaply"),
    Group("gone", (((1, 1), (1, 2), ANY),), "few orders, longest ago: leave them in peace"),
)
"""The groups; every triple of scores belongs to exactly one."""
UNKNOWN = ""


def rfm_group(scores: pd.DataFrame) -> pd.Series:
    """The name of the group of each customer, from the columns ``SCORES`` (1 to 5, 5 best); unknown where a score is.

    >>> rfm_group(pd.DataFrame({"rfm_recency": [5, 1], "rfm_frequency": [5, 1], "rfm_monetary": [5, None]})).tolist()
    ['champions', nan]
    """
    names = np.full((6, 6, 6), UNKNOWN, dtype=object)
    for group in GROUPS:
        names[tuple(np.transpose(list(group.cells())))] = group.name
    places = [scores[name].astype("Int64").fillna(0).to_numpy(np.int64) for name in SCORES]
    found = pd.Series(names[tuple(places)], index=scores.index, name="rfm_group", dtype="str")
    return found.where(found != UNKNOWN)


def concentration(snapshot: Snapshot) -> pd.DataFrame:
    """How much of all revenue before the snapshot's date the best customers brought: ``customers`` and ``revenue``, shares from 0 to 1 in steps of a
    hundredth of the customers, those who spent most first. Where nobody spent anything, every customer brought as much."""
    return concentration_of(snapshot.customers()["spent"])


def concentration_of(spent: pd.Series) -> pd.DataFrame:
    """The same of any amounts, none below 0; between two customers the curve is straight. Source: Lorenz 1905, from the top.

    >>> concentration_of(pd.Series([8.0, 1.0, 1.0, 0.0])).iloc[[0, 25, 50, 100]].round(2).to_numpy().tolist()
    [[0.0, 0.0], [0.25, 0.8], [0.5, 0.9], [1.0, 1.0]]
    """
    ordered = np.sort(spent.fillna(0).to_numpy(np.float64))[::-1]
    ordered = ordered if ordered.sum() > 0 else np.ones(len(ordered))
    steps = np.arange(101) / 100
    reached = np.append(0.0, np.cumsum(ordered)) / ordered.sum()
    return pd.DataFrame({"customers": steps, "revenue": np.interp(steps, np.arange(len(reached)) / len(ordered), reached)})


def _of_range(each: Range) -> str:
    low, high = each
    return str(low) if low == high else f"{low}-{high}"
