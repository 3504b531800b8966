"""From what a user writes to a problem, a solver and a simulated measurement."""
