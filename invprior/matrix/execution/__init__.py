"""Compute cells: prepare, restore, score, in processes of their own."""
