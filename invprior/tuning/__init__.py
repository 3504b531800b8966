"""Choose the weights of a prior from the measurement."""
