"""Who will buy from a product set: affinities, the pair model, its training sets, rules, and the intervals of its totals."""
