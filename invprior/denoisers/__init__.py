"""Denoisers for additive white Gaussian noise, the component of `pnp` and `red`."""
