"""Audiences and a shop become all that is known of each, for pages and comparisons: its numbers, what it pays, its parts, and how it fared before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.conditions import Evidence
from models.bundle import ORIGINS, Bundle
from serving.audiences.check import Check, check_all
from serving.audiences.costs import Costs
from serving.audiences.definitions import Audience
from serving.audiences.members import Members, among, members_of_all
from serving.audiences.numbers import Number, numbers, parts, top_products
from serving.audiences.payoff import Payoff, payoff
from serving.audiences.profile import drivers, profile_numbers
from serving.audiences.realised import realised

Say = Callable[[str], None]
BY = "lifecycle"


@dataclass(frozen=True, eq=False)
class Measured:
    """``members`` of an audience, its ``numbers`` by name, what it pays (``payoff``), what each condition does (``parts``), what sets members apart
    (``drivers``), what they buy (``products``, ``brands``), their ``stages`` of life. ``check``: its back-test, None where the bundle keeps no past
    fits. ``builds``: what came of builds that are over, a row each."""

    members: Members
    numbers: dict[str, Number]
    payoff: Payoff
    parts: pd.DataFrame
    drivers: pd.DataFrame
    products: pd.DataFrame
    brands: pd.DataFrame
    stages: pd.DataFrame
    check: Check | None
    builds: pd.DataFrame

    def value(self, name: str) -> float:
        """A number by its name; NaN when it is not known."""
        return self.numbers[name].value if name in self.numbers else float("nan")


def measured(
    audiences: Sequence[Audience],
    evidence: Evidence,
    bundle: Bundle,
    costs: Costs,
    *,
    shop: Path,
    bundles: Path,
    saved: dict[str, Audience],
    say: Say,
) -> list[Measured]:
    """All of it, of several audiences in order. ``shop`` is the shop's folder, ``bundles`` the bundle's."""
    say(f"asking {len(audiences)} audiences as of {evidence.as_of}")
    answers = list(members_of_all(audiences, evidence))
    checks: list[Check | None] = [None] * len(audiences)
    if any((bundles / ORIGINS).glob("[0-9]*")):
        say("asking them on past dates")
        checks = list(check_all(audiences, evidence.snapshot.shop, bundles, saved=saved, consented=evidence.consented, rules=False))
    say("counting what they buy")
    return [_one(members, check, evidence, bundle, costs, shop) for members, check in zip(answers, checks, strict=True)]


def _one(members: Members, check: Check | None, evidence: Evidence, bundle: Bundle, costs: Costs, shop: Path) -> Measured:
    found = [*numbers(members, evidence, bundle.spread, costs), *profile_numbers(members, evidence)]
    return Measured(
        members,
        {each.name: each for each in found},
        payoff(members, evidence, costs),
        parts(members, evidence),
        drivers(members, evidence),
        top_products(members, evidence, count=6),
        top_products(members, evidence, by="brand", count=6),
        _stages(members, evidence),
        check,
        realised(shop, members.audience.audience, evidence.snapshot.shop, bundle.spread),
    )


def _stages(members: Members, evidence: Evidence) -> pd.DataFrame:
    """Shares of the members by stage of life: stage, share; empty where it is not known."""
    if BY not in evidence.customers:
        return pd.DataFrame(columns=["stage", "share"])
    stages = evidence.customers[BY][among(members, evidence)].astype(object).value_counts(normalize=True)
    return stages.rename_axis("stage").rename("share").reset_index()
