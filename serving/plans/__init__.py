"""Answers to several audiences become a plan: what they have in common, which one each customer gets, and which three to five to begin with."""
