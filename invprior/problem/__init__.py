"""The problem and its terms, the objective that a solver uses, and the solution."""
