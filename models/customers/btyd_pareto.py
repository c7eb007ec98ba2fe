"""What is known of customers becomes expected orders: they order at random times at a rate of their own, and leave at any time."""

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from scipy.special import exprel, gammaln, logsumexp

from models.customers.btyd_cells import WEEK, Cells, Numbers, most_likely

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
ROWS = 10_000
"""Cells whose integrals are taken at once: what is in between stays near the processor."""
USUAL = np.array([0.5, 8.0, 0.6, 12.0])
"""Parameters around which shops are found, in weeks."""


@dataclass(frozen=True)
class ParetoNbd:
    """Pareto/NBD (Schmittlein, Morrison and Colombo 1987). Orders come at a rate (per week) that is gamma distributed over customers (``r``,
    ``alpha``), and they leave at a rate that is gamma distributed, too (``s``, ``beta``).

    The likelihood is that of Fader and Hardie (2005, "A note on deriving the Pareto/NBD model and related expressions"). Its integral over the time
    of leaving, which they write as the difference of two hypergeometric functions, is taken in logarithms: hundreds of orders neither overflow nor
    cancel.
    """

    r: float
    alpha: float
    s: float
    beta: float

    @classmethod
    def fit(cls, cells: Cells) -> Self:
        """The likeliest parameters; finite for any shop, see ``most_likely``."""
        return cls(*map(float, most_likely(lambda values: cls(*values).log_likelihood(cells), cells.counts, USUAL)))

    def log_likelihood(self, cells: Cells) -> Numbers:
        """The logarithm of the probability density of one customer of every cell."""
        shape = self.r + cells.repeats
        orders = gammaln(shape) - gammaln(self.r) + self.r * np.log(self.alpha) - shape * np.log(self.alpha + cells.age)
        stayed = self.s * (np.log(self.beta) - np.log(self.beta + cells.age))
        return np.asarray(orders + stayed + np.logaddexp(0.0, self._odds_left(cells)), np.float64)

    def p_alive(self, cells: Cells) -> Numbers:
        """The probability that a customer of every cell has not left, above 0 and at most 1."""
        return np.asarray(np.exp(np.maximum(-np.logaddexp(0.0, self._odds_left(cells)), -700.0)), np.float64)

    def expected_orders(self, cells: Cells, days: float, *, alive: Numbers | None = None) -> Numbers:
        """Order days of one customer of every cell within the next ``days``, at least 0 (Fader and Hardie 2005, equation 41)."""
        beta = self.beta + cells.age
        grown = np.log1p(days / WEEK / beta)
        time_alive = beta * grown * exprel((1.0 - self.s) * grown)
        alive = self.p_alive(cells) if alive is None else alive
        return np.asarray(alive * (self.r + cells.repeats) / (self.alpha + cells.age) * time_alive, np.float64)

    def p_order(self, cells: Cells, days: float, *, alive: Numbers | None = None) -> Numbers:
        """The probability that a customer of every cell orders within the next ``days``: that an order comes before the customer leaves."""
        shape = self.r + cells.repeats
        first = _log_integral(self.alpha + cells.age, self.beta + cells.age, shape + 1.0, self.s, np.full(len(shape), days / WEEK))
        # of a customer who is there; the integral of a density, whose rounding may not pass 1
        ordered = np.minimum(np.exp(np.log(shape) - np.log(self.alpha + cells.age) + first), 1.0)
        alive = self.p_alive(cells) if alive is None else alive
        return np.asarray(alive * ordered, np.float64)

    def as_dict(self) -> dict[str, float]:
        """The parameters, for JSON."""
        return asdict(self)

    @classmethod
    def of_dict(cls, content: dict[str, float]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(**content)

    def _odds_left(self, cells: Cells) -> Numbers:
        """The logarithm of: has left, over has not."""
        shape, alpha, beta = self.r + cells.repeats, self.alpha + cells.active, self.beta + cells.active
        silence = cells.age - cells.active
        left = _log_integral(alpha, beta, shape, self.s + 1.0, silence) + np.log(self.s / beta)
        return left + shape * np.log1p(silence / alpha) + self.s * np.log1p(silence / beta)


def _log_integral(alpha: Numbers, beta: Numbers, p: Numbers, q: float, length: Numbers) -> Numbers:
    """The logarithm of the integral of (1 + u / alpha)^-p (1 + u / beta)^-q over u from 0 to ``length``; -inf where that is 0.

    By Gauss-Legendre on u = m (exp(V y^3) - 1), m the smaller of alpha and beta: in it the integrand is smooth however fast it falls at first.
    """
    blocks = [slice(first, first + ROWS) for first in range(0, len(p), ROWS)]
    parts = [_log_integral_of_block(alpha[rows], beta[rows], p[rows], q, length[rows]) for rows in blocks]
    return np.concatenate([np.empty(0), *parts])


def _log_integral_of_block(alpha: Numbers, beta: Numbers, p: Numbers, q: float, length: Numbers) -> Numbers:
    least = np.minimum(alpha, beta)
    longest = np.log1p(length / least)
    y = (NODES + 1.0) / 2.0
    way = np.outer(longest, y**3)
    passed = least[:, None] * np.expm1(way)
    heights = way - p[:, None] * np.log1p(passed / alpha[:, None]) - q * np.log1p(passed / beta[:, None])
    with np.errstate(divide="ignore"):
        scale = np.log(3.0 * least * longest)
    return np.asarray(scale + logsumexp(heights + np.log(WEIGHTS / 2.0 * y**2), axis=1), np.float64)
