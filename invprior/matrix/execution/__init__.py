"""Compute cells: prepare, restore and score, each in its own process."""
