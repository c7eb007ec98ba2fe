"""Small trees become tables: a tree with four splits answers in one of sixteen ways, so each way is worked out once and looked up for every row.

The tables are read from LightGBM's text model, so that whoever only asks need not load LightGBM, which takes longer than many an answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from models.base import Floats

if TYPE_CHECKING:
    import lightgbm as lgb

Numbers = NDArray[np.float64]
Answers = NDArray[np.uint8]
ROWS = 16_384
"""Rows that are looked up at once: their columns stay near the processor."""
MOST_SPLITS = 8
"""A tree with more splits has more ways to answer than a byte can tell."""
FEW_ROWS = 5_000
"""For fewer rows LightGBM itself tells the contributions faster than the tables of them are made."""
CATEGORICAL, UNKNOWN_LEFT, MISSING, MISSING_ZERO, MISSING_NAN = 1, 2, 12, 4, 8
"""Bits of a decision type in LightGBM's text model."""


@dataclass(frozen=True)
class Split:
    """A question about a column: is the value above the ``limit``? What is unknown counts as above if ``unknown_above``."""

    column: int
    limit: np.float32
    unknown_above: bool

    @classmethod
    def of(cls, column: int, threshold: float, decision: int) -> Self:
        """The split as LightGBM writes it. A float32 is at most the threshold, a float64, when it is at most the next float32 below; a threshold
        beyond all float32 parts what is known from what is not."""
        with np.errstate(over="ignore"):
            limit = np.float32(threshold)
        below = limit if np.isinf(limit) or float(limit) <= threshold else np.nextafter(limit, np.float32(-np.inf))
        unknown_below = bool(decision & UNKNOWN_LEFT) if decision & MISSING == MISSING_NAN else threshold >= 0
        return cls(column, below, not unknown_below)

    def above(self, values: Floats) -> NDArray[np.bool_]:
        """The answer for every value of the column."""
        return np.logical_not(values <= self.limit) if self.unknown_above else np.asarray(values > self.limit)


@dataclass(frozen=True, eq=False)
class Tree:
    """The splits of one tree, and ``values``, what it says for every way to answer them: bit ``k`` of the position is the answer to split ``k``."""

    splits: tuple[Split, ...]
    values: Numbers

    @classmethod
    def of(cls, content: Mapping[str, str]) -> Self | None:
        """A tree as LightGBM writes it; None when it is too large or asks other questions."""
        leaves = _numbers(content["leaf_value"])
        if len(leaves) == 1:
            return cls((), leaves)
        decisions = [int(each) for each in content["decision_type"].split()]
        if len(decisions) > MOST_SPLITS or any(each & CATEGORICAL or each & MISSING == MISSING_ZERO for each in decisions):
            return None
        asked = zip(content["split_feature"].split(), _numbers(content["threshold"]), decisions, strict=True)
        splits = tuple(Split.of(int(column), float(threshold), decision) for column, threshold, decision in asked)
        below, above = ([int(each) for each in content[f"{side}_child"].split()] for side in ("left", "right"))
        ways = np.arange(2 ** len(splits))

        def values(node: int) -> Numbers:
            """What the part of the tree from a node on says for every way to answer; a leaf's number is written as its complement."""
            if node < 0:
                return np.full(len(ways), leaves[~node])
            return np.where(ways >> node & 1, values(above[node]), values(below[node]))

        return cls(splits, values(0))

    def answers(self, columns: Floats) -> Answers:
        """How every row answers: a position in ``values``."""
        found = np.zeros(len(columns), np.uint8)
        for split in reversed(self.splits):
            np.add(found, found, out=found)  # all answers so far one place up: faster than shifting each to its own
            np.add(found, split.above(columns[:, split.column]).view(np.uint8), out=found)
        return found

    def cases(self, width: int) -> Floats:
        """Rows of ``width`` columns that answer in every way that is possible."""
        limits: dict[int, list[float]] = {}
        for split in self.splits:
            limits.setdefault(split.column, [np.inf, np.nan]).append(float(split.limit))
        rows = np.asarray(list(product(*limits.values())), np.float32).reshape(-1, len(limits))
        cases = np.zeros((len(rows), width), np.float32)
        cases[:, list(limits)] = rows
        return cases


