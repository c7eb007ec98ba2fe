"""Scores and snapshots become pages for the shop's people: one HTML file each that needs nothing else and names no customer."""
