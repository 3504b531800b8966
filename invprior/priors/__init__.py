"""Priors R(x)."""