@dataclass(frozen=True, eq=False)
class Trees:
    """Fitted boosted trees, as LightGBM's text model."""

    text: str

    @cached_property
    def names(self) -> list[str]:
        """The columns, in order."""
        return _settings(self.text.partition("\n\n")[0])["feature_names"].split()

    @cached_property
    def tables(self) -> list[Tree] | None:
        """The trees in their order; None when one of them cannot be looked up."""
        found = [Tree.of(each) for each in _written(self.text)]
        return [each for each in found if each is not None] if None not in found else None

    @cached_property
    def booster(self) -> "lgb.Booster":
        """LightGBM's own."""
        import lightgbm as lgb

        return lgb.Booster(model_str=self.text)

    def raw_scores(self, columns: Floats, *, threads: int) -> Numbers:
        """What the trees say of every row before their link: the same numbers as LightGBM's ``raw_score``, several times as fast for many rows."""
        if self.tables is None:
            return np.asarray(self.booster.predict(columns, raw_score=True, num_threads=threads), np.float64)
        return _summed(self.tables, [each.values[:, None] for each in self.tables], columns, threads=threads)[:, 0]

    def begun(self, known: Mapping[str, Floats]) -> "Begun":
        """The trees with their questions about the ``known`` columns (each an array of as many rows) answered once and for all.

        Raises ValueError when a tree cannot be looked up."""
        if self.tables is None:
            raise ValueError("trees that cannot be looked up cannot be begun")
        rows = len(next(iter(known.values())))
        answered = np.zeros((len(self.tables), rows), np.uint8)
        for tree, answers in zip(self.tables, answered, strict=True):
            for place, split in enumerate(tree.splits):
                if self.names[split.column] in known:
                    answers += split.above(known[self.names[split.column]]).view(np.uint8) << np.uint8(place)
        return Begun(self.tables, self.names, answered, frozenset(known))

    def contributions(self, columns: Floats, together: NDArray[np.floating], *, threads: int) -> Numbers:
        """How far groups of columns move what the trees say of every row: rows x groups. ``together`` (columns x groups) is 1 where a column belongs.

        LightGBM's ``pred_contrib`` is asked once for every way in which a tree can be answered, and not for every row.
        """
        if self.tables is None or len(columns) < FEW_ROWS:
            return np.asarray(self.booster.predict(columns, pred_contrib=True, num_threads=threads), np.float64)[:, :-1] @ together
        tables = []
        for place, tree in enumerate(self.tables):
            cases = tree.cases(columns.shape[1])
            moves = self.booster.predict(cases, pred_contrib=True, start_iteration=place, num_iteration=1, num_threads=1)
            table = np.zeros((len(tree.values), together.shape[1]))
            table[tree.answers(cases)] = np.asarray(moves, np.float64)[:, :-1] @ together
            tables.append(table)
        return _summed(self.tables, tables, columns, threads=threads)

    def save(self, path: Path) -> None:
        """Write the text model."""
        path.write_text(self.text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of ``save``."""
        return cls(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, eq=False)
class Begun:
    """Trees of which some questions are answered already: ``answered`` (trees x rows) are the bits of those about the columns ``known``."""

    trees: Sequence[Tree]
    names: Sequence[str]
    answered: Answers
    known: frozenset[str]

    def raw_scores(self, same: Mapping[str, Floats], varying: Mapping[str, Floats], *, threads: int) -> Numbers:
        """What the trees say of every row, of which the other columns are the ``same`` for all, or ``varying``: as ``Trees.raw_scores``."""
        rows = self.answered.shape[1]
        total = np.zeros(rows)
        asked = [self._asked(tree, same, varying) for tree in self.trees]

        def add(first: int) -> None:
            block = slice(first, first + ROWS)
            sums = total[block]
            for tree, answered, (told, open_) in zip(self.trees, self.answered, asked, strict=True):
                answers = answered[block] + told
                for place, split, values in open_:
                    answers += split.above(values[block]).view(np.uint8) << place
                sums += tree.values.take(answers)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(add, range(0, rows, ROWS)))
        return total

    def _asked(self, tree: Tree, same: Mapping[str, Floats], varying: Mapping[str, Floats]) -> tuple[np.uint8, list[tuple[np.uint8, Split, Floats]]]:
        """The bits that are the same for all rows, and what is left to ask of each."""
        told, open_ = 0, []
        for place, split in enumerate(tree.splits):
            name = self.names[split.column]
            if name in varying:
                open_.append((np.uint8(place), split, varying[name]))
            elif name not in self.known:
                told |= int(split.above(same[name])) << place
        return np.uint8(told), open_


def _summed(trees: Sequence[Tree], tables: Sequence[Numbers], columns: Floats, *, threads: int) -> Numbers:
    """The sum over the trees of what their tables (ways to answer x numbers) say of every row: rows x numbers."""
    total = np.zeros((len(columns), tables[0].shape[1]), order="F")
    said = [np.flatnonzero(table.any(axis=0)) for table in tables]
    tables = [np.asfortranarray(table) for table in tables]

    def add(first: int) -> None:
        block, sums = np.asfortranarray(columns[first : first + ROWS]), total[first : first + ROWS]
        for tree, table, numbers in zip(trees, tables, said, strict=True):
            answers = tree.answers(block)
            for number in numbers:
                sums[:, number] += table[:, number].take(answers)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(add, range(0, len(columns), ROWS)))
    return total


def _written(text: str) -> Iterator[Mapping[str, str]]:
    """The settings of every tree of a text model, in order."""
    for part in text.split("\nTree=")[1:]:
        yield _settings(part.partition("\n\n")[0])


def _settings(lines: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)


def _numbers(text: str) -> Numbers:
    return np.asarray(text.split(), np.float64)
