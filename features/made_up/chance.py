"""Seeds -> streams of chance, and weights -> draws: the few vectorised draws that every part of the made-up shop shares."""

import zlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.signedinteger]
"""Whole numbers of any width."""
Reals = NDArray[np.floating]
"""Real numbers of any width."""


def stream(seed: int, part: str) -> np.random.Generator:
    """A stream of chance of its own for each part, so that one part's draws do not move another's."""
    return np.random.default_rng([seed, zlib.crc32(part.encode())])


def chances(rng: np.random.Generator, share: float | Reals, size: int) -> Flags:
    """True with probability ``share``, ``size`` times."""
    return np.asarray(rng.random(size, dtype=np.float32) < share)


def draw(rng: np.random.Generator, weights: Reals, size: int) -> Ints:
    """``size`` positions, each with probability in proportion to its weight."""
    steps = np.cumsum(weights) / np.sum(weights)
    steps[-1] = 1.0
    found: Ints = np.searchsorted(steps, rng.random(size), side="right").astype(np.int32)
    return found


def draw_by_row(rng: np.random.Generator, weights: Reals, rows: Whole) -> Ints:
    """For each entry of ``rows`` a column of ``weights`` (shape rows x columns), with probability in proportion to that row's weights."""
    steps = np.cumsum(weights, axis=1)
    steps /= steps[:, -1:]
    steps[:, -1] = 1.0
    flat = (steps + np.arange(len(weights))[:, None]).ravel()
    found = np.searchsorted(flat, rows + rng.random(len(rows)), side="right")
    column: Ints = (found - rows.astype(np.int64) * weights.shape[1]).clip(0, weights.shape[1] - 1).astype(np.int32)
    return column


def positions_of_sorted(keys: Longs) -> Longs:
    """The positions that sort ``keys`` (each below 2^31), ties by position: the same on every machine, unlike an unstable argsort."""
    packed = (keys << 32) | np.arange(len(keys), dtype=np.int64)
    packed.sort()
    return packed & 0xFFFFFFFF
