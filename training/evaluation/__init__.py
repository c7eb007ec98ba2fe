"""Dates whose horizon has passed become tables, a verdict in words and a page: how good the answers were, beside rules without learning."""
