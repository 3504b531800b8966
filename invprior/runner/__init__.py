"""Run a solver to its stop: once, as an ensemble, or in tiles."""
