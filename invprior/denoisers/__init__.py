"""Denoisers for additive white Gaussian noise, used by the priors `pnp` and `red`."""
