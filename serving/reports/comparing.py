"""A shop as of a date and audiences become what a page about them reads: each measured, a plan of them, and what they have in common."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from features.config import Config
from features.products import Catalogue
from serving.audiences.costs import Costs
from serving.audiences.definitions import Audience
from serving.audiences.measured import measured
from serving.audiences.members import evidence_of
from serving.audiences.payoff import channel_of
from serving.plans.overlap import overlap
from serving.plans.plan import plan
from serving.published import check_interest
from serving.reports.audiences import About
from serving.reports.base import Base

Say = Callable[[str], None]


def compare(audiences: Sequence[Audience], base: Base, config: Config, *, shop: Path, bundles: Path, saved: dict[str, Audience], say: Say) -> About:
    """All that the page is about, the largest potential first. ``shop`` is the shop's folder, ``bundles`` that of the bundle.

    Raises DataError for names that the shop does not know, and when an audience asks for interest that nobody can tell.
    """
    if any(each.needs_interest for each in audiences):
        check_interest(base.snapshot.shop, base.bundle)
    costs = Costs.of(config)
    opened = evidence_of(base.bundle, base.snapshot, Catalogue.of(base.snapshot.shop), saved=saved, consented=config.shop.legal_basis)
    evidence = replace(opened, scored=lambda: base.everybody)
    found = measured(audiences, evidence, base.bundle, costs, shop=shop, bundles=bundles, saved=saved, say=say)
    found.sort(key=lambda each: (-np.nan_to_num(each.value("expected revenue")), each.members.audience.audience))
    answers = [each.members for each in found]
    missing = dict.fromkeys(sentence for each in answers for sentence in costs.left_out(channel_of(each)))
    told = [f"{sentence[0].upper()}{sentence[1:]}." if not sentence.startswith("whobuys") else f"{sentence}." for sentence in missing]
    made = plan(answers, evidence, costs, choose_best=True)
    of_plan = replace(made, warnings=tuple(each for each in made.warnings if each not in missing))
    return About(base, found, of_plan, overlap(answers, evidence), told)
