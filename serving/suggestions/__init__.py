"""What the orders and the models suggest by themselves: pairs for cross-selling, and long-tail products that are wanted more than they sell."""

from serving.suggestions.hidden_demand import LongTail, long_tail
from serving.suggestions.learned_pairs import CrossSell, cross_sell

__all__ = ["CrossSell", "LongTail", "cross_sell", "long_tail"]
