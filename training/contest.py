"""How model and rules did on past dates becomes who answers: the model, unless a rule was better or too little is known to say."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.evaluation.compared import OURS, RULES

USUAL_RULE = "decayed_orders_120_times_lines_90"
"""What answers when no past date could be measured."""
ENOUGH = 200
"""From so many customers who came back on a model is trusted that no past date could measure."""

FEWEST_SETS = 5
"""Fewer measured sets than this, over all dates, say nothing of who is better."""

Result = Mapping[str, tuple[float, float]]
"""By method: on how many product sets it was measured, and their mean average precision (NaN when there were none)."""


def answering_rule(results: Sequence[Result], *, buyers: int) -> str | None:
    """The rule that answers instead of the model; None when the model does.

    Over all sets of all dates the best rule must be beaten. Where fewer than ``FEWEST_SETS`` had enough buyers to be measured, the model
    answers if it learnt from at least ``ENOUGH`` ``buyers`` (customers who ordered within the horizon of a date, once a date).

    >>> answering_rule([{"whobuys": (9, 0.2), "recency": (9, 0.1)}], buyers=0)
    >>> answering_rule([{"whobuys": (9, 0.2), "recency": (9, 0.3)}], buyers=9999)
    'recency'
    """
    known = [each for each in results if each[OURS][0] > 0]
    if sum(each[OURS][0] for each in known) < FEWEST_SETS:
        return None if buyers >= ENOUGH else USUAL_RULE
    means = {method: _mean([each[method] for each in known]) for method in (OURS, *RULES) if all(method in each for each in known)}
    best = max(means, key=lambda method: means[method])
    return None if best == OURS else best


def _mean(measured: Sequence[tuple[float, float]]) -> float:
    return float(np.average([ap for _, ap in measured], weights=[sets for sets, _ in measured]))
