"""The problem and its terms, the objective that a solver minimises, and the solution."""
