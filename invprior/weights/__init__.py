"""Rules that choose the weight of a prior from the measurement."""
