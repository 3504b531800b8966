"""Solvers of E(Ax; y) + R(x)."""
