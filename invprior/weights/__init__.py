"""Rules that choose a prior's weight from the measurement."""
