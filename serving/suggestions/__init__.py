"""What the orders and the models suggest by themselves: a registry of kinds, each with its evidence and the audiences it proposes."""

from serving.suggestions.hidden_demand import LongTail, long_tail
from serving.suggestions.kinds import Ground, Kind, Suggested
from serving.suggestions.learned_pairs import CrossSell, cross_sell
from serving.suggestions.main_sets import MAIN
from serving.suggestions.micro_segments import SEGMENTS
from serving.suggestions.potential import PLAN
from serving.suggestions.rising import RISES
from serving.suggestions.selling import PAIRS, TAIL

KINDS: dict[str, Kind] = {kind.name: kind for kind in (PLAN, MAIN, PAIRS, TAIL, RISES, SEGMENTS)}
"""Every kind of suggestions by its name."""

__all__ = ["KINDS", "CrossSell", "Ground", "Kind", "LongTail", "Suggested", "cross_sell", "long_tail"]
