"""Runs of a solver until it stops: one, an ensemble, or one per tile."""
