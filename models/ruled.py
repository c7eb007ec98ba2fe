"""A rule without learning becomes a model: the answer for a shop whose past does not show that a learnt model is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from features.snapshot import Pairs
from models.base import Floats
from models.baselines import BASELINES
from models.calibrated import LiftCurve, usual_shares


@dataclass(frozen=True, eq=False)
class Ruled:
    """One of ``BASELINES`` by its name, and the curve that makes its scores probabilities."""

    rule: str
    curve: LiftCurve

    @property
    def meaning(self) -> str:
        """The rule in words."""
        return BASELINES[self.rule].meaning

    def predict(self, pairs: Pairs) -> Floats:
        """Probabilities, customers x sets, float32; within a set they fall as the rule's scores do."""
        return self.curve.probability(BASELINES[self.rule].scores(pairs.snapshot, pairs), usual_shares(pairs))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"rule": self.rule, "curve": self.curve.as_dict()}

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``."""
        return cls(content["rule"], LiftCurve.of_dict(content["curve"]))
