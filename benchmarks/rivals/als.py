"""Implicit ALS in the audience direction: who stands nearest to the sum of a set's products (Hu, Koren, Volinsky 2008).

python als.py FOLDER [FACTORS ALPHA HALF_LIFE ITERATIONS]

Without settings it chooses among some.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exchange import Past, Scores, best, counts, write
from implicit.cpu.als import AlternatingLeastSquares


@dataclass(frozen=True)
class Setting:
    """Factors, alpha, the days after which an order is worth half, and iterations."""

    factors: int
    alpha: float
    half_life: float
    iterations: int = 15

    def __str__(self) -> str:
        return f"{self.factors} factors, alpha {self.alpha:g}, half-life {self.half_life:g} days"


SETTINGS = [Setting(factors, alpha, half_life) for factors in (32, 64, 128) for alpha in (10.0, 40.0) for half_life in (np.inf, 90.0)]


def scores(past: Past, setting: Setting) -> Scores:
    """Customers x sets; the confidence of a product is alpha times the log of one plus its decayed orders."""
    matrix = counts(past.lines, past, half_life=setting.half_life).astype(np.float32)
    settings = {"factors": setting.factors, "alpha": setting.alpha, "iterations": setting.iterations}
    model = AlternatingLeastSquares(**settings, random_state=past.seed, num_threads=past.threads)
    model.fit(matrix.log1p(), show_progress=False)
    return np.asarray(model.user_factors @ (past.membership.T @ model.item_factors).T)


def main(folder: Path, stated: list[str]) -> None:
    past = Past.read(folder)
    settings = SETTINGS if not stated else [Setting(int(stated[0]), float(stated[1]), float(stated[2]), int(stated[3]))]
    chosen = best(settings, scores, past)
    write(folder, past, scores(past, chosen), settings=str(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
