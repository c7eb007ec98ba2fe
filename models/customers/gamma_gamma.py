"""What customers spent per order day becomes what their next order day is expected to bring, drawn to the shop's mean where little is known."""

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from models.customers.btyd_cells import Numbers, most_likely

CLIPPED = (0.001, 0.999)
"""Means beyond these quantiles of all customers count as the quantile while fitting: one wholesale order does not decide what others are worth."""
USUAL = np.array([4.0, 2.5, 3.0])
"""p, q - 1 and v around which shops are found, money in medians of the customers' means."""
ENOUGH = 50_000
"""A fit looks at no more customers than these, evenly taken by their id's place."""


@dataclass(frozen=True)
class GammaGamma:
    """Gamma-Gamma (Fader and Hardie 2013, "The Gamma-Gamma model of monetary value"). The value of an order day is gamma distributed with shape
    ``p`` and a rate that is gamma distributed over customers (``q``, ``v``); ``v`` is in the shop's currency.

    What a customer spends per day is taken not to depend on how often, which the model of orders knows.
    """

    p: float
    q: float
    v: float

    @classmethod
    def fit(cls, days: ArrayLike, mean_value: ArrayLike) -> Self:
        """Fit on customers with ``days`` order days that brought ``mean_value`` each.

        The first order day counts like the others, so that customers with one tell of the shop, too. Those without a positive mean (free of charge,
        refunds above revenue, unknown) are left out, and means are clipped (``CLIPPED``). Finite for any shop, see ``most_likely``; a shop of which
        no value is known is worth nothing.
        """
        count, mean = np.asarray(days, np.float64), np.asarray(mean_value, np.float64)
        known = (count > 0) & np.isfinite(mean) & (mean > 0)
        every = max(1, -(-int(known.sum()) // ENOUGH))
        count, mean = count[known][::every], mean[known][::every]
        if not len(mean):
            return cls(float(USUAL[0]), float(USUAL[1]) + 1.0, 0.0)
        low, high = np.quantile(mean, CLIPPED)
        unit = float(np.median(mean))
        scaled = np.clip(mean, low, high) / unit
        p, above, v = most_likely(lambda values: _log_likelihood(values, count, scaled), np.ones(len(count)), USUAL)
        return cls(float(p), float(above) + 1.0, float(v) * unit)

    @property
    def mean(self) -> float:
        """The expected value of an order day of a customer of whom nothing is known."""
        return self.p * self.v / (self.q - 1.0)

    def expected_value(self, days: ArrayLike, mean_value: ArrayLike) -> Numbers:
        """What the next order day of every customer is expected to bring, at least 0, in the currency of the values.

        A mean of all customers' and the customer's own, which weighs more the more order days there are (equation 5). A mean below 0 counts as 0;
        of a customer whose mean is unknown, or without an order day, the shop's mean is expected.
        """
        count, mean = np.asarray(days, np.float64), np.asarray(mean_value, np.float64)
        known = np.isfinite(mean) & (count > 0)
        own = np.where(known, np.maximum(np.nan_to_num(mean), 0.0), 0.0)
        weight = np.where(known, count, 0.0)
        return np.asarray(self.p * (self.v + weight * own) / (self.p * weight + self.q - 1.0), np.float64)

    def as_dict(self) -> dict[str, float]:
        """The parameters, for JSON."""
        return asdict(self)

    @classmethod
    def of_dict(cls, content: dict[str, float]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(**content)


def _log_likelihood(values: Numbers, count: Numbers, mean: Numbers) -> Numbers:
    """Equation 1a of the paper; ``values`` are p, q - 1 and v."""
    p, q, v = values[0], values[1] + 1.0, values[2]
    shape = p * count
    normal = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
    return np.asarray(normal + (shape - 1.0) * np.log(mean) + shape * np.log(count) - (shape + q) * np.log(v + mean * count), np.float64)
