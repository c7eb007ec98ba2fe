"""Implicit ALS in the audience direction: who stands nearest to the sum of a set's products (Hu, Koren, Volinsky 2008).

python als.py FOLDER
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exchange import Past, Scores, best, counts, write
from implicit.cpu.als import AlternatingLeastSquares


@dataclass(frozen=True)
class Setting:
    """Factors, alpha, and the days after which an order is worth half."""

    factors: int
    alpha: float
    half_life: float

    def __str__(self) -> str:
        return f"{self.factors} factors, alpha {self.alpha:g}, half-life {self.half_life:g} days"


SETTINGS = [Setting(factors, alpha, half_life) for factors in (32, 64, 128) for alpha in (10.0, 40.0) for half_life in (np.inf, 90.0)]


def scores(past: Past, setting: Setting) -> Scores:
    """Customers x sets; the confidence of a product is alpha times the log of one plus its decayed orders."""
    matrix = counts(past.lines, past, half_life=setting.half_life).astype(np.float32)
    model = AlternatingLeastSquares(factors=setting.factors, alpha=setting.alpha, iterations=15, random_state=past.seed, num_threads=1)
    model.fit(matrix.log1p(), show_progress=False)
    return np.asarray(model.user_factors @ (past.membership.T @ model.item_factors).T)


def main(folder: Path) -> None:
    past = Past.read(folder)
    chosen = best(SETTINGS, scores, past)
    write(folder, past, scores(past, chosen), settings=str(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
