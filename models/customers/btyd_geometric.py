"""What is known of customers becomes expected orders: they order at random times at a rate of their own, and may leave after every order."""

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import gammaln

from models.customers.btyd_cells import WEEK, Cells, Numbers, most_likely

NODES = 60
"""Points at which a mean over the chance of leaving is taken: more change nothing in the eighth digit, up to hundreds of orders."""
USUAL = np.array([0.5, 8.0, 0.8, 2.5])
"""Parameters around which shops are found, in weeks."""


@dataclass(frozen=True)
class _Geometric:
    """Parameters: orders come at a rate (per week) that is gamma distributed over customers (``r``, ``alpha``), and after an order the customer
    leaves with a chance that is beta distributed (``a``, ``b``). ``chances`` to leave come before the first repeat order: 0 or 1."""

    r: float
    alpha: float
    a: float
    b: float
    chances: ClassVar[int]

    @classmethod
    def fit(cls, cells: Cells) -> Self:
        """The likeliest parameters; finite for any shop, see ``most_likely``."""
        return cls(*map(float, most_likely(lambda values: cls(*values).log_likelihood(cells), cells.counts, USUAL)))

    def log_likelihood(self, cells: Cells) -> Numbers:
        """The logarithm of the probability density of one customer of every cell (Fader, Hardie and Lee 2005, equation 6)."""
        shape = self.r + cells.repeats
        orders = gammaln(shape) - gammaln(self.r) + self.r * np.log(self.alpha) - shape * np.log(self.alpha + cells.age)
        survived = self.b + cells.repeats + self.chances
        stayed = gammaln(self.a + self.b) + gammaln(survived) - gammaln(self.b) - gammaln(self.a + survived)
        return np.asarray(orders + stayed - np.log(self.p_alive(cells)), np.float64)

    def p_alive(self, cells: Cells) -> Numbers:
        """The probability that a customer of every cell has not left, above 0 and at most 1."""
        survived = cells.repeats + self.chances
        silence = np.log((self.alpha + cells.age) / (self.alpha + cells.active))
        with np.errstate(divide="ignore"):
            odds = np.log(np.where(survived > 0, self.a / np.maximum(self.b + survived - 1, self.b), 0.0)) + (self.r + cells.repeats) * silence
        return np.asarray(np.exp(np.maximum(-np.logaddexp(0.0, odds), -700.0)), np.float64)

    def expected_orders(self, cells: Cells, days: float, *, alive: Numbers | None = None) -> Numbers:
        """Order days of one customer of every cell within the next ``days``, at least 0.

        The mean over the rate is (1 - (alpha + T)^(r + x) / (alpha + T + pt)^(r + x)) / p for a chance p to leave; the mean over p, which the paper
        writes as a hypergeometric function, is taken at ``NODES`` Gauss-Jacobi points, which neither overflows nor cancels.
        """
        given, alpha = np.empty(len(cells.age)), self.alpha + cells.age
        for repeats in np.unique(cells.repeats):
            rows = cells.repeats == repeats
            chance, weight = beta_nodes(self.a, self.b + repeats + self.chances)
            grown = np.log1p(np.outer(days / WEEK / alpha[rows], chance))
            given[rows] = (-np.expm1(-(self.r + repeats) * grown) / chance) @ weight
        return (self.p_alive(cells) if alive is None else alive) * given

    def p_order(self, cells: Cells, days: float, *, alive: Numbers | None = None) -> Numbers:
        """The probability that a customer of every cell orders within the next ``days``: nobody leaves before ordering, so only the rate counts."""
        alive = self.p_alive(cells) if alive is None else alive
        return np.asarray(-alive * np.expm1(-(self.r + cells.repeats) * np.log1p(days / WEEK / (self.alpha + cells.age))), np.float64)

    def as_dict(self) -> dict[str, float]:
        """The parameters, for JSON."""
        return asdict(self)

    @classmethod
    def of_dict(cls, content: dict[str, float]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(**content)


class BgNbd(_Geometric):
    """BG/NBD (Fader, Hardie and Lee 2005): who ordered once has not left, whatever the time since then."""

    chances = 0


class MbgNbd(_Geometric):
    """MBG/NBD (Batislam, Denizel and Filiztekin 2007; Hoppe and Wagner 2007): customers may leave after their first order, too."""

    chances = 1


def beta_nodes(a: float, b: float) -> tuple[Numbers, Numbers]:
    """Points in (0, 1) and weights (sum 1) of a mean over the beta distribution, exact for polynomials (Golub and Welsch 1969).

    >>> points, weights = beta_nodes(2.0, 3.0)
    >>> round(float(points @ weights), 9), round(float(weights.sum()), 9)
    (0.4, 1.0)
    """
    n, total = np.arange(NODES, dtype=np.float64), a + b - 2.0
    step = 2.0 * n + total
    with np.errstate(divide="ignore", invalid="ignore"):
        diagonal = ((a - 1.0) ** 2 - (b - 1.0) ** 2) / (step * (step + 2.0))
        off = 4.0 * n * (n + a - 1.0) * (n + b - 1.0) * (n + total) / (step**2 * (step**2 - 1.0))
    diagonal[0] = (a - b) / (a + b)
    off[1] = 4.0 * a * b / ((a + b) ** 2 * (a + b + 1.0))
    points, vectors = eigh_tridiagonal(diagonal, np.sqrt(off[1:]))
    weights = np.square(vectors[0])
    return np.clip((points + 1.0) / 2.0, 1e-300, 1.0), np.asarray(weights / weights.sum(), np.float64)
