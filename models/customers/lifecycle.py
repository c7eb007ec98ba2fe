"""A rhythm and the days since the last order become a stage of life: just ordered, active, slipping away or lost, with the days it changes.

The limits lie relative to the customer's own rhythm, and they stay where they are until the next order comes:

* **slipping away** begins one and a quarter rhythms after the last order, not before 14 days: who orders every three months slips away from day
  114 on, who orders yearly from day 457 on;
* **lost** begins two and a half rhythms after it, not before 45 days: a firm that orders every day is not lost after a long weekend;
* **just ordered** lasts for a quarter of a rhythm, at least 3 days and at most 30;
* **active** is what lies between just ordered and slipping away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.expressions import Feature

Days = NDArray[np.int64]

JUST_ORDERED, ACTIVE, SLIPPING_AWAY, LOST = "just ordered", "active", "slipping away", "lost"
FRESH_SHARE, FRESH_DAYS = 0.25, (3, 30)
SLIPPING_SHARE, SLIPPING_DAYS = 1.25, 14
LOST_SHARE, LOST_DAYS = 2.5, 45
STAGES = (
    Feature(
        JUST_ORDERED,
        f"for {FRESH_SHARE:g} rhythms after an order, at least {FRESH_DAYS[0]} and at most {FRESH_DAYS[1]} days: the next one is not due yet",
    ),
    Feature(ACTIVE, "from then on until slipping away: an order may come, and it is not late"),
    Feature(SLIPPING_AWAY, f"from {SLIPPING_SHARE:g} rhythms after the last order on, not before {SLIPPING_DAYS} days: later than usual"),
    Feature(LOST, f"from {LOST_SHARE:g} rhythms after the last order on, not before {LOST_DAYS} days: few come back by themselves"),
)
"""Every stage with its written definition, from the best to the worst."""
STAGE_NAMES = tuple(stage.name for stage in STAGES)


@dataclass(frozen=True, eq=False)
class Limits:
    """Whole days after the last order on which a stage begins: ``active``, ``slipping``, ``lost``; each later than the one before."""

    active: Days
    slipping: Days
    lost: Days

    @classmethod
    def of(cls, rhythm_days: ArrayLike) -> "Limits":
        """The limits of customers with these rhythms.

        >>> limits = Limits.of([1.0, 91.0, 365.0])
        >>> limits.active.tolist(), limits.slipping.tolist(), limits.lost.tolist()
        ([3, 23, 30], [14, 114, 457], [45, 228, 913])
        """
        rhythm = np.asarray(rhythm_days, np.float64)
        fresh = np.clip(rhythm * FRESH_SHARE, *FRESH_DAYS)
        parts = (fresh, np.maximum(rhythm * SLIPPING_SHARE, SLIPPING_DAYS), np.maximum(rhythm * LOST_SHARE, LOST_DAYS))
        return cls(*(np.ceil(part - 1e-6).astype(np.int64) for part in parts))

    def stage(self, silence: ArrayLike) -> NDArray[np.object_]:
        """The stage of each customer after so many days without an order.

        >>> Limits.of([91.0] * 4).stage([22, 23, 114, 228]).tolist()
        ['just ordered', 'active', 'slipping away', 'lost']
        """
        days = np.asarray(silence)
        passed = sum((days >= limit).astype(np.int64) for limit in (self.active, self.slipping, self.lost))
        return np.asarray(STAGE_NAMES, dtype=object)[passed]
